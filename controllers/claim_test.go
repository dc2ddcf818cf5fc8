package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// Two operators with two images on one object would replace each other's pods for ever.
func TestOfTwoOperatorsOneLeavesTheObjectAloneUntilTheOtherIsStopped(t *testing.T) {
	w := newWorld(t)
	one := startOperator(t, w.s, w.namespace, operatorOptions{identity: "here/flowfleet.io", image: "example.com/one:v1"})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	two := startOperator(t, w.s, w.namespace, operatorOptions{identity: "there/flowfleet.io", image: "example.com/two:v2"})
	w.expect(fc, v1alpha1.ConditionOperatorConflict, metav1.ConditionTrue, judge.ReasonOtherOperator,
		"the operator there/flowfleet.io leaves this object alone, because the operator here/flowfleet.io looks after it")
	two.settle(fc)
	one.settle(fc)
	if wrote := two.writes.since(0); len(wrote) > 2 { // the condition and its event
		t.Errorf("the second operator writes %q", wrote)
	}
	if image := w.imageOf(fc); image != "example.com/one:v1" {
		t.Errorf("the collectors run %s", image)
	}

	one.stop()
	w.read(fc)
	if fc.Status.Operator != nil {
		t.Fatalf("the operator was stopped, and is still said to look after the object: %+v", fc.Status.Operator)
	}
	two.reconcile(fc) // which it does each minute
	natstest.Eventually(t, "the other operator takes over", func() bool { return w.imageOf(fc) == "example.com/two:v2" })
	natstest.Eventually(t, "the other operator says so", func() bool { // once its objects are applied
		w.read(fc)
		return fc.Status.Operator != nil && fc.Status.Operator.Identity == "there/flowfleet.io" &&
			meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionOperatorConflict) == nil
	})
}

// An operator that is installed anew in another namespace, or with another lease, takes over as it starts.
func TestAnOperatorOfAnotherNameTakesOverFromOneThatWasStopped(t *testing.T) {
	w := newWorld(t)
	before := startOperator(t, w.s, w.namespace, operatorOptions{identity: "here/flowfleet.io", elect: operatorNamespace})
	fc, another := w.create("edge"), w.create("core")
	w.run(fc, 0)
	w.run(another, 0)
	w.expectReady(fc)
	w.expectReady(another)
	before.stop()

	startOperator(t, w.s, w.namespace, operatorOptions{identity: "there/flowfleet.io", elect: operatorNamespace, image: "example.com/two:v2"})
	for _, fc := range []*v1alpha1.FlowCollector{fc, another} {
		natstest.Eventually(t, "the next operator takes over "+fc.Name, func() bool { return w.imageOf(fc) == "example.com/two:v2" })
	}
}

// A replica that does not work gives nothing up when it is stopped.
func TestAReplicaThatWaitsForItsTurnGivesUpNothing(t *testing.T) {
	w := newWorld(t)
	startOperator(t, w.s, w.namespace, operatorOptions{elect: operatorNamespace})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	waiting := startOperator(t, w.s, w.namespace, operatorOptions{elect: operatorNamespace})
	time.Sleep(time.Second) // for what must not happen
	waiting.stop()
	w.read(fc)
	if fc.Status.Operator == nil {
		t.Error("nobody looks after the object any more")
	}
}
