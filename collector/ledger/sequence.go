package ledger

// Sequence follows the sequence number of one stream: an exporter's port and observation domain, or an sFlow agent. The
// zero Sequence knows nothing yet.
type Sequence struct {
	next    uint32
	started bool
}

// reorderWindow is how far behind a number may be to be a late datagram; further behind, or ahead by more than
// restartGap, the exporter has restarted.
const (
	reorderWindow = 1 << 12
	restartGap    = 1 << 20
)

// Observe takes a datagram with the given sequence number that stands for units (packets: 1; records: as many as it
// carries) and counts what is missing before it, late or begun anew. The unit is the protocol's own.
func (s *Sequence) Observe(number, units uint32, counts *Counts) {
	if !s.started {
		s.started, s.next = true, number+units
		return
	}
	switch ahead := int32(number - s.next); {
	case ahead == 0:
	case ahead > 0 && ahead < restartGap:
		counts.Add(SequenceMissed, uint64(ahead))
	case ahead < 0 && ahead >= -reorderWindow:
		counts.Add(SequenceReordered, uint64(units))
		return
	default:
		counts.Inc(SequenceRestarted)
	}
	s.next = number + units
}

// Resume makes the next number the expected one: how many units were last sent is not known.
func (s *Sequence) Resume() { s.started = false }
