package observation

import (
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// Growth is a time in which a collector received datagrams: after From, the look before, and no later than To, by the operator's clock.
type Growth struct {
	From, To  time.Time
	Datagrams uint64
	// Senders that some of them came from, of those that the collector tells of.
	Senders int
}

// Distribution is how the datagrams of one time were spread. Collectors are not looked at in the same moment, so what one of them received
// says nothing of the others until these were looked at, too.
type Distribution struct {
	// Collectors that are known to have received something in that time, or not to; Busy are the first.
	Collectors, Busy int
	// Open are those that were not looked at since, or not before: nobody knows of them.
	Open int
	// Datagrams of the busy ones.
	Datagrams uint64
	// Only is the busy one, where there is one.
	Only Pod
	// Senders that it received something from in that time: those that are silent now say nothing of how load is spread.
	Senders int
}

// Distribute compares the collectors that answer by the time in which one of them received something last, or, where some were not looked
// at since, by the time in which it did before.
func Distribute(reports []Report) Distribution {
	var last *Report
	for i := range reports {
		if r := &reports[i]; r.Answers() && r.Grew.Datagrams > 0 && (last == nil || r.Grew.To.After(last.Grew.To)) {
			last = r
		}
	}
	if last == nil {
		return spread(reports, Growth{})
	}
	d := spread(reports, last.Grew)
	if d.Open > 0 && last.GrewBefore.Datagrams > 0 {
		if before := spread(reports, last.GrewBefore); before.Open == 0 {
			return before
		}
	}
	return d
}

// spread says who received something in a time; nobody did in the zero Growth.
func spread(reports []Report, during Growth) (d Distribution) {
	for i := range reports {
		r := &reports[i]
		switch {
		case !r.Answers() || r.Since.IsZero():
		case r.Grew.Datagrams > 0 && r.Grew.To.After(during.From):
			d.Collectors++
			d.Busy++
			d.Datagrams += r.Grew.Datagrams
			d.Only, d.Senders = r.Pod, r.Grew.Senders
		case during.Datagrams > 0 && (r.Since.After(during.From) || r.Answered.Before(during.To)):
			d.Open++
		default:
			d.Collectors++
		}
	}
	return d
}

// grow notes what came since the look before, at which the collector told of the senders given. Where the process is another one, or lies, it begins anew.
func (r *Report) grow(at time.Time, before []status.Sender) {
	if r.Before == nil || received(r.Now) < received(r.Before) {
		r.Since, r.Grew, r.GrewBefore = at, Growth{}, Growth{}
		return
	}
	if got := received(r.Now) - received(r.Before); got > 0 {
		r.GrewBefore, r.Grew = r.Grew, Growth{From: r.Answered, To: at, Datagrams: got, Senders: sending(before, r.Now.Senders)}
	}
}

// sending is how many senders have sent something between two looks.
func sending(before, now []status.Sender) (n int) {
	had := make(map[string]uint64, len(before))
	for _, s := range before {
		had[s.Address] = s.Datagrams
	}
	for _, s := range now {
		if s.Datagrams > had[s.Address] {
			n++
		}
	}
	return n
}
