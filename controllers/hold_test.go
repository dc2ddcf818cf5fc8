package controllers

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// A typo may lead to a NATS server without JetStream, to an account without it, or to a user who may do nothing there: a fleet that is well
// stays with what it has.
func TestARolloutToAConnectionThatTheOperatorCannotUseIsHeld(t *testing.T) {
	for _, class := range []jetstream.Class{jetstream.ClassUnreachable, jetstream.ClassDenied, jetstream.ClassNoJetStream, jetstream.ClassForbidden} {
		fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
		for _, kind := range []string{v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady} {
			fc.Status.Conditions = append(fc.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: judge.ReasonReady})
		}
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotationConnection: "the one that works"}}}
		set.Status.NumberAvailable = 3
		look := jetstream.Look{Current: true, Class: class, Error: "the operator cannot use it"}
		f := &judge.Facts{Collector: fc, DaemonSet: set, NATS: jetstream.Finding{Bucket: &jetstream.BucketFinding{Look: look}, Stream: &jetstream.StreamFinding{Look: look}}}
		hold(f, "the new one")
		if f.Held == "" {
			t.Errorf("the operator finds %q at the new connection, and rolls three collectors that work onto it", class)
		}
	}
}
