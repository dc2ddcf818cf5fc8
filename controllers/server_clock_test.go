package controllers

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// What the API server says of its clock counts, not what the operator's shows; between answers, only how much time has passed does.
func TestTheAPIServersClockIsKnownByItsAnswers(t *testing.T) {
	own := time.Now()
	answer := func(at time.Time) http.Header { return http.Header{"Date": {at.UTC().Format(http.TimeFormat)}} }
	c := &serverClock{}
	if got := c.at(own); !got.Equal(own) {
		t.Errorf("nothing is known, and it says %s, not %s", got, own)
	}
	server := own.Add(-time.Hour).Truncate(time.Second) // the operator's is ahead
	c.note(answer(server), own)
	for _, later := range []time.Duration{0, time.Second, 10 * time.Minute} {
		if got := c.at(own.Add(later)); !got.Equal(server.Add(later)) {
			t.Errorf("%s later it shows %s, not %s", later, got, server.Add(later))
		}
	}
	c.note(answer(server.Add(time.Minute-time.Second)), own.Add(time.Minute)) // a slow answer, and whole seconds
	c.note(http.Header{}, own)
	c.note(http.Header{"Date": {"yesterday"}}, own)
	if got := c.at(own); !got.Equal(server) {
		t.Errorf("what says nothing new makes it show %s, not %s", got, server)
	}
	c.note(answer(server.Add(time.Hour)), own.Add(time.Minute)) // somebody put it right
	if got, want := c.at(own.Add(2*time.Minute)), server.Add(time.Hour+time.Minute); !got.Equal(want) {
		t.Errorf("after it was put right it shows %s, not %s", got, want)
	}
}

// An operator whose clock is a day ahead knows by the API server how old a sign of another one is, and when a rollout began.
func TestAnOperatorWhoseClockIsAheadTakesNothingForLate(t *testing.T) {
	w := newWorld(t)
	one := startOperator(t, w.s, w.namespace, operatorOptions{identity: "here/flowfleet.io", image: "example.com/one:v1"})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	ahead := &laterClock{}
	ahead.by.Store(int64(24 * time.Hour))
	two := startOperator(t, w.s, w.namespace, operatorOptions{identity: "there/flowfleet.io", image: "example.com/two:v2", clock: ahead})
	w.expect(fc, v1alpha1.ConditionOperatorConflict, metav1.ConditionTrue, judge.ReasonOtherOperator)
	two.settle(fc)
	if image := w.imageOf(fc); image != "example.com/one:v1" {
		t.Errorf("it took over from one that lives: the collectors run %s", image)
	}
	two.stop()

	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/three:v3" }) // and no pod becomes another one
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling)
	one.settle(fc)
	one.stop()
	again := startOperator(t, w.s, w.namespace, operatorOptions{identity: "here/flowfleet.io", image: "example.com/one:v1", clock: ahead})
	again.settle(fc)
	w.read(fc)
	for _, c := range fc.Status.Conditions {
		if c.Reason == judge.ReasonProgressDeadlineExceeded || c.LastTransitionTime.After(time.Now().Add(time.Minute)) {
			t.Errorf("%s is %s, %s since %s: %s", c.Type, c.Status, c.Reason, c.LastTransitionTime, c.Message)
		}
	}
}
