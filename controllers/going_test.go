package controllers

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// hold keeps an object that is deleted from going, as a load balancer that is still there does.
func (w *world) hold(o client.Object) (letGo func()) {
	w.Helper()
	change(w, o, func(o client.Object) { o.SetFinalizers([]string{"example.com/cleanup"}) })
	if err := w.c.Delete(w.Context(), o); err != nil {
		w.Fatal(err)
	}
	return func() { w.Helper(); change(w, o, func(o client.Object) { o.SetFinalizers(nil) }) }
}

// Kubernetes does not count the pods of a DaemonSet that is being deleted, whose status goes on saying that all of them run. It takes a load
// balancer from a Service that is, whose status goes on having its address. Neither is applied, then, whatever its spec says.
func TestWhatSomebodyDeletesIsNotCalledAppliedAndIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	for _, test := range []struct {
		name, kind string
		object     func(*v1alpha1.FlowCollector) client.Object
		condition  string
	}{
		{"set", "DaemonSet", func(fc *v1alpha1.FlowCollector) client.Object { return w.daemonSet(fc) }, v1alpha1.ConditionCollectorsAvailable},
		{"service", "Service", func(fc *v1alpha1.FlowCollector) client.Object { return w.service(fc) }, v1alpha1.ConditionServiceReady},
	} {
		t.Run(test.kind, func(t *testing.T) {
			fc := w.create(test.name)
			w.run(fc, 0)
			w.expectReady(fc)
			object := test.object(fc)
			uid := object.GetUID()
			letGo := w.hold(object)
			w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling,
				test.kind+" "+object.GetName()+" is being deleted, waits for those whose finalizers it has: example.com/cleanup")
			for _, kind := range []string{test.condition, v1alpha1.ConditionReady} {
				if !meta.IsStatusConditionFalse(fc.Status.Conditions, kind) {
					t.Errorf("%s is not False\n%s", kind, conditionsOf(fc))
				}
			}
			o.settle(fc)
			before := o.writes.count()
			o.reconcile(fc)
			if wrote := o.writes.since(before); len(wrote) > 0 {
				t.Errorf("another look while it goes writes %q", wrote)
			}
			letGo()
			natstest.Eventually(t, "it is made again", func() bool { return w.exists(object) && object.GetUID() != uid })
			w.run(fc, 0)
			w.expectReady(fc)
			w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		})
	}
}

// What is not wanted any more, and goes slowly, is deleted once.
func TestWhatIsNotWantedAnyMoreIsDeletedOnce(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	service := w.service(fc)
	change(w, service, func(s *corev1.Service) { s.Finalizers = []string{"example.com/cleanup"} })
	defer func() { change(w, service, func(s *corev1.Service) { s.Finalizers = nil }) }()
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Service.Type = v1alpha1.ServiceNone })
	natstest.Eventually(t, "the Service goes", func() bool { w.read(service); return !service.DeletionTimestamp.IsZero() })
	o.settle(fc)
	before := o.writes.count()
	o.reconcile(fc)
	if wrote := o.writes.since(before); len(wrote) > 0 {
		t.Errorf("another look while it goes writes %q", wrote)
	}
}

// A DaemonSet or a Service under the fleet's name that is somebody else's says nothing of the fleet.
func TestObjectsOfOthersUnderAFleetsNamesSayNothingOfIt(t *testing.T) {
	w := newWorld(t)
	fc := w.fleet("edge")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "shop"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	labels := map[string]string{"app": "shop"}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}, Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "example.com/shop"}}}}}}
	for _, o := range []client.Object{service, set} {
		if err := w.c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.80"}}
	set.Status = appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 5, CurrentNumberScheduled: 5, UpdatedNumberScheduled: 5, NumberReady: 5, NumberAvailable: 5}
	for _, o := range []client.Object{service, set} {
		if err := w.c.Status().Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		change(w, o, func(o client.Object) { // so that the operator's cache has it
			labels := o.GetLabels()
			if labels == nil {
				labels = make(map[string]string)
			}
			labels[fleet.LabelName], labels[fleet.LabelManagedBy] = fleet.Product, fleet.Product
			o.SetLabels(labels)
		})
	}
	w.start()
	if err := w.c.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonNameTaken)
	w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionFalse, judge.ReasonPending, "is not made until ConfigurationValid is True")
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonStarting)
	if s := fc.Status; s.Address != "" || s.Collectors.Desired != 0 {
		t.Errorf("exporters are to send to %q, and %+v collectors run", s.Address, s.Collectors)
	}
}

// A Deployment that is being deleted is not called applied either, and one that Kubernetes refuses for ever is a failure for kstatus.
func TestAFlowSinkTellsOfADeploymentThatGoesAndOfOneThatIsRefused(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	s, deployment := w.runningSink("edge", "warehouse", func(s *v1alpha1.FlowSink) { s.Spec.Dashboards.Enabled = true })
	dashboards := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.DashboardsName(s)}}
	w.read(dashboards)
	letGoOfDashboards := w.hold(dashboards)
	for n := range int32(5) { // a look may be of before
		change(w, s, func(s *v1alpha1.FlowSink) { s.Spec.PodDisruption.MaxUnavailable = new(intstr.FromInt32(1 + n)) })
		w.expectSink(s, metav1.ConditionTrue, sink.ReasonSinksReady) // it stores without them
	}
	letGoOfDashboards()

	letGo := w.hold(deployment)
	natstest.Eventually(t, "the FlowSink says that its Deployment goes", func() bool {
		got := w.readyOf(s)
		return strings.HasPrefix(got, "False "+sink.ReasonObjectDeleted) && strings.Contains(got, "is being deleted, waits for those whose finalizers it has: example.com/cleanup")
	})
	uid := deployment.GetUID()
	letGo()
	natstest.Eventually(t, "the Deployment is made again", func() bool { return w.exists(deployment) && deployment.GetUID() != uid })

	change(w, s, func(s *v1alpha1.FlowSink) {
		s.Spec.Pod.Tolerations = []corev1.Toleration{{Key: "a", Operator: "Lt", Value: "x", Effect: "NoSuch"}}
	})
	w.expectSink(s, metav1.ConditionFalse, judge.ReasonRefused)
	if !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionStalled) || s.Status.ObservedGeneration != s.Generation {
		t.Errorf("only another spec helps: %+v", s.Status)
	}
}

// Somebody may change a ConfigMap, and keep it from going: collectors would send the fleet's passwords where it says.
func TestAConfigMapThatSomebodyDeletesIsKeptAsItShouldBeUntilItIsGone(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	configuration := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
	w.read(configuration)
	right := configuration.Data[fleet.ConfigurationFile]
	letGo := w.hold(configuration)
	change(w, configuration, func(c *corev1.ConfigMap) { c.Data[fleet.ConfigurationFile] = "name: another" })
	natstest.Eventually(t, "it is put back", func() bool { w.read(configuration); return configuration.Data[fleet.ConfigurationFile] == right })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling, "ConfigMap "+configuration.Name+" is being deleted")
	letGo()
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
}
