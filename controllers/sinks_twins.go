package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/service"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// twins finds the other FlowSink, in the namespaces that are watched, that stores the same flows in the same tables, or would, and that counts: see
// Facts.Twin. It looks at the oldest first, and no further than to the one that decides: somebody may make a thousand of one destination, and each
// would be compared with all others. Of those with other tables, only those are looked at whose sinks may not be as their spec says. Here is where
// the FlowSink itself is to store.
func (r *SinkReconciler) twins(ctx context.Context, f *sink.Facts, here *sink.Place) error {
	f.Uncompared = true
	tables := sink.Tables(here.Namespace, &here.Configuration.ClickHouse)
	list := &v1alpha1.FlowSinkList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FlowSinks: %w", err)
	}
	if r.Watches != nil && r.Watches.unreadable.any("FlowSink") {
		return errors.New("a FlowSink that is stored and cannot be read, which the operator's log names, may store in the same tables: mend it, or delete it")
	}
	var others []*v1alpha1.FlowSink
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != f.Sink.UID && (tablesOf(other) == tables || !settledSink(other)) {
			others = append(others, other)
		}
	}
	if len(others) > 0 {
		runs, err := r.running(ctx, f.Sink, true)
		if err != nil {
			return err
		}
		f.Stores = runs != nil && runs.Same(here)
	}
	slices.SortFunc(others, sink.Older)
	for _, other := range others {
		if !f.Counts(other) {
			break // nor do the younger ones
		}
		t, err := r.twin(ctx, f, other, here, tablesOf(other) == tables)
		switch {
		case err != nil && other.Namespace != f.Sink.Namespace: // the status is not to tell of it
			ctrl.LoggerFrom(ctx).Error(err, "cannot tell whether another FlowSink stores in the same tables")
			return errors.New("what a FlowSink of another namespace runs, which may store in the same tables and which the operator's log names, cannot be read")
		case err != nil:
			return err
		}
		if f.Twins = []sink.Twin{t}; f.Twin() != nil {
			f.Twins[0].Sink = other.DeepCopy()
			break
		}
		f.Twins = nil
	}
	f.Uncompared = false
	return nil
}

// twin says what another FlowSink does, and wants to do, in a place; sameTables is whether its spec names the tables of the place.
func (r *SinkReconciler) twin(ctx context.Context, f *sink.Facts, other *v1alpha1.FlowSink, place *sink.Place, sameTables bool) (sink.Twin, error) {
	t := sink.Twin{Sink: other}
	if sameTables && other.DeletionTimestamp.IsZero() { // one that goes wants nothing, and stores as long as others keep it
		fc, stream := r.source(ctx, other, f)
		t.Wanted = stream != "" && wantedPlace(other, fc, stream).Same(place)
		if stream != "" && !t.Wanted && settledSink(other) { // what it wants, it does
			return t, nil
		}
	}
	if f.Decides(&t) { // whatever it runs
		return t, nil
	}
	runs, err := r.running(ctx, other, t.Wanted)
	var unseen *notSeenError
	if errors.As(err, &unseen) { // where it stores is not known
		return t, nil
	}
	t.Stores = runs != nil && runs.Same(place)
	return t, err
}

// twinsOfRunning finds the twins of what runs, where the spec is not applied.
func (r *SinkReconciler) twinsOfRunning(ctx context.Context, f *sink.Facts) error {
	f.Uncompared = true
	runs, err := r.running(ctx, f.Sink, false)
	if err == nil && runs != nil {
		return r.twins(ctx, f, runs)
	}
	f.Uncompared = err != nil
	return err
}

// source of another FlowSink, and its stream; empty where this operator looks after no such FlowCollector (any more), or that has no stream. Its
// sinks may run all the same.
func (r *SinkReconciler) source(ctx context.Context, s *v1alpha1.FlowSink, f *sink.Facts) (*v1alpha1.FlowCollector, string) {
	if s.Namespace == f.Sink.Namespace && s.Spec.From == f.Sink.Spec.From {
		return f.Collector, f.Stream
	}
	fc := &v1alpha1.FlowCollector{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Spec.From.FlowCollector}, fc); err != nil {
		return nil, "" // the cache knows it, or nobody does
	}
	return fc, sink.StreamOf(s, fc)
}

// wantedPlace is where a spec has the flows of a stream stored.
func wantedPlace(s *v1alpha1.FlowSink, fc *v1alpha1.FlowCollector, stream string) *sink.Place {
	return placeOf(s, sink.New(s, fc, stream, "").Configuration())
}

// running is where the Deployment of a FlowSink stores, as it was last applied; nil where it has no sinks. What has to be known is read from the
// API server where it cannot be watched.
func (r *SinkReconciler) running(ctx context.Context, s *v1alpha1.FlowSink, known bool) (*sink.Place, error) {
	name := client.ObjectKey{Namespace: s.Namespace, Name: sink.ObjectName(s)}
	d, c := &appsv1.Deployment{}, &corev1.ConfigMap{}
	for _, o := range []client.Object{d, c} {
		err := client.IgnoreNotFound(r.lastApplied(ctx, name, o, known))
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading what FlowSink %s runs: %w", client.ObjectKeyFromObject(s), err)
		case !metav1.IsControlledBy(o, s): // nor is one that is not there
			return nil, nil
		}
	}
	if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		return nil, nil
	}
	configuration := &service.Config{}
	if yaml.Unmarshal([]byte(c.Data[sink.ConfigurationFile]), configuration) == nil {
		return placeOf(s, configuration), nil
	}
	return nil, nil // somebody wrote it: the sinks read no such thing, and it is put back
}

// object is one of a FlowSink.
type object struct {
	kind string
	name types.NamespacedName
}

// lastApplied reads an object as it was last applied. The operator works on one FlowSink after another, so that of two the second sees what the first
// has begun: where the cache has not come to that yet, the API server is asked.
func (r *SinkReconciler) lastApplied(ctx context.Context, name types.NamespacedName, o client.Object, known bool) error {
	id := object{kindOfObject(o), name}
	err := r.Client.Get(ctx, name, o)
	var unseen *notSeenError
	if errors.As(err, &unseen) && !known {
		return err
	}
	r.mu.Lock()
	version, applied := r.applied[id]
	if applied && err == nil && o.GetResourceVersion() == version {
		delete(r.applied, id)
		applied = false
	}
	r.mu.Unlock()
	if !applied && !errors.As(err, &unseen) {
		return err
	}
	if err = r.Reader.Get(ctx, name, o); err == nil && applied {
		r.noteApplied(id, o.GetResourceVersion()) // somebody else may have written it since
	}
	return err
}

// noteApplied notes the version that the cache has yet to come to.
func (r *SinkReconciler) noteApplied(id object, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied[id] = version
}

func placeOf(s *v1alpha1.FlowSink, configuration *service.Config) *sink.Place {
	configuration.SetDefaults()
	p := &sink.Place{Namespace: s.Namespace, Collector: s.Spec.From.FlowCollector, Configuration: configuration}
	if reader := s.Status.Reader; reader != nil && s.Status.Stream == configuration.Stream {
		p.Made = reader.Position.StreamCreated
	}
	return p
}

// tablesOf the spec of a FlowSink.
func tablesOf(s *v1alpha1.FlowSink) string {
	return sink.Tables(s.Namespace, &clickhouse.Config{URL: s.Spec.ClickHouse.URL, Database: s.Spec.ClickHouse.Database})
}

// settledSink reports whether what a FlowSink runs is of its spec: of others, the sinks may still store elsewhere.
func settledSink(s *v1alpha1.FlowSink) bool {
	return s.Status.ObservedGeneration == s.Generation && !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionStalled)
}

// tellTwin has the log name a twin, once: the status does so only to those who see its namespace.
func tellTwin(ctx context.Context, f *sink.Facts) {
	if t := f.Twin(); t != nil && !meta.IsStatusConditionTrue(f.Sink.Status.Conditions, v1alpha1.ConditionDestinationShared) {
		ctrl.LoggerFrom(ctx).Info("another FlowSink stores the same flows in the same tables", "other", client.ObjectKeyFromObject(t.Sink).String(),
			"waits", f.Waits() != nil)
	}
}

// twinsOf names the other FlowSinks whose tables are those of one that was made, changed or deleted, and those that may wait for what it has run
// with another spec: one that was never judged has run nothing.
func (r *SinkReconciler) twinsOf(ctx context.Context, o client.Object) []reconcile.Request {
	s, ok := o.(*v1alpha1.FlowSink)
	if !ok {
		return nil
	}
	list := &v1alpha1.FlowSinkList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing FlowSinks") // the cache is ending
		return nil
	}
	var out []reconcile.Request
	tables, ran := tablesOf(s), s.Status.ObservedGeneration > 0
	waits := func(other *v1alpha1.FlowSink) bool {
		shared := meta.FindStatusCondition(other.Status.Conditions, v1alpha1.ConditionDestinationShared)
		return shared != nil && shared.Status == metav1.ConditionTrue && shared.Reason == sink.ReasonNotStarted
	}
	for i := range list.Items {
		if other := &list.Items[i]; other.UID != s.UID && (tablesOf(other) == tables || ran && waits(other)) {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: other.Namespace, Name: other.Name}})
		}
	}
	return out
}
