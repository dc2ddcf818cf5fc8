package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
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
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// Setup registers the reconciler with a manager. Where the kind FlowSink is not installed, it logs that, and begins when it is.
func (r *SinkReconciler) Setup(manager ctrl.Manager) error {
	if err := r.register(metrics.Registry); err != nil {
		return fmt.Errorf("registering the metrics of FlowSinks: %w", err)
	}
	return r.setup(manager, controller.Options{})
}

func (r *SinkReconciler) register(registerer prometheus.Registerer) (err error) {
	if r.conditions, err = newConditionMetrics(registerer, "flowfleet_operator_flowsink_condition", "FlowSink"); err != nil {
		return err
	}
	r.wanted = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "flowfleet_operator_flowsink_wanted_replicas", Help: "spec.replicas of a FlowSink."},
		[]string{"namespace", "name"})
	if err := registerer.Register(r.wanted); err != nil {
		return err
	}
	r.readers, err = newConsumerMetrics(registerer, ofFlowSinks)
	return err
}

func (r *SinkReconciler) setup(manager ctrl.Manager, options controller.Options) error {
	return whenInstalled(manager, "FlowSink", "no flows are stored", cmp.Or(r.kindInterval, kindInterval), func() error { return r.begin(manager, options) })
}

// begin with FlowSinks.
func (r *SinkReconciler) begin(manager ctrl.Manager, options controller.Options) error {
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.Watches == nil {
		r.Watches = NewWatches(r.Clock)
	}
	r.wrote, r.applied, r.fights = make(map[types.NamespacedName]time.Time), make(map[object]string), make(map[types.NamespacedName]fights)
	// What sinks say is a reason to look at their FlowSink.
	heard := make(chan event.GenericEvent, 1024)
	notify := func(name types.NamespacedName) {
		heard <- event.GenericEvent{Object: &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}}
	}
	r.look = newSinkLook(r.Client, r.lookInterval, notify)
	r.Watches.onChange(func(ctx context.Context) { // and so is what may not be watched
		list := &v1alpha1.FlowSinkList{}
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return // the cache is ending
		}
		for i := range list.Items {
			notify(client.ObjectKeyFromObject(&list.Items[i]))
		}
	})
	if err := manager.Add(runnable(r.look.run)); err != nil {
		return fmt.Errorf("adding what asks sinks: %w", err)
	}
	asked := predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	err := ctrl.NewControllerManagedBy(manager).
		For(&v1alpha1.FlowSink{}, builder.WithPredicates(asked)).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(sinkOfPod)).
		Watches(&v1alpha1.FlowCollector{}, handler.EnqueueRequestsFromMapFunc(r.sinksOf)).
		Watches(&v1alpha1.FlowSink{}, handler.EnqueueRequestsFromMapFunc(r.twinsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(heard, &handler.EnqueueRequestForObject{})).
		WithOptions(filled(options, 1)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of FlowSinks: %w", err)
	}
	return nil
}

// sinksOf names the FlowSinks that read from a FlowCollector.
func (r *SinkReconciler) sinksOf(ctx context.Context, fc client.Object) []reconcile.Request {
	list := &v1alpha1.FlowSinkList{}
	if err := r.Client.List(ctx, list, client.InNamespace(fc.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing FlowSinks") // the cache is ending
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		if list.Items[i].Spec.From.FlowCollector == fc.GetName() {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return out
}

// sinkOfPod names the FlowSink of a sink's pod by its labels: its owner is a ReplicaSet.
func sinkOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	labels := pod.GetLabels()
	if labels[fleet.LabelComponent] != sink.Component || labels[fleet.LabelInstance] == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: labels[fleet.LabelInstance]}}}
}
