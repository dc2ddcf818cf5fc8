package controllers

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/controllers/wave"
)

// missesTold is after how many passes that failed a fleet no longer keeps the others from their turn, as nobody knows how it is.
const missesTold = 4

// waves know how each fleet stands to a change of the operator's own making. What has to outlive the operator stands on the DaemonSets.
type waves struct {
	rules wave.Rules
	wake  func(objectKey) // makes the operator look at a fleet

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
	phase  phase
	since  time.Time
	misses int
}

// phase of a fleet that takes the change up.
type phase int

const (
	replacing phase = iota
	replaced        // and not well
	runsWell
)

func newWaves(rules wave.Rules, wake func(objectKey)) *waves {
	return &waves{rules: rules, wake: wake, fleets: make(map[objectKey]*turn)}
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
	for _, other := range all {
		w.of(other)
	}
	t := w.of(k)
	changed := t.State != wave.Waiting
	defer func() {
		w.mu.Unlock()
		if changed {
			w.wakeNext(k)
		}
	}()
	t.mark = cmp.Or(t.mark, marked)
	t.State, t.Began, t.Ready, t.Why, t.misses = wave.Waiting, t.mark != "", mark == turnReady, "", 0
	may, why := wave.Turn(w.list(), w.rules)
	if !slices.Contains(may, t.Name) {
		return why
	}
	t.State, t.Began, t.mark, t.since = wave.Rolling, true, cmp.Or(t.mark, mark), time.Time{}
	return ""
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

// note how a fleet does.
func (w *waves) note(k objectKey, state wave.State, why string) {
	w.set(k, func(t *turn) { t.State, t.Why, t.misses = state, why, 0 })
}

// idle: the fleet has nothing to do with the change, or is done with it.
func (w *waves) idle(k objectKey) {
	w.set(k, func(t *turn) { *t = turn{Fleet: wave.Fleet{Name: t.Name, State: wave.Idle}} })
}

// missed notes a pass that failed.
func (w *waves) missed(k objectKey) {
	w.set(k, func(t *turn) {
		if t.misses++; t.State == wave.Unknown && t.misses >= missesTold {
			t.State = wave.Idle
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
