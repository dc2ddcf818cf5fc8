package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

const (
	// concurrentReconciles is how many objects are worked on at a time, where nobody says otherwise.
	concurrentReconciles = 8
	// shortestBackoff and longestBackoff bound the time after a pass that failed, which doubles. The queue's own bound would let a
	// fleet wait for 17 minutes when what kept it from being made, such as an admission webhook, is back.
	shortestBackoff = 50 * time.Millisecond
	longestBackoff  = time.Minute
	// syncTimeout is how long the operator waits for the API server before it ends, to be started anew.
	syncTimeout = time.Hour
)

// reasonNotReadable is that of an event.
const reasonNotReadable = "NotReadable"

// NewScheme has the kinds that the operator works with.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering Kubernetes' kinds: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering FlowCollector: %w", err)
	}
	return scheme, nil
}

// CacheOptions limit what is watched to the namespaces given (all, without any) and, but for FlowCollectors, to the operator's
// own objects.
func CacheOptions(namespaces []string) cache.Options {
	own := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{fleet.LabelManagedBy: fleet.Product})}
	// A large fleet has thousands of pods. The operator applies nothing to them, so who owns their fields is of no interest.
	pods := own
	pods.Transform = cache.TransformStripManagedFields()
	options := cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.DaemonSet{}:             own,
			&appsv1.Deployment{}:            own,
			&corev1.ConfigMap{}:             own,
			&corev1.Node{}:                  {Transform: slimNode},
			&corev1.Pod{}:                   pods,
			&corev1.Service{}:               own,
			&corev1.ServiceAccount{}:        own,
			&networkingv1.NetworkPolicy{}:   own,
			&policyv1.PodDisruptionBudget{}: own,
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = make(map[string]cache.Config)
		for _, n := range namespaces {
			options.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return options
}

// slimNode leaves of a node what judgements are made of: a large cluster's nodes, with their images, are tens of megabytes.
func slimNode(o any) (any, error) {
	n, ok := o.(*corev1.Node)
	if !ok {
		return o, nil
	}
	slim := &corev1.Node{}
	slim.Name, slim.UID, slim.ResourceVersion, slim.CreationTimestamp = n.Name, n.UID, n.ResourceVersion, n.CreationTimestamp
	slim.Spec.Unschedulable, slim.Spec.PodCIDRs, slim.Spec.Taints = n.Spec.Unschedulable, n.Spec.PodCIDRs, n.Spec.Taints
	slim.Status.Addresses = n.Status.Addresses
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			slim.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return slim, nil
}

// Setup registers the reconciler with a manager.
func (r *Reconciler) Setup(manager ctrl.Manager) (err error) {
	if r.conditions, err = newConditionMetrics(metrics.Registry, "flowfleet_operator_flowcollector_condition", "FlowCollector"); err != nil {
		return fmt.Errorf("registering the operator's metrics: %w", err)
	}
	r.registry = metrics.Registry
	if r.consumers, err = newConsumerMetrics(metrics.Registry, ofConsumers, "consumer"); err != nil {
		return fmt.Errorf("registering the operator's metrics: %w", err)
	}
	return r.setup(manager, controller.Options{})
}

func (r *Reconciler) setup(manager ctrl.Manager, options controller.Options) error {
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.Identity == "" {
		r.Identity = r.Namespace
	}
	r.memories, r.shares.free = newMemories(), spentFree
	r.rivals = &rivals{reader: r.Reader, clock: r.Clock}
	// What was found outside of Kubernetes is a reason to look at the object.
	found := make(chan event.GenericEvent, 1024)
	notify := func(namespace, name string) {
		found <- event.GenericEvent{Object: &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}}
	}
	r.waves = newWaves(r.Rollouts, r.Clock, func(k objectKey) { notify(k.Namespace, k.Name) }, tellFailed(manager.GetLogger(), "FlowCollector"))
	if r.registry != nil {
		if err := r.registry.Register(newWaveMetrics(r.waves, "FlowCollector")); err != nil {
			return fmt.Errorf("registering the operator's metrics: %w", err)
		}
	}
	r.looks.Notify = func(k jetstream.Key) { notify(k.Namespace, k.Name) }
	r.prober = jetstream.NewProber(r.looks)
	r.observer = observation.NewObserver(observation.ObserverOptions{Notify: func(k observation.Key) { notify(k.Namespace, k.Name) }})
	if r.Watches == nil {
		r.Watches = NewWatches(r.Clock)
	}
	// What may not be watched concerns all.
	if r.registry != nil {
		if err := r.registry.Register(newWatchMetrics(r.Watches)); err != nil {
			return fmt.Errorf("registering the operator's metrics: %w", err)
		}
	}
	r.Watches.mu.Lock()
	r.Watches.event = func(o *metav1.PartialObjectMetadata, why string) {
		r.Events.Eventf(o, nil, corev1.EventTypeWarning, reasonNotReadable, "Read", "%s", judge.Cut(judge.Plain(
			"it is stored and cannot be read, so that nothing becomes of it: "+why+"; mend it, or delete it, its finalizers too"), 1024))
	}
	r.Watches.mu.Unlock()
	r.Watches.onChange(func(ctx context.Context) {
		list := &v1alpha1.FlowCollectorList{}
		if err := r.Client.List(ctx, list); err != nil {
			return // the cache is ending
		}
		for i := range list.Items {
			notify(list.Items[i].Namespace, list.Items[i].Name)
		}
	})
	for _, run := range []func(context.Context){r.prober.Run, r.observer.Run, r.Watches.run, r.releaseClaims} {
		if err := manager.Add(runnable(run)); err != nil {
			return fmt.Errorf("adding what looks outside: %w", err)
		}
	}
	if err := manager.Add(everywhere{r.Watches.keepLooking}); err != nil {
		return fmt.Errorf("adding what looks after watches: %w", err)
	}
	options = filled(options, cmp.Or(r.Concurrency, concurrentReconciles))
	// A status that was written is no reason to look again; a spec, or what is asked for in annotations and by deletion, is.
	asked := predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.FlowCollector{}, builder.WithPredicates(asked)).
		Owns(&appsv1.DaemonSet{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(fleetOfPod)).
		// Of no interest by itself: what becomes of a node shows in the pods. It is there to be listed without asking the API server.
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request { return nil })).
		WatchesRawSource(source.Channel(found, &handler.EnqueueRequestForObject{})).
		WithOptions(options)
	c, err := b.Build(r)
	if err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	return whenInstalled(manager, "FlowExporter", "there is nothing to see of single exporters", cmp.Or(r.kindInterval, kindInterval), func() error {
		if err := r.keepExporters(manager, notify); err != nil {
			return err
		}
		if err := c.Watch(source.Kind[client.Object](manager.GetCache(), &v1alpha1.FlowExporter{}, handler.EnqueueRequestsFromMapFunc(fleetOfExporter), changesSettings())); err != nil {
			return fmt.Errorf("watching FlowExporters: %w", err)
		}
		return nil
	})
}

// filled are options of a controller, with those that nobody has set as all controllers here have them.
func filled(o controller.Options, concurrency int) controller.Options {
	o.MaxConcurrentReconciles = concurrency
	// What cannot be watched is told, and not waited for: see openCache. While the API server is away, there is nothing but to wait for it.
	o.CacheSyncTimeout = cmp.Or(o.CacheSyncTimeout, syncTimeout)
	o.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackoff, longestBackoff)
	if o.NewQueue == nil {
		o.NewQueue = fairQueue
	}
	return o
}

// tellFailed tells the operator's log which object of a kind stops the others: their own messages do not, where it is somebody else's.
func tellFailed(log logr.Logger, kind string) func(wave.Fleet) {
	return func(f wave.Fleet) {
		log.Info("an object is not well since it has a change of the operator's own making; with --rollouts-at-once the others wait, unless "+
			"--rollouts-past-failures is set", "kind", kind, "object", f.Name, "why", f.Why)
	}
}

// runnable is a function that runs until its context ends.
type runnable func(context.Context)

// Start implements manager.Runnable.
func (f runnable) Start(ctx context.Context) error {
	f(ctx)
	return nil
}

// everywhere runs in an operator that does not lead, too.
type everywhere struct{ runnable }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everywhere) NeedLeaderElection() bool { return false }

// fleetOfPod names the FlowCollector of a collector's pod by its labels: its owner is the DaemonSet.
func fleetOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := pod.GetLabels()[fleet.LabelInstance]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}}}
}
