package controllers

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

func TestANamespaceWaitsOnceItHasHadItsShare(t *testing.T) {
	s := shares{free: time.Minute}
	if s.spend("often", time.Minute, time.Unix(1e9, 0)); s.wait("often", time.Unix(1e9, 0)) != 0 || len(s.of) != 0 {
		t.Error("what is free is counted")
	}
	s.free = 0
	begin := time.Unix(1e9, 0)
	for _, step := range []struct {
		at    time.Duration // since the beginning
		spend time.Duration
		want  time.Duration // to wait after it
	}{
		{0, 0, 0},
		{0, spentAtOnce, 0},
		{0, time.Second, 4 * time.Second},
		{0, time.Second, 8 * time.Second},
		{6 * time.Second, 0, 2 * time.Second},
		{8 * time.Second, 0, 0},
		{8 * time.Second, time.Second, 4 * time.Second},
		{7 * time.Second, 0, 4 * time.Second}, // a clock that goes back
		{time.Hour, 0, 0},
		{2 * time.Hour, time.Hour, 12 * time.Second},
		{2*time.Hour + 24*time.Second, 0, 0},
		{3 * time.Hour, 0, 0},
		{4 * time.Hour, spentAtOnce + time.Second, 4 * time.Second}, // what was not taken is not kept
	} {
		now := begin.Add(step.at)
		s.spend("hostile", step.spend, now)
		if got := s.wait("hostile", now); got != step.want {
			t.Errorf("after %s more was spent at %s, it waits for %s, not %s", step.spend, step.at, got, step.want)
		}
		if got := s.wait("other", now); got != 0 {
			t.Errorf("at %s another one waits for %s", step.at, got)
		}
	}
	if s.wait("hostile", begin.Add(24*time.Hour)); len(s.of) != 0 {
		t.Errorf("what was made up for is kept: %v", s.of)
	}
}

// A namespace that has had its share of the operator waits, and keeps no other one waiting.
func TestANamespaceThatHasHadItsShareKeepsNoOtherWaiting(t *testing.T) {
	w := newWorld(t)
	hostile := w.s.Namespace(t)
	o := startOperator(t, w.s, w.namespace, operatorOptions{namespaces: []string{hostile}})
	o.shares.spend(hostile, time.Hour, time.Now().Add(time.Hour)) // it is that for an hour
	much, other := w.fleet("much"), w.fleet("other")
	much.Namespace = hostile
	if err := w.c.Create(t.Context(), much); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the operator looks at it", func() bool { return o.queue.passes(requestOf(much)) > 0 })
	if err := w.c.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.daemonSet(other)
	if set := (&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: hostile, Name: fleet.ObjectName(much)}}); w.exists(set) {
		t.Error("it does not wait")
	}
	o.shares.spend(hostile, 0, time.Now().Add(2*time.Hour)) // when it has been made up for
	o.shares.mu.Lock()
	if o.shares.free <= 0 {
		t.Error("fleets that take little take of the share, too")
	}
	o.shares.free = 0
	o.shares.mu.Unlock()
	o.reconcile(much)
	w.daemonSet(much)
	noted := func() bool {
		o.shares.mu.Lock()
		defer o.shares.mu.Unlock()
		of := o.shares.of[hostile]
		return of != nil && of.time > 0
	}
	o.reconcile(much)
	if noted() {
		t.Error("passes without an edit take of the share")
	}
	if err := w.c.Get(t.Context(), client.ObjectKeyFromObject(much), much); err != nil {
		t.Fatal(err)
	}
	much.Spec.CommonLabels = map[string]string{"edited": "yes"}
	if err := w.c.Update(t.Context(), much); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "what was spent on an edit is noted", noted)
	o.shares.spend(hostile, time.Hour, time.Now().Add(3*time.Hour))
	if err := w.c.Delete(t.Context(), much); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it goes all the same", func() bool { return !w.exists(much) })
}

// A fleet for which others may be waiting is looked at whatever its namespace has had: else one namespace would hold up the upgrades of all.
func TestAFleetThatOthersMayWaitForNeedsNoShare(t *testing.T) {
	k := objectKey{"hostile", "much"}
	for name, test := range map[string]struct {
		atOnce int
		state  wave.State
		known  bool
		want   bool
	}{
		"not looked at yet":   {1, wave.Unknown, true, true},
		"not known":           {1, wave.Idle, false, true},
		"it waits":            {1, wave.Waiting, true, true},
		"it rolls":            {1, wave.Rolling, true, true},
		"it is done":          {1, wave.Idle, true, false},
		"it has failed":       {1, wave.Failed, true, false},
		"nobody ever waits":   {0, wave.Unknown, true, false},
		"nobody waits for it": {0, wave.Idle, false, false},
	} {
		w := newWaves(wave.Rules{AtOnce: test.atOnce}, clock.RealClock{}, func(objectKey) {}, func(wave.Fleet) {})
		if test.known {
			w.of(k).State = test.state
		}
		if got := w.holds(k); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
