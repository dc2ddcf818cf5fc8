package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// said is what the conditions of all objects in a namespace say. An API server that has just started may not have the kind yet.
func (w *world) said() (map[string]string, error) {
	list := &v1alpha1.FlowCollectorList{}
	if err := w.c.List(w.Context(), list, client.InNamespace(w.namespace)); err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for i := range list.Items {
		for _, c := range list.Items[i].Status.Conditions {
			out[list.Items[i].Name+" "+c.Type] = fmt.Sprintf("%s, %s since %s", c.Status, c.Reason, c.LastTransitionTime.UTC().Format(time.RFC3339))
		}
	}
	return out, nil
}

// An API server whose process ends and is started anew under a running operator makes no condition lie: all stay as they were where nothing has
// changed, what changed meanwhile is told, an edit after it is applied, and nothing is left over in the operator.
func TestAnAPIServerThatIsStartedAnewMakesNoConditionLie(t *testing.T) {
	w := newWorld(t)
	o := w.start()
	well, stuck, lost := w.create("well"), w.create("stuck"), w.create("lost")
	suspended := w.create("suspended")
	for _, fc := range []*v1alpha1.FlowCollector{well, stuck, lost, suspended} {
		w.run(fc, 0)
		w.expectReady(fc)
	}
	change(w, stuck, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/typo:v1" })
	w.expect(stuck, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling)
	w.run(lost, 3)
	w.expect(lost, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonUnavailable)
	change(w, suspended, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Suspend, fc.Spec.Collector.Image = true, "example.com/later:v2"
	})
	w.expect(suspended, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended)
	for _, fc := range []*v1alpha1.FlowCollector{well, stuck, lost, suspended} {
		o.settle(fc)
	}
	before, err := w.said()
	if err != nil {
		t.Fatal(err)
	}
	goroutinesBefore := goroutines()

	for _, away := range []time.Duration{0, 15 * time.Second} {
		w.s.Restart(t, func() { time.Sleep(away) }) // for as long as looks take to fail, and longer
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			now, err := w.said()
			if err != nil {
				continue
			}
			for what, said := range before {
				if now[what] != said {
					t.Errorf("%s was %s, and is %s", what, said, now[what])
				}
			}
			if len(now) != len(before) {
				t.Errorf("there are %d conditions, not %d", len(now), len(before))
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}

	w.s.Restart(t, w.nats.Stop)
	natstest.Eventually(t, "the kind is there", func() bool { _, err := w.said(); return err == nil })
	for _, fc := range []*v1alpha1.FlowCollector{well, stuck, lost} {
		w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionFalse, judge.ReasonNATSUnreachable)
	}
	w.expect(well, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonNATSUnreachable)
	w.nats.Restart()
	change(w, stuck, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/right:v1" })
	natstest.Eventually(t, "an edit is applied", func() bool { return w.imageOf(stuck) == "example.com/right:v1" })
	change(w, suspended, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = false })
	natstest.Eventually(t, "what waited is applied", func() bool { return w.imageOf(suspended) == "example.com/later:v2" })
	for _, fc := range []*v1alpha1.FlowCollector{well, stuck, lost, suspended} {
		w.run(fc, 0)
		w.expectReady(fc)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionFalse, judge.ReasonAsWanted)
		o.settle(fc)
	}
	if err := w.c.Delete(context.WithoutCancel(t.Context()), lost); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it goes", func() bool { return !w.exists(lost) })
	natstest.Eventually(t, "no goroutine is left over", func() bool { return goroutines() <= goroutinesBefore+10 }) // the tests' own clients have some
}
