package exporters

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// fleetField names the fleet of a FlowExporter. It is a field that the API server selects by, too.
const fleetField = "spec.collector"

// Index has a cache find the FlowExporters of a fleet, which List needs where it reads from one: one that goes through all of a namespace,
// and copies them, costs a fleet with ten thousand of them tens of megabytes each time.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.FlowExporter{}, fleetField, func(o client.Object) []string {
		if e, ok := o.(*v1alpha1.FlowExporter); ok {
			return []string{e.Spec.Collector}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("indexing FlowExporters by fleet: %w", err)
	}
	return nil
}

// List returns the FlowExporters of a fleet that are not being deleted. They share what they have with the cache: nobody may change them.
func List(ctx context.Context, reader client.Reader, fleet types.NamespacedName) ([]*v1alpha1.FlowExporter, error) {
	list := &v1alpha1.FlowExporterList{}
	if err := reader.List(ctx, list, client.InNamespace(fleet.Namespace), client.MatchingFields{fleetField: fleet.Name},
		client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing FlowExporters of %s: %w", fleet, err)
	}
	out := make([]*v1alpha1.FlowExporter, 0, len(list.Items))
	for i := range list.Items {
		if o := &list.Items[i]; o.DeletionTimestamp.IsZero() && len(o.Spec.Addresses) > 0 {
			out = append(out, o)
		}
	}
	return out, nil
}
