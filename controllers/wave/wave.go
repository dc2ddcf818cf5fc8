// Package wave says which fleets may take up a change of the operator's own making, such as a new version of it brings to all of
// them: so many at a time, in an order that a restart of the operator does not change. It is pure.
package wave

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// State is how a fleet stands to the operator's own change.
type State int

const (
	// Unknown says that the operator has not looked at it since its start.
	Unknown State = iota
	// Idle says that it has the change, needs none, or gets none (suspended, refused, another operator's).
	Idle
	// Waiting says that it does not have the change yet.
	Waiting
	// Rolling says that it has the change, and has not run with it for long enough yet.
	Rolling
	// Failed says that it has the change, was Ready before and is not with it.
	Failed
)

// Fleet is one of all that the operator looks after.
type Fleet struct {
	// Name is namespace/name.
	Name  string
	State State
	// Began: it was let pass before, by this change or by one before it whose end it did not reach.
	Began bool
	// Ready is the condition before the change.
	Ready bool
	// Why a fleet Failed, or what one that is Rolling waits for.
	Why string
}

// namespace of the fleet.
func (f *Fleet) namespace() string {
	namespace, _, _ := strings.Cut(f.Name, "/")
	return namespace
}

// Rules are the operator's flags.
type Rules struct {
	// AtOnce is how many fleets roll at the same time at most; 0 for all.
	AtOnce int
	// PastFailures lets the wave go on though a fleet failed.
	PastFailures bool
}

// Wait is what fleets wait for that may not roll now. The zero Wait is for nothing.
type Wait struct {
	// Unknown fleets have to be looked at first.
	Unknown int
	// Failed fleets stop the wave, and Rolling ones hold it, in the order in which they would be let pass.
	Failed, Rolling []Fleet
}

// Turn returns the names of the fleets that may roll now, and what the others that wait, wait for. First come fleets that began, which are
// between two versions; then those that are Ready; then the others, which would hold a place for as long as they are not. Within these
// the order is that of the names.
func Turn(fleets []Fleet, rules Rules) (may []string, wait Wait) {
	waiting := make([]Fleet, 0, len(fleets))
	var rolling, failed []Fleet
	unknown := 0
	for _, f := range fleets {
		switch f.State {
		case Waiting:
			waiting = append(waiting, f)
		case Rolling:
			rolling = append(rolling, f)
		case Failed:
			failed = append(failed, f)
		case Unknown:
			unknown++
		}
	}
	if rules.AtOnce > 0 && unknown > 0 { // one of them may be rolling, or come before those that wait
		return nil, Wait{Unknown: unknown}
	}
	slices.SortFunc(waiting, before)
	switch free := rules.AtOnce - len(rolling); {
	case rules.AtOnce <= 0:
		return names(waiting), Wait{}
	case len(failed) > 0 && !rules.PastFailures:
		// A fleet between two versions may go on to the next: that may be what mends it.
		waiting = slices.DeleteFunc(waiting, func(f Fleet) bool { return !f.Began })
		slices.SortFunc(failed, before)
		return names(waiting[:min(max(free, 0), len(waiting))]), Wait{Failed: failed}
	default:
		first := waiting[:min(max(free, 0), len(waiting))]
		slices.SortFunc(rolling, before)
		if len(rolling) == 0 {
			rolling = first
		}
		return names(first), Wait{Rolling: rolling}
	}
}

// For says it to the owner of a fleet in a namespace. It names no fleet of another one, and not what is said of it: that is not theirs to
// know. It is empty for nothing.
func (w Wait) For(namespace string) string {
	switch {
	case w.Unknown > 0:
		return fmt.Sprintf("the operator has just started, and looks at all fleets first (%d to go)", w.Unknown)
	case len(w.Failed) > 0:
		f, more := first(w.Failed, namespace)
		if f == nil {
			return fmt.Sprintf("another fleet has it and is not well since%s: the administrator of Flowfleet finds it in the operator's log and metrics", more)
		}
		return fmt.Sprintf("%s has it and is not well since%s: %s", f.Name, more, f.Why)
	case len(w.Rolling) > 0:
		f, more := first(w.Rolling, namespace)
		if f == nil {
			return fmt.Sprintf("another fleet takes it up%s", more)
		}
		if f.Why != "" {
			more += fmt.Sprintf(" (%s)", f.Why)
		}
		return fmt.Sprintf("%s takes it up%s", f.Name, more)
	}
	return ""
}

// first of a namespace, nil without one, and how many there are beside it.
func first(fleets []Fleet, namespace string) (f *Fleet, more string) {
	if i := slices.IndexFunc(fleets, func(f Fleet) bool { return f.namespace() == namespace }); i >= 0 {
		f = &fleets[i]
	}
	if n := len(fleets) - 1; n > 0 {
		more = fmt.Sprintf(", with %d more", n)
	}
	return f, more
}

func before(a, b Fleet) int {
	return cmp.Or(rank(a)-rank(b), cmp.Compare(a.Name, b.Name))
}

func rank(f Fleet) int {
	switch {
	case f.Began:
		return 0
	case f.Ready:
		return 1
	}
	return 2
}

func names(fleets []Fleet) (out []string) {
	for _, f := range fleets {
		out = append(out, f.Name)
	}
	return out
}
