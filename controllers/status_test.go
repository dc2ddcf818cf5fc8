package controllers

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// Each state is as an engineer on call would meet it, with the words that tell what to do.
func TestConditionsTellWhatToDo(t *testing.T) {
	w := newWorld(t)
	operator := w.start()

	t.Run("a collector is away", func(t *testing.T) {
		fc := w.create("away")
		w.run(fc, 0)
		w.expectReady(fc)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		set := w.daemonSet(fc)
		pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
		pod.Name, pod.Namespace, pod.Spec.NodeName = "away-collector-x", w.namespace, "node-1"
		if err := w.c.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "collector", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}},
		}}}
		if err := w.c.Status().Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		w.run(fc, 1)
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonPartlyUnavailable, "1 of 3 nodes are without",
			"ImagePullBackOff", "away-collector-x")
		w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonPartlyUnavailable, "CollectorsAvailable")
		w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonPartlyUnavailable)
		if err := w.c.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
		w.run(fc, 0)
		w.expectReady(fc)
	})
	t.Run("another fleet has the nodes' ports", func(t *testing.T) {
		fc := w.create("ports", func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Service.Type = v1alpha1.ServiceNone
			fc.Spec.Collector.HostNetwork, fc.Spec.Collector.MetricsPort = true, 18080
		})
		set := w.daemonSet(fc)
		pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
		pod.Name, pod.Namespace = "ports-collector-x", w.namespace
		if err := w.c.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
		}}}
		if err := w.c.Status().Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		w.run(fc, 3)
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonUnavailable, "3 of 3 nodes are without",
			"ports of its own", "2055/UDP", "18080/TCP", "collector.metricsPort")
	})
	t.Run("no node has a collector", func(t *testing.T) {
		fc := w.create("nowhere")
		set := w.daemonSet(fc)
		set.Status.ObservedGeneration = set.Generation
		if err := w.c.Status().Update(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonNoNodes, "nodeSelector")
	})
	t.Run("no load balancer", func(t *testing.T) {
		fc := w.create("pending")
		w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionFalse, judge.ReasonAddressPending, "MetalLB", "kubectl describe service pending-collector")
		if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionDegraded); c != nil && c.Status == metav1.ConditionTrue {
			t.Errorf("a fleet that is starting is degraded: %s", c.Message)
		}
	})
	t.Run("exporters' addresses are lost", func(*testing.T) {
		fc := w.create("cluster-policy", func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Service.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		})
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionSourceIPPreserved, metav1.ConditionFalse, judge.ReasonClusterTraffic, "set it to Local")
		w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionTrue, judge.ReasonReady) // flows arrive
		w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonClusterTraffic)
	})
	t.Run("a subject that the stream does not take in", func(t *testing.T) {
		fc := w.create("subjects", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.Subjects = []string{"other.>"} })
		w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonInvalidConfiguration, "output.stream.subjects",
			"flows."+w.namespace+".subjects.>")
		operator.settle(fc)
		if n := len(w.children(fc)); n != 0 {
			t.Errorf("%d objects are made of a spec that cannot work", n)
		}
		w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionUnknown, judge.ReasonInvalidConfiguration, "not looked at")
		w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionUnknown, judge.ReasonInvalidConfiguration, "not looked at")
		w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonInvalidConfiguration)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonInvalidConfiguration)
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonInvalidConfiguration)
		subjects := fc.Spec.Output.Stream.Subjects
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.Subjects = nil })
		w.run(fc, 0)
		w.expectReady(fc)
		// What runs is not of the spec that became invalid, and is well all the same.
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.Subjects = subjects })
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonInvalidConfiguration, "left as it is")
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionTrue, judge.ReasonAvailable)
	})
	t.Run("one node", func(t *testing.T) {
		fc := w.create("alone")
		set := w.daemonSet(fc)
		set.Status = appsv1.DaemonSetStatus{ObservedGeneration: set.Generation, DesiredNumberScheduled: 1, CurrentNumberScheduled: 1,
			UpdatedNumberScheduled: 1, NumberReady: 1, NumberAvailable: 1}
		if err := w.c.Status().Update(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		w.expect(fc, v1alpha1.ConditionLoadDistributed, metav1.ConditionTrue, judge.ReasonDistributed, "one collector")
	})
	t.Run("an admission webhook that does not answer", func(t *testing.T) {
		webhook := deadWebhook(w.namespace)
		if err := w.c.Create(t.Context(), webhook); err != nil {
			t.Fatal(err)
		}
		natstest.Eventually(t, "the webhook is asked", func() bool {
			err := w.tryDaemonSet()
			return err != nil && strings.Contains(err.Error(), "failed calling webhook")
		})
		fc := w.create("hooked")
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRetrying, "DaemonSet "+w.namespace+"/hooked-collector",
			"failed calling webhook")
		w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady) // the rest is done
		if err := w.c.Delete(t.Context(), webhook); err != nil {
			t.Fatal(err)
		}
		w.daemonSet(fc)
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		w.expectReady(fc)
	})
	t.Run("the Prometheus operator is not installed", func(*testing.T) {
		fc := w.create("monitored", func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Monitoring.PodMonitor.Enabled, fc.Spec.Monitoring.PrometheusRule.Enabled = true, true
		})
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionFalse, judge.ReasonKindMissing, "PodMonitor", "PrometheusRule", "install the Prometheus operator")
		w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionTrue, judge.ReasonReady)
	})
	t.Run("kubectl describe shows it", func(t *testing.T) {
		fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Name: "cluster-policy", Namespace: w.namespace}}
		w.expectReady(fc)
		var out string
		natstest.Eventually(t, "kubectl describe has conditions and events", func() bool {
			out = w.s.Kubectl(t, "", "describe", "fcol", "cluster-policy", "-n", w.namespace)
			return strings.Contains(out, "ClusterTrafficPolicy") && strings.Contains(out, "created the bucket")
		})
		t.Log("\n" + out)
		t.Log("\n" + w.s.Kubectl(t, "", "get", "fcol", "-n", w.namespace, "-o", "wide"))
	})
}

// deadWebhook is one that must allow DaemonSets of a namespace to be made, and that nobody serves.
func deadWebhook(namespace string) *admissionv1.ValidatingWebhookConfiguration {
	none := admissionv1.SideEffectClassNone
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name:                    "dead.example.com",
			ClientConfig:            admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			SideEffects:             &none,
			AdmissionReviewVersions: []string{"v1"},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"daemonsets"}},
			}},
		}},
	}
}

// tryDaemonSet asks the API server, and through it webhooks, what they would say to a DaemonSet: a webhook is taken up some time
// after it was made.
func (w *world) tryDaemonSet() error {
	labels := map[string]string{"a": "b"}
	return w.c.Create(w.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "try", Namespace: w.namespace},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
			},
		},
	}, client.DryRunAll)
}
