// Package wave says which fleets may take up a change of the operator's own making, such as a new version of it brings to all of
// them: so many at a time, in an order that a restart of the operator does not change. It is pure.
package wave

import (
	"cmp"
	"fmt"
	"slices"
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

// Rules are the operator's flags.
type Rules struct {
	// AtOnce is how many fleets roll at the same time at most; 0 for all.
	AtOnce int
	// PastFailures lets the wave go on though a fleet failed.
	PastFailures bool
}

// Turn returns the names of the fleets that may roll now, and what the others that wait, wait for. First come fleets that began, which are
// between two versions; then those that are Ready; then the others, which would hold a place for as long as they are not. Within these
// the order is that of the names.
func Turn(fleets []Fleet, rules Rules) (may []string, why string) {
	waiting := make([]Fleet, 0, len(fleets))
	var rolling, failed, unknown []Fleet
	for _, f := range fleets {
		switch f.State {
		case Waiting:
			waiting = append(waiting, f)
		case Rolling:
			rolling = append(rolling, f)
		case Failed:
			failed = append(failed, f)
		case Unknown:
			unknown = append(unknown, f)
		}
	}
	if rules.AtOnce > 0 && len(unknown) > 0 { // one of them may be rolling, or come before those that wait
		return nil, fmt.Sprintf("the operator has just started, and looks at all fleets first (%d to go)", len(unknown))
	}
	slices.SortFunc(waiting, before)
	switch free := rules.AtOnce - len(rolling); {
	case rules.AtOnce <= 0:
		return names(waiting), ""
	case len(failed) > 0 && !rules.PastFailures:
		// A fleet between two versions may go on to the next: that may be what mends it.
		waiting = slices.DeleteFunc(waiting, func(f Fleet) bool { return !f.Began })
		slices.SortFunc(failed, before)
		return names(waiting[:min(max(free, 0), len(waiting))]), fmt.Sprintf("%s has it and is not well since: %s", failed[0].Name, failed[0].Why)
	default:
		first := waiting[:min(max(free, 0), len(waiting))]
		slices.SortFunc(rolling, before)
		if len(rolling) == 0 {
			rolling = first
		}
		if len(rolling) == 0 {
			return nil, ""
		}
		why = fmt.Sprintf("%s takes it up", rolling[0].Name)
		if n := len(rolling) - 1; n > 0 {
			why += fmt.Sprintf(", with %d more", n)
		}
		if rolling[0].Why != "" {
			why += fmt.Sprintf(" (%s)", rolling[0].Why)
		}
		return names(first), why
	}
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
