package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// mark writes down how far the sinks of a FlowSink have come, for those that find their consumer missing. It waits until they run as the spec
// says: what cannot be applied is told of already.
func (r *SinkReconciler) mark(ctx context.Context, f *sink.Facts) error {
	if f.Collector == nil || f.Stream == "" || f.Failure != "" || len(f.Forbidden)+len(f.Refused) > 0 || len(f.Problems) > 0 {
		return nil
	}
	live := &corev1.ConfigMap{}
	name := client.ObjectKey{Namespace: f.Sink.Namespace, Name: sink.BookmarkName(f.Sink)}
	if err := r.Client.Get(ctx, name, live); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	if !metav1.IsControlledBy(live, f.Sink) {
		live.Data = nil // another FlowSink of the name had it: it goes with that
	}
	wanted, err := sink.New(f.Sink, f.Collector, f.Stream, r.Image).Bookmark(sink.BookmarkIn(live.Data), f.Heard, f.Placed)
	if err != nil || wanted == nil {
		return err
	}
	if _, err := r.apply(ctx, f.Sink, child{"ConfigMap", name.Name, wanted, &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), false}); err != nil {
		return fmt.Errorf("ConfigMap %s: %w", name, err)
	}
	return nil
}

// ownBookmark takes the name of the bookmark before any sink runs, and fails where somebody else has: sinks would begin where its author says.
// That a ConfigMap names the FlowSink as its owner tells nothing, which anybody can write; the operator's label, nobody else may.
func (r *SinkReconciler) ownBookmark(ctx context.Context, d *sink.Sink) error {
	live, none := &corev1.ConfigMap{}, d.NoBookmark()
	name := client.ObjectKeyFromObject(none)
	err := r.Client.Get(ctx, name, live)
	if apierrors.IsNotFound(err) {
		if err = r.Client.Create(ctx, none, client.FieldOwner(fieldOwner)); err == nil {
			return nil
		}
		if apierrors.IsAlreadyExists(err) { // without the operator's labels, or the cache is behind
			err = r.Reader.Get(ctx, name, live)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("ConfigMap %s: %w", name, err)
	case live.Labels[fleet.LabelManagedBy] != fleet.Product || metav1.GetControllerOf(live) == nil:
		return fmt.Errorf("ConfigMap %s: %w", name, &nameTakenError{"ConfigMap", name.Name, "FlowSink"})
	}
	return nil // one of a former FlowSink of the name goes with that
}
