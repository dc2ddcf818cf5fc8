package controllers

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/flowfleet/flowfleet/controllers/wave"
)

// missesTold is after how many passes in a row that failed a fleet no longer keeps the others from their turn, as nobody knows how it is.
const missesTold = 4

// missesFailed is after how many of them one that rolls has failed. The time between passes doubles: it takes half a minute, as the API server
// may be away for a moment and the others are not to begin meanwhile.
const missesFailed = 10

// waves know how each fleet stands to a change of the operator's own making. What has to outlive the operator stands on the DaemonSets.
type waves struct {
	rules wave.Rules
	wake  func(objectKey) // makes the operator look at a fleet
	// failed tells the operator's log of a fleet that stops the others. It is called with the lock held.
	failed func(wave.Fleet)
	clock  clock.PassiveClock

	mu      sync.Mutex
	started bool // all fleets were looked at since the start
	fleets  map[objectKey]*turn
}

// turn is that of one fleet.
type turn struct {
	wave.Fleet
	// mark is what annotationTurn says, or will once the cache has it; seen that the cache had it.
	mark string
	seen bool
	// phase of taking it up, and since when.
	phase phase
	since time.Time
	// gotOn is when the turn was seen first, or more collectors than ever had been replaced in it, and replaced how many that were.
	gotOn    time.Time
	replaced int
	// misses are passes in a row that failed.
	misses int
	// failedAt is since when the state is Failed.
	failedAt time.Time
}

// phase of a fleet that takes the change up.
type phase int

const (
	replacing phase = iota
	replaced        // and not well
	runsWell
)

func newWaves(rules wave.Rules, c clock.PassiveClock, wake func(objectKey), failed func(wave.Fleet)) *waves {
	return &waves{rules: rules, clock: c, wake: wake, failed: failed, fleets: make(map[objectKey]*turn)}
}

// of returns a fleet's turn; the lock is held.
func (w *waves) of(k objectKey) *turn {
	if w.fleets[k] == nil {
		w.fleets[k] = &turn{Fleet: wave.Fleet{Name: k.Namespace + "/" + k.Name}}
	}
	return w.fleets[k]
}

// ask whether a fleet, one of all, may take the change up. It returns what it waits for, empty if it may. The mark is what the fleet is
// to be marked with, marked what it is.
func (w *waves) ask(k objectKey, all []objectKey, mark, marked string) string {
	w.mu.Lock()
	there := map[objectKey]bool{k: true}
	for _, other := range all {
		w.of(other)
		there[other] = true
	}
	// A list that was read before a fleet was forgotten would bring it back, and nobody would ever look at it.
	maps.DeleteFunc(w.fleets, func(other objectKey, _ *turn) bool { return !there[other] })
	t := w.of(k)
	changed := t.State != wave.Waiting
	defer func() {
		w.mu.Unlock()
		if changed {
			w.wakeNext(k)
		}
	}()
	t.mark = cmp.Or(t.mark, marked)
	// Misses stay: a pass that asks may fail later on.
	t.State, t.Began, t.Ready, t.Why = wave.Waiting, t.mark != "", mark == turnReady, ""
	may, wait := wave.Turn(w.list(), w.rules)
	if !slices.Contains(may, t.Name) {
		t.gotOn, t.replaced = time.Time{}, 0
		return wait.For(k.Namespace)
	}
	t.State, t.Began, t.mark, t.since = wave.Rolling, true, cmp.Or(t.mark, mark), time.Time{}
	return ""
}

// holds reports whether other fleets may be waiting for this one: nobody has looked at it since the operator's start, or it takes the change up, or
// asks for its turn.
func (w *waves) holds(k objectKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.fleets[k]
	return w.rules.AtOnce > 0 && (t == nil || t.State != wave.Idle && t.State != wave.Failed)
}

// turn is what a fleet is marked with, as its DaemonSet says, or will once the cache has what was written; empty for none. A mark that was
// seen and is no more was removed by somebody.
func (w *waves) turn(k objectKey, marked string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of(k)
	switch {
	case marked != "":
		t.mark, t.seen = marked, true
	case t.seen:
		t.mark = ""
	}
	return t.mark
}

// lasts notes how far a fleet is with the change, and returns for how long that has been so.
func (w *waves) lasts(k objectKey, phase phase, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of(k)
	if t.phase != phase || t.since.IsZero() {
		t.phase, t.since = phase, now
	}
	return now.Sub(t.since)
}

// getsOn notes how many collectors have been replaced, and returns for how long that has not become more than ever in this turn. What a
// fleet was before, and what its phase is, does not matter: this ends with the number of its nodes, and a change of phase need not end.
func (w *waves) getsOn(k objectKey, replaced int, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of(k)
	if t.gotOn.IsZero() || replaced > t.replaced {
		t.gotOn, t.replaced = now, max(replaced, t.replaced)
	}
	return now.Sub(t.gotOn)
}

// note how a fleet does.
func (w *waves) note(k objectKey, state wave.State, why string) {
	w.set(k, func(t *turn) { t.State, t.Why, t.misses = state, why, 0 })
}

// idle: the fleet has nothing to do with the change, or is done with it.
func (w *waves) idle(k objectKey) {
	w.set(k, func(t *turn) { *t = turn{Fleet: wave.Fleet{Name: t.Name, State: wave.Idle}} })
}

// passed notes a pass that did not fail, of a fleet that waits.
func (w *waves) passed(k objectKey) {
	w.set(k, func(t *turn) { t.misses = 0 })
}

// missed notes a pass that failed. Such passes do not tell how a fleet does, and may go on for ever.
func (w *waves) missed(k objectKey) {
	w.set(k, func(t *turn) {
		t.misses++
		switch {
		case t.misses < missesTold, t.State == wave.Rolling && t.misses < missesFailed:
		case t.State == wave.Rolling && t.mark != turnNotReady:
			// The error is for the fleet's own status: it may tell the others' owners what is not theirs.
			t.State, t.Why = wave.Failed, "the operator fails to bring it on, see its condition Progressing and the operator's log; mend or suspend it"
		case t.State == wave.Unknown, t.State == wave.Waiting, t.State == wave.Rolling:
			t.State = wave.Idle // until a pass asks again
		}
	})
}

// forget a fleet that is gone.
func (w *waves) forget(k objectKey) {
	defer w.wakeNext(k)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fleets, k)
}

func (w *waves) set(k objectKey, change func(*turn)) {
	w.mu.Lock()
	t := w.of(k)
	before := t.State
	change(t)
	changed := t.State != before
	if changed && t.State == wave.Failed {
		t.failedAt = w.clock.Now()
		w.failed(t.Fleet)
	}
	w.mu.Unlock()
	if changed {
		w.wakeNext(k)
	}
}

// wakeNext makes the operator look at the fleets whose turn it is now, but for the one that it is looking at.
func (w *waves) wakeNext(but objectKey) {
	w.mu.Lock()
	may, _ := wave.Turn(w.list(), w.rules)
	lifted := !w.started && !slices.ContainsFunc(w.list(), func(f wave.Fleet) bool { return f.State == wave.Unknown })
	w.started = w.started || lifted
	var next []objectKey
	for k, t := range w.fleets {
		// Those that waited for the first look at all wait for something else now.
		if k != but && (slices.Contains(may, t.Name) || lifted && t.State == wave.Waiting) {
			next = append(next, k)
		}
	}
	w.mu.Unlock()
	for _, k := range next {
		w.wake(k)
	}
}

func (w *waves) list() []wave.Fleet {
	out := make([]wave.Fleet, 0, len(w.fleets))
	for _, t := range w.fleets {
		out = append(out, t.Fleet)
	}
	return out
}
