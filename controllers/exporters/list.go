package exporters

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// fleetField names the fleet of a FlowExporter. It is a field that the API server selects by, too.
const fleetField = "spec.collector"

// Lister finds the FlowExporters of fleets. One that goes through all of a namespace, and copies them, would cost a fleet with ten thousand
// of them tens of megabytes each time.
type Lister struct {
	reader  client.Reader
	indexer cache.Informers

	mu      sync.Mutex
	indexed bool
}

// NewLister returns a Lister that reads from a cache, whose indexer is needed, or from the API server, which selects by itself: nil.
func NewLister(reader client.Reader, indexer cache.Informers) *Lister {
	return &Lister{reader: reader, indexer: indexer, indexed: indexer == nil}
}

// List returns the FlowExporters of a fleet that are not being deleted. They share what they have with the cache: nobody may change them.
func (l *Lister) List(ctx context.Context, fleet types.NamespacedName) ([]*v1alpha1.FlowExporter, error) {
	if err := l.index(ctx); err != nil {
		return nil, err
	}
	list := &v1alpha1.FlowExporterList{}
	if err := l.reader.List(ctx, list, client.InNamespace(fleet.Namespace), client.MatchingFields{fleetField: fleet.Name},
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

// index adds the index when it is needed first. An operator that is set up with it would watch the kind before it is elected, and would not
// be elected before it may.
func (l *Lister) index(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.indexed {
		return nil
	}
	// A cache of several namespaces adds the index to one after another, and none takes it twice: half of it could never be completed. What
	// can fail on the way is to make the watches, which may be tried again.
	if _, err := l.indexer.GetInformer(ctx, &v1alpha1.FlowExporter{}, cache.BlockUntilSynced(false)); err != nil {
		return fmt.Errorf("watching FlowExporters, to index them by fleet: %w", err)
	}
	err := l.indexer.IndexField(ctx, &v1alpha1.FlowExporter{}, fleetField, func(o client.Object) []string {
		if e, ok := o.(*v1alpha1.FlowExporter); ok {
			return []string{e.Spec.Collector}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("indexing FlowExporters by fleet: %w", err)
	}
	l.indexed = true
	return nil
}
