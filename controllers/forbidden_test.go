package controllers

import (
	"context"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// An upgrade that was interrupted may leave the operator without a right. The object says which, is not called well for the spec that
// waits, and heals once the right is back.
func TestARightThatIsTakenAwayIsSaidOnTheObjectUntilItIsBack(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	was := fc.Status.ObservedGeneration

	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "manager"}}
	w.read(role)
	rules := role.DeepCopy().Rules
	give := func(rules []rbacv1.PolicyRule) {
		change(w, role, func(role *rbacv1.ClusterRole) { role.Rules = rules })
	}
	t.Cleanup(func() { // the role is that of all tests
		before := role.DeepCopy()
		role.Rules = rules
		if err := w.c.Patch(context.Background(), role, client.MergeFrom(before)); err != nil {
			t.Error(err)
		}
	})
	less := slices.DeleteFunc(slices.Clone(rules), func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "daemonsets") })
	less = append(less, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, Verbs: []string{"get", "list", "watch"}})
	give(less)

	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/next:v2" })
	natstest.Eventually(t, "the API server has heard of it", func() bool {
		o.reconcile(fc)
		w.read(fc)
		return slices.ContainsFunc(fc.Status.Conditions, func(c metav1.Condition) bool { return c.Reason == judge.ReasonOperatorForbidden })
	})
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonOperatorForbidden, "the operator lacks rights", "cannot patch resource", "daemonsets")
	w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonOperatorForbidden, "cannot patch resource")
	// What runs is well, and is of the generation before: who waits for Ready of this one waits.
	ready := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionReady)
	if fc.Status.ObservedGeneration != was || ready.ObservedGeneration != was || fc.Generation == was {
		t.Errorf("of generation %d %d is called observed, Ready is of %d, and %d is what runs", fc.Generation, fc.Status.ObservedGeneration, ready.ObservedGeneration, was)
	}
	if image := w.imageOf(fc); image != testImage {
		t.Errorf("the collectors run %s", image)
	}

	give(rules)
	natstest.Eventually(t, "what waited is applied", func() bool {
		w.lookNow(o, fc)
		return w.imageOf(fc) == "example.com/next:v2"
	})
	w.run(fc, 0)
	w.expectReady(fc)
}
