package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// retrySink is when a FlowSink is looked at again whose objects could not be applied for a reason that may go by itself, such as a
// quota: nothing else tells of its end.
const retrySink = time.Minute

// retryUnexpected is the same for a failure that may be over in a moment.
const retryUnexpected = 10 * time.Second

// SinkReconciler keeps the sinks of FlowSinks. It looks after those whose FlowCollector its operator looks after.
type SinkReconciler struct {
	// Client writes, and reads what is watched; Reader reads what is not.
	Client client.Client
	Reader client.Reader
	Events events.EventRecorder
	// Image of sinks whose FlowSink names none.
	Image string
	// Identity of the operator, as that of its Reconciler.
	Identity string
	// Allowed bounds what FlowSinks and their FlowCollectors can ask for.
	Allowed Allowed
	// Watches are those of the manager's cache; nil where nobody notes them.
	Watches *Watches
	// Clock is the system's where it is nil.
	Clock clock.PassiveClock

	conditions   *conditionMetrics
	readers      consumerMetrics
	wanted       *prometheus.GaugeVec // spec.replicas
	look         *sinkLook
	behind       behind
	lookInterval time.Duration // 0 for the usual one
	kindInterval time.Duration // at which the kind is looked for where it is not installed; 0 for the usual one
	mu           sync.Mutex
	wrote        map[types.NamespacedName]time.Time // of each status
	applied      map[object]string                  // versions that the cache has not come to yet
	fights       map[types.NamespacedName]fights    // of each FlowSink
}

// Reconcile brings the sinks of one FlowSink to what its spec says, and says how they are.
func (r *SinkReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s := &v1alpha1.FlowSink{}
	if err := readThrough(ctx, &r.behind, r.Client, r.Reader, request.NamespacedName, s); err != nil {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !s.DeletionTimestamp.IsZero() {
		err := r.tellDeleting(ctx, s)
		r.forget(request.NamespacedName) // nobody is to be called for a sink that goes
		// Kubernetes deletes the objects with their owner. A finalizer that goes calls nobody: it is looked at again.
		return ctrl.Result{RequeueAfter: retrySink}, err
	}
	unseen, blind := ofSinks().unseen(ctx, r.Watches, r.Client, s.Namespace)
	if blind {
		return r.tellBlind(ctx, s, unseen)
	}
	f := &sink.Facts{Sink: s, Unseen: unseen}
	var again ctrl.Result
	fc, err := r.collector(ctx, s)
	if lacksRight(err) {
		f.Forbidden, again.RequeueAfter, err = []string{err.Error()}, retrySink, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if fc != nil {
		if o := fc.Status.Operator; o == nil || o.Identity != r.Identity {
			r.forget(request.NamespacedName) // its operator looks after this one, and writes to it as soon as it has claimed that
			return ctrl.Result{}, nil
		}
		f.Deleting = !fc.DeletionTimestamp.IsZero()
	}
	if fc != nil && !f.Deleting {
		f.Collector = fc
		f.Stream = cmp.Or(sink.StreamOf(s, fc), s.Status.Stream) // while the FlowCollector cannot say, as without NATS
		err := r.keep(ctx, f)
		var applied judge.Applied
		switch unexpected := noteOf(&applied, "flowsinks", err); {
		case apierrors.IsConflict(unexpected), ctx.Err() != nil:
			return ctrl.Result{}, err // what is watched is behind, or the operator ends
		case unexpected != nil: // such as an admission webhook that is away: the object must not go on saying that all is well
			ctrl.LoggerFrom(ctx).Error(unexpected, "cannot apply what a FlowSink needs")
			f.Failure, again.RequeueAfter = unexpected.Error(), retryUnexpected
		case len(applied.Forbidden) > 0:
			f.Forbidden, again.RequeueAfter = applied.Forbidden, retrySink
		case len(applied.Refused) > 0:
			f.Refused, again.RequeueAfter = applied.Refused, retrySink
		case err != nil:
			f.Failure, again.RequeueAfter = err.Error(), retrySink
		case f.Twin() != nil: // what the other one runs is not watched
			again.RequeueAfter = retrySink
		case len(f.Contested) > 0:
			again.RequeueAfter = lookInterval
		}
	} else if err := r.twinsOfRunning(ctx, f); err != nil {
		return ctrl.Result{}, err
	} else if f.Twin() != nil {
		again.RequeueAfter = retrySink
	}
	if err := r.gather(ctx, f); err != nil {
		return ctrl.Result{}, err
	}
	if f.Unasked && s.Status.ObservedGeneration == s.Generation { // what was said stays until the sinks were asked
		return ctrl.Result{RequeueAfter: sinksTime}, nil
	}
	if err := r.mark(ctx, f); err != nil { // such as a quota: sinks do without, and the next round of asking them tries again
		ctrl.LoggerFrom(ctx).Error(err, "cannot write how far sinks have come")
	}
	wait, err := r.writeStatus(ctx, f)
	if wait > 0 && (again.RequeueAfter == 0 || wait < again.RequeueAfter) {
		again.RequeueAfter = wait
	}
	return again, err
}

// tellDeleting says that a FlowSink is being deleted, which others may keep from going.
func (r *SinkReconciler) tellDeleting(ctx context.Context, s *v1alpha1.FlowSink) error {
	fc, err := r.collector(ctx, s)
	if fc != nil && (fc.Status.Operator == nil || fc.Status.Operator.Identity != r.Identity) || err != nil && !lacksRight(err) {
		return err // its operator says so
	}
	f := &sink.Facts{Sink: s}
	if err := r.gather(ctx, f); err != nil {
		return err
	}
	_, err = r.writeStatus(ctx, f)
	return err
}

func (r *SinkReconciler) forget(name types.NamespacedName) {
	r.look.forget(name)
	r.conditions.forget(name)
	r.readers.forget(name)
	r.wanted.DeleteLabelValues(name.Namespace, name.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.wrote, name)
	delete(r.fights, name)
	for _, kind := range []string{"ConfigMap", "Deployment"} {
		delete(r.applied, object{kind, types.NamespacedName{Namespace: name.Namespace, Name: sink.ObjectName(&v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Name: name.Name}})}})
	}
}

// collector that a FlowSink reads from; nil without one. The cache has only those that this operator looks after.
func (r *SinkReconciler) collector(ctx context.Context, s *v1alpha1.FlowSink) (*v1alpha1.FlowCollector, error) {
	fc := &v1alpha1.FlowCollector{}
	name := client.ObjectKey{Namespace: s.Namespace, Name: s.Spec.From.FlowCollector}
	err := r.Client.Get(ctx, name, fc)
	if apierrors.IsNotFound(err) {
		err = r.Reader.Get(ctx, name, fc)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading FlowCollector %s: %w", name, err)
	}
	return fc, nil
}

// keep applies the objects of a FlowSink whose FlowCollector has a stream.
func (r *SinkReconciler) keep(ctx context.Context, f *sink.Facts) error {
	if f.Stream == "" {
		return r.twinsOfRunning(ctx, f)
	}
	d := sink.New(f.Sink, f.Collector, f.Stream, r.Image)
	f.Image = d.Image
	f.Problems = append(d.Problems(), r.Allowed.refusedSink(f.Sink, f.Collector, r.Image)...)
	if len(f.Problems) > 0 {
		return r.twinsOfRunning(ctx, f)
	}
	if err := r.twins(ctx, f, wantedPlace(f.Sink, f.Collector, f.Stream)); err != nil {
		return err
	}
	tellTwin(ctx, f)
	if f.Waits() != nil {
		return nil
	}
	configMap, err := d.ConfigMap()
	if err != nil {
		return err
	}
	deployment, err := d.Deployment()
	if err != nil {
		return err
	}
	dashboards, err := d.Dashboards()
	if err != nil {
		return err
	}
	if err := r.ownBookmark(ctx, d); err != nil {
		return err
	}
	name := sink.ObjectName(f.Sink)
	children := []child{
		{"ConfigMap", name, configMap, &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), true},
		{"Deployment", name, deployment, &appsv1.Deployment{}, extracted(appsac.ExtractDeployment), true},
		{"PodDisruptionBudget", name, wanted(d.DisruptionBudget()), &policyv1.PodDisruptionBudget{}, extracted(policyac.ExtractPodDisruptionBudget), false},
		{"ConfigMap", sink.DashboardsName(f.Sink), wanted(dashboards), &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), false},
	}
	for _, c := range children {
		changed, err := r.apply(ctx, f.Sink, c)
		if errors.Is(err, errRests) {
			break // what comes after it needs it
		}
		if goes := (*goingError)(nil); errors.As(err, &goes) {
			if c.rolls { // sinks store as before without the rest, which is made again once it is gone
				f.Going = append(f.Going, goes.Error())
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %s/%s: %w", c.kind, f.Sink.Namespace, c.name, err)
		}
		f.Behind = f.Behind || changed // the cache shows it soon, which is a reason to look again
	}
	f.Contested = r.fightsOf(f.Sink).contested(children, r.Clock.Now())
	return nil
}

// apply makes one object as it is wanted, unless it is so, or deletes one that is not wanted any more, and reports whether that changed
// anything.
func (r *SinkReconciler) apply(ctx context.Context, s *v1alpha1.FlowSink, c child) (bool, error) {
	if c.wanted == nil {
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: c.name}, c.live)
		if err != nil || !metav1.IsControlledBy(c.live, s) || !c.live.GetDeletionTimestamp().IsZero() {
			return false, client.IgnoreNotFound(err)
		}
		return true, deleteSame(ctx, r.Client, c.live)
	}
	if err := stamp(c.wanted); err != nil {
		return false, err
	}
	key := client.ObjectKey{Namespace: s.Namespace, Name: c.name}
	err := r.Client.Get(ctx, key, c.live)
	if apierrors.IsNotFound(err) { // it may be there without the operator's labels
		err = r.Reader.Get(ctx, key, c.live)
	}
	found := err == nil
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return false, fmt.Errorf("reading: %w", err)
	case !metav1.IsControlledBy(c.live, s):
		return false, &nameTakenError{c.kind, c.name, "FlowSink"}
	default:
		if same, err := asApplied(c); err != nil || same {
			return false, cmp.Or(err, goes(c))
		}
	}
	ends := goes(c) // it is kept as it should be all the same: sinks go on to read a ConfigMap
	wanted, fights, now := hashOf(c.wanted), r.fightsOf(s), r.Clock.Now()
	if fights.rests(c, wanted, now) {
		return false, errRests
	}
	before := c.live.GetResourceVersion()
	if err := r.Client.Apply(ctx, c.wanted, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return false, applying(err, c)
	}
	ctrl.LoggerFrom(ctx).Info("applied", "kind", c.kind, "object", c.name)
	after, err := resourceVersion(c.wanted)
	if c.name == sink.ObjectName(s) && c.kind != "PodDisruptionBudget" {
		r.noteApplied(object{c.kind, key}, after)
	}
	if after != before {
		fights.applied(c, found, wanted, after, now)
	}
	return after != before, cmp.Or(err, ends)
}

// fightsOf a FlowSink. One of its reconciliations runs at a time, so that they need no lock.
func (r *SinkReconciler) fightsOf(s *v1alpha1.FlowSink) fights {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := client.ObjectKeyFromObject(s)
	if r.fights[name] == nil {
		r.fights[name] = make(fights)
	}
	return r.fights[name]
}

// goes is a *goingError for an object that somebody deletes; nil for another one, or none.
func goes(c child) error {
	if c.live.GetDeletionTimestamp().IsZero() {
		return nil
	}
	return going(c.kind, c.live)
}

// gather reads what became of the objects.
func (r *SinkReconciler) gather(ctx context.Context, f *sink.Facts) error {
	name := client.ObjectKey{Namespace: f.Sink.Namespace, Name: sink.ObjectName(f.Sink)}
	d := &appsv1.Deployment{}
	if err := r.Client.Get(ctx, name, d); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Deployment %s: %w", name, err)
	} else if err == nil && metav1.IsControlledBy(d, f.Sink) {
		f.Deployment = d
	}
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, client.InNamespace(f.Sink.Namespace), client.MatchingLabels(sink.Selector(f.Sink))); err != nil {
		return fmt.Errorf("listing the pods of FlowSink %s: %w", client.ObjectKeyFromObject(f.Sink), err)
	}
	sortPods(pods.Items)
	f.Pods, f.Now = pods.Items, r.Clock.Now()
	f.Server = r.Watches.serverTime(f.Now)
	asked := sink.Askable(f.Sink, f.Pods)
	f.Heard, f.Placed = r.look.of(client.ObjectKeyFromObject(f.Sink), asked)
	f.Unasked = len(asked) > 0 && !r.look.asked.Load()
	return nil
}
