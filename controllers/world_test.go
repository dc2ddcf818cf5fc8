package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// world is what one test has to itself: a namespace of the API server, whose administrator c is, and a nats-server.
type world struct {
	testing.TB
	s         *controllertest.Server
	c         client.Client
	namespace string
	nats      *natstest.Server
}

func newWorld(t *testing.T) *world {
	s := controllertest.Start(t)
	return &world{TB: t, s: s, c: s.Client(t), namespace: s.Namespace(t), nats: natstest.Start(t)}
}

func (w *world) start() *operator {
	w.Helper()
	return startOperator(w, w.s, w.namespace, operatorOptions{})
}

// fleet is a FlowCollector that uses the world's nats-server, and little of it.
func (w *world) fleet(name string, change ...func(*v1alpha1.FlowCollector)) *v1alpha1.FlowCollector {
	small := resource.MustParse("1Mi")
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}}
	fc.Spec.NATS.URLs = []string{w.nats.URL()}
	fc.Spec.TemplateStore.MaxBytes = &small
	fc.Spec.Output.Stream.MaxBytes = &small
	for _, f := range change {
		f(fc)
	}
	return fc
}

// create makes a FlowCollector.
func (w *world) create(name string, change ...func(*v1alpha1.FlowCollector)) *v1alpha1.FlowCollector {
	w.Helper()
	fc := w.fleet(name, change...)
	if err := w.c.Create(w.Context(), fc); err != nil {
		w.Fatal(err)
	}
	return fc
}

// change changes an object as somebody with kubectl edit would.
func change[T client.Object](w *world, o T, f func(T)) {
	w.Helper()
	w.read(o)
	before := o.DeepCopyObject().(client.Object)
	f(o)
	if err := w.c.Patch(w.Context(), o, client.MergeFrom(before)); err != nil {
		w.Fatal(err)
	}
}

// read reads the object anew.
func (w *world) read(o client.Object) {
	w.Helper()
	if err := w.c.Get(w.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		w.Fatal(err)
	}
}

func (w *world) exists(o client.Object) bool {
	w.Helper()
	err := w.c.Get(w.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		w.Fatal(err)
	}
	return err == nil
}

// daemonSet is the one of a FlowCollector, once it is there.
func (w *world) daemonSet(fc *v1alpha1.FlowCollector) *appsv1.DaemonSet {
	w.Helper()
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}}
	natstest.Eventually(w, "there is a DaemonSet of "+fc.Name, func() bool { return w.exists(set) })
	return set
}

// imageOf is what the collectors of a FlowCollector are to run.
func (w *world) imageOf(fc *v1alpha1.FlowCollector) string {
	w.Helper()
	return w.daemonSet(fc).Spec.Template.Spec.Containers[0].Image
}

func (w *world) service(fc *v1alpha1.FlowCollector) *corev1.Service {
	w.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}}
	natstest.Eventually(w, "there is a Service of "+fc.Name, func() bool { return w.exists(service) })
	return service
}

// run does what the controllers of a cluster do: the DaemonSet has pods on three nodes, all but those of them ready, and the
// Service has an address.
func (w *world) run(fc *v1alpha1.FlowCollector, unready int32) {
	w.Helper()
	w.read(fc)
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the operator may be writing it
		set := w.daemonSet(fc)
		set.Status = appsv1.DaemonSetStatus{
			ObservedGeneration: set.Generation, DesiredNumberScheduled: 3, CurrentNumberScheduled: 3, UpdatedNumberScheduled: 3,
			NumberReady: 3 - unready, NumberAvailable: 3 - unready, NumberUnavailable: unready,
		}
		return w.c.Status().Update(w.Context(), set)
	}); err != nil {
		w.Fatal(err)
	}
	if fc.Spec.Service.Type != v1alpha1.ServiceLoadBalancer {
		return
	}
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		service := w.service(fc)
		service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.10"}}
		return w.c.Status().Update(w.Context(), service)
	}); err != nil {
		w.Fatal(err)
	}
}

// lookNow makes the operator look at everything, as the guide says, also at what it otherwise looks at when that is due.
func (w *world) lookNow(o *operator, fc *v1alpha1.FlowCollector) {
	w.Helper()
	before := o.queue.passes(requestOf(fc))
	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		if fc.Annotations == nil {
			fc.Annotations = make(map[string]string)
		}
		fc.Annotations["flowfleet.io/reconcile-at"] = time.Now().Format(time.RFC3339Nano)
	})
	natstest.Eventually(w, "the operator looks at "+fc.Name, func() bool { return o.queue.passes(requestOf(fc)) > before })
}

func requestOf(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
}

// expect waits until a condition has a status and a reason, and a message that says all of that.
func (w *world) expect(fc *v1alpha1.FlowCollector, kind string, status metav1.ConditionStatus, reason string, says ...string) {
	w.Helper()
	defer func() {
		if w.Failed() {
			w.Log(conditionsOf(fc))
		}
	}()
	natstest.Eventually(w, fmt.Sprintf("%s: %s is %s with reason %s, and says %q", fc.Name, kind, status, reason, says), func() bool {
		w.read(fc)
		c := meta.FindStatusCondition(fc.Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason {
			return false
		}
		for _, s := range says {
			if !strings.Contains(c.Message, s) {
				return false
			}
		}
		return true
	})
}

func (w *world) expectReady(fc *v1alpha1.FlowCollector) {
	w.Helper()
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionTrue, judge.ReasonReady)
}

func conditionsOf(fc *v1alpha1.FlowCollector) string {
	out := "conditions of " + fc.Name + ":"
	for _, c := range fc.Status.Conditions {
		out += fmt.Sprintf("\n%-22s %-8s %-22s %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return out
}

// jetStream is that of the world's nats-server, or of another one.
func (w *world) jetStream(s *natstest.Server) jetstream.JetStream {
	w.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		w.Fatal(err)
	}
	return js
}

// streamThere reports whether the nats-server has a stream; that of a bucket is called KV_ and its name.
func (w *world) streamThere(js jetstream.JetStream, name string) bool {
	_, err := js.Stream(w.Context(), name)
	return err == nil
}

// events of an object.
func (w *world) events(o client.Object) []eventsv1.Event {
	w.Helper()
	list := &eventsv1.EventList{}
	if err := w.c.List(w.Context(), list, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	var out []eventsv1.Event
	for _, e := range list.Items {
		if e.Regarding.UID == o.GetUID() {
			out = append(out, e)
		}
	}
	return out
}
