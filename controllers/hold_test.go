package controllers

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
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

// Who lets one rollout pass means that one. The annotation stays, as it may stand in a repository; what it lets pass does not come again.
func TestARolloutThatWasLetPassLetsNoOtherPass(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	held := func(url string) (override string) {
		w.Helper()
		before := w.daemonSet(fc)
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.URLs = []string{url} })
		w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonRolloutHeld, url, "to roll it out nevertheless: kubectl annotate")
		if after := w.daemonSet(fc); after.Generation != before.Generation {
			t.Errorf("the collectors are replaced all the same: generation %d instead of %d", after.Generation, before.Generation)
		}
		_, override, _ = strings.Cut(meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionConfigurationValid).Message, annotationUnchecked+"=")
		return override
	}
	override := held("nats://127.0.0.1:1")
	before := w.daemonSet(fc)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Annotations = map[string]string{annotationUnchecked: override} })
	natstest.Eventually(t, "the collectors are rolled out", func() bool { return w.daemonSet(fc).Generation > before.Generation })

	// The fleet is well again, and then somebody makes the next mistake.
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.URLs = []string{w.nats.URL()} })
	natstest.Eventually(t, "the collectors go back", func() bool {
		return w.daemonSet(fc).Annotations[annotationConnection] == before.Annotations[annotationConnection]
	})
	w.run(fc, 0)
	w.expectReady(fc)
	if next := held("nats://127.0.0.1:2"); next == override {
		t.Errorf("the word for one connection, %s, is that for another", next)
	}
}
