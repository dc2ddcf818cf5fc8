package fleet

import (
	"context"
	"errors"
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
	if errors.Is(err, ErrNoFlowExporters) {
		return nil, nil
	}
	return slices.DeleteFunc(all, func(e v1alpha1.FlowExporter) bool {
		return !slices.ContainsFunc(e.Spec.Addresses, func(a v1alpha1.ExporterAddress) bool { return network.Is(string(a), address) })
	}), err
}

// ErrNoFlowExporters is the error of a cluster without the kind.
var ErrNoFlowExporters = errors.New("the cluster has no kind FlowExporter, so that nobody judges exporters: upgrade Flowfleet with its definitions")

// AllFlowExporters returns those of a fleet. The error is ErrNoFlowExporters where the cluster does not have the kind.
func (c *Client) AllFlowExporters(ctx context.Context, f *v1alpha1.FlowCollector) ([]v1alpha1.FlowExporter, error) {
	var list v1alpha1.FlowExporterList
	err := c.objects.List(ctx, &list, client.InNamespace(f.Namespace))
	if meta.IsNoMatchError(err) {
		return nil, ErrNoFlowExporters
	}
	if err != nil {
		return nil, explained(fmt.Errorf("listing the FlowExporters of namespace %s: %w", f.Namespace, err), f.Namespace)
	}
	return slices.DeleteFunc(list.Items, func(e v1alpha1.FlowExporter) bool { return e.Spec.Collector != f.Name }), nil
}
