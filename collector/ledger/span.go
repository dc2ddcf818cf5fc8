package ledger

import (
	"cmp"
	"slices"
	"time"
)

// Span is what one collector received of a stream since it, or its exporter, began: the numbers from First up to, not
// including, Next, and how many Units of them. First and Next do not wrap: they are the exporter's number and a multiple of
// 2^32, the same for both.
type Span struct {
	First uint64 `json:"first"`
	Next  uint64 `json:"next"`
	// Units received, each once.
	Units uint64 `json:"units"`
	// Skipped units stood between two datagrams; Late ones of them came later. Units = Length - Skipped + Late.
	Skipped uint64 `json:"skipped"`
	Late    uint64 `json:"late"`
	// Duplicated units came more than once.
	Duplicated uint64 `json:"duplicated"`
	// Restarts of the exporter; the figures above are those since the last one. TotalUnits are those of all runs.
	Restarts   uint64 `json:"restarts"`
	TotalUnits uint64 `json:"totalUnits"`
}

// Length is how many units the exporter sent from First to Next.
func (s *Span) Length() uint64 { return s.Next - s.First }

// Missed is how many of them were not received here.
func (s *Span) Missed() uint64 { return s.Length() - s.Units }

// Part is what one collector has of a stream, and when it last heard it.
type Part struct {
	Span
	Heard time.Time
}

// longBehind is more than clocks of collectors, and the moments at which they are asked, differ by.
const longBehind = 10 * time.Second

// Union sums up what several collectors received of one stream: the exporter sent what lies between the lowest First and the
// highest Next, and what nobody received is missed. Spans are compared by the exporter's own 32 bits, since collectors that
// saw the number wrap and those that began later do not count alike. left is how many are left out, since they are of a run that
// ended: those that lie far from the one that was heard last, or ahead of it though they were heard long before, and those behind
// it that saw fewer restarts, unless the others lack as many units as they have.
//
// What one collector received twice counts once; what two collectors received once each (a duplicate in the network that
// took both ways) counts twice and hides as many that were missed.
func Union(parts []Part) (sum Span, left int) {
	if len(parts) == 0 {
		return sum, 0
	}
	parts = slices.SortedStableFunc(slices.Values(parts), func(a, b Part) int { return cmp.Or(b.Heard.Compare(a.Heard), cmp.Compare(b.Next, a.Next)) })
	latest := &parts[0]
	u := union{reference: latest.Next, sum: Span{First: latest.First, Next: latest.Next}}
	var doubtful []*Span
	for i := range parts {
		s := &parts[i].Span
		u.sum.TotalUnits += s.TotalUnits
		switch distance := u.distance(s); {
		case distance < -restartGap || distance > restartGap, distance > 0 && latest.Heard.Sub(parts[i].Heard) > longBehind:
			left++
		case s.Restarts < latest.Restarts && distance < -reorderWindow:
			doubtful = append(doubtful, s)
		default:
			u.take(s)
		}
	}
	for _, s := range doubtful { // whoever was away at a restart has seen fewer, and may have a part of the run all the same
		first, next := u.with(s)
		if u.sum.Units+s.Units > next-first {
			left++
			continue
		}
		u.take(s)
	}
	sum = u.sum
	sum.First, sum.Next = sum.First+u.wraps, sum.Next+u.wraps
	// What is late in the fleet's view cannot be told from what another collector received.
	if sum.Units < sum.Length() {
		sum.Skipped = sum.Length() - sum.Units
	}
	return sum, left
}

// union is what some spans come to so far.
type union struct {
	sum Span
	// reference is the latest span's Next, and wraps what one of the others saw wrap and that one did not; times 2^32.
	reference, wraps uint64
}

// distance of a span's end from that of the latest.
func (u *union) distance(s *Span) int64 { return int64(int32(uint32(s.Next) - uint32(u.reference))) }

// with is from where to where the sum reaches with one more.
func (u *union) with(s *Span) (first, next uint64) {
	next = u.reference + uint64(u.distance(s))
	return min(u.sum.First, next-s.Length()), max(u.sum.Next, next)
}

func (u *union) take(s *Span) {
	next := u.reference + uint64(u.distance(s))
	u.sum.First, u.sum.Next = u.with(s)
	u.wraps = max(u.wraps, s.Next-min(s.Next, next))
	u.sum.Units += s.Units
	u.sum.Duplicated += s.Duplicated
	u.sum.Restarts = max(u.sum.Restarts, s.Restarts)
}
