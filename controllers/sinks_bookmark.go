package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/sink"
)

// mark writes down how far the sinks of a FlowSink have come, for those that find their consumer missing. It waits until they run as the spec
// says: what cannot be applied is told of already.
func (r *SinkReconciler) mark(ctx context.Context, f *sink.Facts) error {
	if f.Collector == nil || f.Stream == "" || f.Failure != "" || len(f.Forbidden) > 0 || len(f.Problems) > 0 {
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
	wanted, err := sink.New(f.Sink, f.Collector, f.Stream, r.Image).Bookmark(sink.BookmarkIn(live.Data), f.Heard)
	if err != nil || wanted == nil {
		return err
	}
	if _, err := r.apply(ctx, f.Sink, child{"ConfigMap", name.Name, wanted, &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), false}); err != nil {
		return fmt.Errorf("ConfigMap %s: %w", name, err)
	}
	return nil
}
