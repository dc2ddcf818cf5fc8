package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/network"
)

// FlowExporters returns those of a fleet that have an address: one, several that somebody declared, or none. A cluster without the kind has
// none.
func (c *Client) FlowExporters(ctx context.Context, f *v1alpha1.FlowCollector, address netip.Addr) ([]v1alpha1.FlowExporter, error) {
	all, err := c.AllFlowExporters(ctx, f)
	return slices.DeleteFunc(all, func(e v1alpha1.FlowExporter) bool {
		return !slices.ContainsFunc(e.Spec.Addresses, func(a v1alpha1.ExporterAddress) bool { return network.Is(string(a), address) })
	}), err
}

// AllFlowExporters returns those of a fleet. A cluster without the kind has none.
func (c *Client) AllFlowExporters(ctx context.Context, f *v1alpha1.FlowCollector) ([]v1alpha1.FlowExporter, error) {
	var list v1alpha1.FlowExporterList
	err := c.objects.List(ctx, &list, client.InNamespace(f.Namespace))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explained(fmt.Errorf("listing the FlowExporters of namespace %s: %w", f.Namespace, err), f.Namespace)
	}
	return slices.DeleteFunc(list.Items, func(e v1alpha1.FlowExporter) bool { return e.Spec.Collector != f.Name }), nil
}
