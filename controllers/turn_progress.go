package controllers

import (
	"cmp"
	"fmt"
	"time"

	"github.com/flowfleet/flowfleet/controllers/wave"
)

// progress is how far an object is whose turn it is.
type progress struct {
	// settled: Kubernetes has replaced what there is to replace. well: and it is as it was before. stuck: nothing gets on.
	settled, well, stuck bool
	// replaced pods.
	replaced int
	// deadline is after how long without progress it counts as stuck, and delay how long it has to be well.
	deadline, delay time.Duration
	// holds is what it waits for, wrong what is not well with it; both empty where nobody can tell.
	holds, wrong string
	now          time.Time
}

// patience is for how long it may hold its turn without more pods being replaced. The deadline is its owner's to choose, and begins anew where
// it is well and not well by turns: neither is to hold the others for ever.
func (p *progress) patience() time.Duration { return 2*min(p.deadline, longestDeadline) + p.delay }

// goesOn notes how an object does that has the turn. It reports whether the turn is over, and otherwise when to look again, 0 for not by
// itself. The command lets the others go on.
func (w *waves) goesOn(k objectKey, turn string, p progress, command string) (over bool, again time.Duration) {
	phase := replacing
	switch {
	case p.well:
		phase = runsWell
	case p.settled:
		phase = replaced
	}
	lasted := w.lasts(k, phase, p.now)
	left := p.patience() - w.getsOn(k, p.replaced, p.now)
	switch {
	case p.well && lasted >= p.delay, turn == turnNotReady && (p.stuck || left <= 0):
		return true, 0
	case p.well && left > 0:
		w.note(k, wave.Rolling, fmt.Sprintf("--rollout-delay of %s", p.delay))
		return false, soonest(max(p.delay-lasted, time.Millisecond), left)
	case p.stuck, phase == replaced && lasted >= p.deadline, left <= 0:
		why := "it does not stay Ready"
		if phase == replacing {
			why = "no more of its pods are replaced"
		}
		w.note(k, wave.Failed, fmt.Sprintf("%s; mend or suspend it, or let the others go on: %s", cmp.Or(p.wrong, why), command))
		if p.well {
			return false, max(p.delay-lasted, time.Millisecond)
		}
		return false, 0
	}
	w.note(k, wave.Rolling, p.holds)
	if phase == replaced {
		return false, soonest(max(p.deadline-lasted, time.Millisecond), left)
	}
	return false, left
}
