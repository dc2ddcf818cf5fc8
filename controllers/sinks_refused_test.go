package controllers

import (
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// A FlowSink whose Deployment was deleted, and cannot be made again because an admission webhook is away, does not go on being Ready.
func TestAFlowSinkIsNotReadyWhileAWebhookIsAway(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	s, deployment := w.runningSink("edge", "warehouse")

	address, none := "https://127.0.0.1:1/", admissionv1.SideEffectClassNone
	hook := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}, Webhooks: []admissionv1.ValidatingWebhook{{
		Name: "away.example.com", ClientConfig: admissionv1.WebhookClientConfig{URL: &address}, SideEffects: &none,
		AdmissionReviewVersions: []string{"v1"},
		NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": w.namespace}},
		Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule: admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}}}}}}
	if err := w.c.Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.c.Delete(t.Context(), hook) })
	// The API server hears of a webhook some time after it is made.
	natstest.Eventually(t, "the FlowSink says that its Deployment cannot be made", func() bool {
		_ = w.c.Delete(t.Context(), deployment.DeepCopy())
		w.read(s)
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		return c.Status == metav1.ConditionFalse && c.Reason == sink.ReasonApplyFailed
	})
	if err := w.c.Delete(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the Deployment is made again", func() bool { return w.exists(deployment) })
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
}
