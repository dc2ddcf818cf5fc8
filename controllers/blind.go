package controllers

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// blindAfter is how soon an object is looked at again of which nothing is known, because what it needs cannot be watched.
const blindAfter = 10 * time.Second

// kinds that are watched for objects of one kind.
type kinds []client.ObjectList

// optional are kinds of this project that fleets go on without. One that is removed from the cluster has no objects any more, which the
// watch has told before it ended.
var optional = map[string]bool{"FlowExporter": true, "FlowSink": true}

// ofFleets are the kinds that FlowCollectors need.
func ofFleets(exporters bool) kinds {
	out := kinds{&appsv1.DaemonSetList{}, &corev1.ConfigMapList{}, &corev1.NodeList{}, &corev1.PodList{}, &corev1.ServiceList{}, &corev1.ServiceAccountList{},
		&networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{}, &v1alpha1.FlowCollectorList{}}
	if exporters {
		out = append(out, &v1alpha1.FlowExporterList{})
	}
	return out
}

// ofSinks are the kinds that FlowSinks need.
func ofSinks() kinds {
	return kinds{&appsv1.DeploymentList{}, &corev1.ConfigMapList{}, &corev1.PodList{}, &policyv1.PodDisruptionBudgetList{}, &v1alpha1.FlowCollectorList{},
		&v1alpha1.FlowSinkList{}}
}

func (k kinds) names() (out []string) {
	for _, list := range k {
		out = append(out, kindOfObject(list))
	}
	return out
}

// unseen are those of the kinds that cannot be watched in a namespace; and blind is whether objects of one were never seen, so that nothing can
// be done there.
func (k kinds) unseen(ctx context.Context, w *Watches, reader client.Reader, namespace string) (unseen judge.Unseen, blind bool) {
	unseen = w.Troubles(namespace, k.names()...)
	for _, list := range k {
		kind := kindOfObject(list)
		trouble, ok := unseen[kind]
		if !ok {
			continue
		}
		var never *notSeenError
		list, ok := list.DeepCopyObject().(client.ObjectList)
		switch {
		case ok && errors.As(reader.List(ctx, list, client.InNamespace(namespace), client.Limit(1)), &never):
			blind = true
		case trouble.Missing && optional[kind]:
			delete(unseen, kind)
		}
	}
	return unseen, blind
}

// tellBlind says on an object what keeps the operator from looking after it. It would go on saying what was.
func (r *Reconciler) tellBlind(ctx context.Context, fc *v1alpha1.FlowCollector, unseen judge.Unseen) (ctrl.Result, error) {
	again := ctrl.Result{RequeueAfter: blindAfter}
	if o := fc.Status.Operator; o != nil && o.Identity != r.Identity {
		return again, nil
	}
	if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionDegraded); c != nil && c.Reason == judge.ReasonDeleting {
		return again, nil // for how long it is being deleted is counted from there
	}
	now := r.Clock.Now()
	verdict := judge.Judge(&judge.Facts{Now: now, Server: r.Watches.serverTime(now), Collector: fc, Unchecked: true, Blind: true, Unseen: unseen})
	_, err := r.writeStatus(ctx, fc, &memory{}, &verdict)
	r.tellUnwritten(fc, err)
	return again, err
}

// tellBlind is the same for a FlowSink, by the operator of its FlowCollector.
func (r *SinkReconciler) tellBlind(ctx context.Context, s *v1alpha1.FlowSink, unseen judge.Unseen) (ctrl.Result, error) {
	again := ctrl.Result{RequeueAfter: blindAfter}
	fc := &v1alpha1.FlowCollector{}
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Spec.From.FlowCollector}, fc)
	if o := fc.Status.Operator; o != nil && o.Identity != r.Identity || client.IgnoreNotFound(err) != nil && !lacksRight(err) {
		return again, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now()
	_, err = r.writeStatus(ctx, &sink.Facts{Now: now, Server: r.Watches.serverTime(now), Sink: s, Blind: true, Unseen: unseen})
	return again, err
}
