package controllers

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// A load balancer may give a Service as many addresses as find room in it.
func TestThousandsOfAddressesKeepNoStatusFromBeingWritten(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	service := w.service(fc)
	service.Status.LoadBalancer.Ingress = nil
	for i := range 9000 {
		service.Status.LoadBalancer.Ingress = append(service.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{Hostname: fmt.Sprintf("%s-%d.example.com", strings.Repeat("a", 60), i)})
	}
	if err := w.c.Status().Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionTrue, judge.ReasonAddressAssigned, "aaaa-0.example.com", " more")
	if n := len(fc.Status.Addresses); n > 32 {
		t.Errorf("%d addresses", n)
	}
}

// A quota refuses one kind after the other, in the middle of a change: what is refused is said, the rest is kept, and it heals.
func TestAQuotaThatRefusesAnObjectIsToldAndHeals(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "few"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"configmaps": resource.MustParse("0"), "services": resource.MustParse("0")}}}
	if err := w.c.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"configmaps": resource.MustParse("0"), "services": resource.MustParse("0")}}
	if err := w.c.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	fc := w.create("edge")
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonRefused, "exceeded quota", "ConfigMap", "Service")
	if fc.Status.ObservedGeneration == fc.Generation {
		t.Error("it is called observed")
	}
	for _, c := range fc.Status.Conditions {
		if strings.Contains(strings.ToLower(c.Message), "forbidden") {
			t.Errorf("%s says %s", c.Type, c.Message)
		}
	}
	o.settle(fc)
	if err := w.c.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is made once there is room", func() bool {
		w.lookNow(o, fc)
		return w.exists(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}})
	})
	w.run(fc, 0)
	w.expectReady(fc)
}

// A LimitRange refuses pods, and not the DaemonSet that is to make them; one that only fills in pods' resources is no reason to write again.
func TestALimitRangeThatRefusesPodsIsNotTakenForAStartThatTakesTime(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "large"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Min: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Ti")},
		Default: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Ti")}, DefaultRequest: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Ti")}}}}}
	if err := w.c.Create(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Collector.Resources = &v1alpha1.Resources{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}}
	})
	set := w.daemonSet(fc)
	pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
	pod.Name, pod.Namespace = "edge-collector-1", w.namespace
	natstest.Eventually(t, "the API server refuses a pod", func() bool {
		err := w.c.Create(t.Context(), pod.DeepCopy())
		return err != nil && strings.Contains(err.Error(), "minimum memory usage per Container")
	})
	set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = set.Generation, 3
	if err := w.c.Status().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonStarting, "pods are not made", "kubectl describe daemonset edge-collector -n "+w.namespace)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonStarting)
	o.settle(fc)
	before := o.writes.count()
	o.reconcile(fc)
	if wrote := o.writes.since(before); len(wrote) > 0 {
		t.Errorf("another look writes %q", wrote)
	}
}

// Objects of before that are in the way, and that Kubernetes lets nobody change, say how to have them as the spec says.
func TestWhatNobodyMayChangeSaysThatItHasToBeMadeAnew(t *testing.T) {
	w := newWorld(t)
	fc := w.fleet("edge")
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: "edge-collector", Labels: fleet.Selector(fc)}
	meta.Labels[fleet.LabelManagedBy] = fleet.Product
	labels := map[string]string{"app": "before"}
	set := &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}}}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}}
	for _, o := range []client.Object{set, service} {
		if err := w.c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	if err := w.c.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{v1alpha1.ConditionConfigurationValid, v1alpha1.ConditionStalled} {
		status := map[string]metav1.ConditionStatus{v1alpha1.ConditionStalled: metav1.ConditionTrue, v1alpha1.ConditionConfigurationValid: metav1.ConditionFalse}[kind]
		w.expect(fc, kind, status, judge.ReasonRefused, "kubectl delete daemonset edge-collector -n "+w.namespace, "kubectl delete service edge-collector -n "+w.namespace)
	}
	w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionFalse, judge.ReasonAddressPending, "no address of its own")
	for _, o := range []client.Object{set, service} {
		if err := w.c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
	w.run(fc, 0)
	w.expectReady(fc)
}
