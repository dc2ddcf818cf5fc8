package ledger

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

// Union sums up what several collectors received of one stream: the exporter sent what lies between the lowest First and the
// highest Next, and what nobody received is missed. Spans are compared by the exporter's own 32 bits, since collectors that
// saw the number wrap and those that began later do not count alike. spans are in order of when they were last added to, the
// latest first: those that lie far from it are of a run that ended and are left out. left is how many these are.
//
// What one collector received twice counts once; what two collectors received once each (a duplicate in the network that
// took both ways) counts twice and hides as many that were missed.
func Union(spans []Span) (sum Span, left int) {
	if len(spans) == 0 {
		return sum, 0
	}
	reference := spans[0].Next
	wraps := uint64(0) // that one of them saw, and the reference did not; times 2^32
	for i, s := range spans {
		sum.TotalUnits += s.TotalUnits
		distance := int64(int32(uint32(s.Next) - uint32(reference)))
		if distance < -restartGap || distance > restartGap || s.Restarts < spans[0].Restarts && distance < -reorderWindow {
			left++
			continue
		}
		next := reference + uint64(distance)
		first := next - s.Length()
		if i == 0 || first < sum.First {
			sum.First = first
		}
		sum.Next = max(sum.Next, next)
		wraps = max(wraps, s.Next-min(s.Next, next))
		sum.Units += s.Units
		sum.Duplicated += s.Duplicated
		sum.Restarts = max(sum.Restarts, s.Restarts)
	}
	sum.First, sum.Next = sum.First+wraps, sum.Next+wraps
	// What is late in the fleet's view cannot be told from what another collector received.
	if sum.Units < sum.Length() {
		sum.Skipped = sum.Length() - sum.Units
	}
	return sum, left
}
