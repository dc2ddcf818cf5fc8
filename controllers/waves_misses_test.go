package controllers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/flowfleet/flowfleet/controllers/wave"
)

// Nobody knows how a fleet does whose passes all fail. That is not to hold the others for ever.
func TestAFleetWhosePassesFailDoesNotHoldTheOthersForEver(t *testing.T) {
	a, b := objectKey{"flows", "a"}, objectKey{"flows", "b"}
	all := []objectKey{a, b}
	for about, test := range map[string]struct {
		rules  wave.Rules
		before func(w *waves) // the passes of a that fail
		pass   func(w *waves) // what a pass of a does before it fails
		misses int
		why    string // b waits; empty where it may go on
	}{
		"one that rolls has failed": {wave.Rules{AtOnce: 1}, func(w *waves) { w.ask(a, all, turnReady, "") }, func(*waves) {}, missesFailed,
			"flows/a has it and is not well since: the operator fails"},
		"also if each pass gets its turn again": {wave.Rules{AtOnce: 1}, func(*waves) {}, func(w *waves) { w.ask(a, all, turnReady, "") }, missesFailed,
			"flows/a has it and is not well since: the operator fails"},
		"past failures": {wave.Rules{AtOnce: 1, PastFailures: true}, func(w *waves) { w.ask(a, all, turnReady, "") }, func(*waves) {}, missesFailed, ""},
		"not at the first ones": {wave.Rules{AtOnce: 1, PastFailures: true}, func(w *waves) { w.ask(a, all, turnReady, "") }, func(*waves) {}, missesTold,
			"flows/a takes it up"},
		"one that was not Ready before stops nobody":         {wave.Rules{AtOnce: 1}, func(w *waves) { w.ask(a, all, turnNotReady, "") }, func(*waves) {}, missesFailed, ""},
		"one that waits, and is the first, is passed over":   {wave.Rules{AtOnce: 1}, func(w *waves) { w.of(a).State = wave.Waiting }, func(*waves) {}, missesTold, ""},
		"one that nobody could look at yet is passed over":   {wave.Rules{AtOnce: 1}, func(w *waves) { w.of(a).State = wave.Unknown }, func(*waves) {}, missesTold, ""},
		"one that waits and fails for a moment keeps a turn": {wave.Rules{AtOnce: 1}, func(w *waves) { w.of(a).State, w.of(a).Ready = wave.Waiting, true }, func(*waves) {}, 1, "flows/a takes it up"},
	} {
		t.Run(about, func(t *testing.T) {
			w := newWaves(test.rules, clock.RealClock{}, func(objectKey) {}, func(wave.Fleet) {})
			for _, k := range all {
				w.idle(k)
			}
			test.before(w)
			for range test.misses {
				test.pass(w)
				w.missed(a)
			}
			if why := w.ask(b, all, turnReady, ""); !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("the next one waits because %q, not because %q", why, test.why)
			}
		})
	}
}

// A list of fleets may be older than that one of them is gone.
func TestAFleetThatIsGoneIsNotWaitedFor(t *testing.T) {
	a, b := objectKey{"flows", "a"}, objectKey{"flows", "b"}
	w := newWaves(wave.Rules{AtOnce: 1}, clock.RealClock{}, func(objectKey) {}, func(wave.Fleet) {})
	w.forget(b)
	if why := w.ask(a, []objectKey{a, b}, turnReady, ""); why == "" {
		t.Fatal("a fleet that nobody looked at yet is not waited for")
	}
	if why := w.ask(a, []objectKey{a}, turnReady, ""); why != "" {
		t.Errorf("the list has one fleet only, which waits: %s", why)
	}
}

// Phases that change do not begin a turn anew; only more collectors than ever do, and again a turn after another.
func TestAFleetThatFlapsDoesNotGetOn(t *testing.T) {
	a := objectKey{"flows", "a"}
	w := newWaves(wave.Rules{AtOnce: 1}, clock.RealClock{}, func(objectKey) {}, func(wave.Fleet) {})
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var got []time.Duration
	for minute, replaced := range []int{0, 1, 3, 0, 3, 2} {
		at := now.Add(time.Duration(minute) * time.Minute)
		w.lasts(a, phase(minute%3), at)
		got = append(got, w.getsOn(a, replaced, at))
	}
	w.idle(a)
	got = append(got, w.getsOn(a, 0, now.Add(time.Hour)))
	if want := []time.Duration{0, 0, 0, time.Minute, 2 * time.Minute, 3 * time.Minute, 0}; !slices.Equal(got, want) {
		t.Errorf("it has not got on for %v, not %v", got, want)
	}
}
