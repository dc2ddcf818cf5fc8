package ledger

// Sequence follows the sequence numbers of one stream: an exporter's port and observation domain, or an sFlow agent. They
// count units, which are the protocol's own: flows of NetFlow v5 to v7, packets of v9 (RFC 3954 section 5.1), data records
// of IPFIX (RFC 7011 section 3.1), datagrams of sFlow. The zero Sequence knows nothing yet.
//
// A gap is not yet a loss: the units may be late, or another collector of the fleet may have them. So a Sequence says what
// it received, and from where to where: see Span and Union for the fleet's truth.
type Sequence struct {
	Span
	// gaps are units that were skipped and have not come late since.
	gaps uint64
	// next is the expected number, as the exporter writes it.
	next uint32
	// most is how many units the datagram before may have had beyond next: they could not be counted.
	most    uint32
	started bool
	recent  *[recentNumbers]recentNumber
	at      int
}

// recentNumber is a datagram that was received. A unit count of 0 is no datagram: those without units cannot be told from
// their repetition, and need not be.
type recentNumber struct{ number, units uint32 }

const (
	// reorderWindow is how many units behind a number may be to be a late datagram's; further behind, or ahead by more than
	// restartGap, the exporter has restarted.
	reorderWindow = 1 << 12
	restartGap    = 1 << 20
	// recentNumbers is among how many datagrams a repeated one is recognised.
	recentNumbers = 64
)

// Observe takes a datagram with the given sequence number that has so many units and counts what was skipped before it, is
// late, repeated, or began anew. It allocates once a stream, with its second datagram, so that floods of spoofed exporters
// cost no more than their sessions.
func (s *Sequence) Observe(number, units uint32, counts *Counts) { s.observe(number, units, 0, counts) }

// ObserveUncounted takes a datagram of which only so many units were counted, since a part of it could not be read, and
// which may have had most more. The next datagram's number tells how many there were.
func (s *Sequence) ObserveUncounted(number, units, most uint32, counts *Counts) {
	s.observe(number, units, most, counts)
}

func (s *Sequence) observe(number, units, most uint32, counts *Counts) {
	if !s.started {
		s.begin(number)
	} else if s.recent == nil {
		s.recent = new([recentNumbers]recentNumber)
		s.recent[0] = recentNumber{s.next - uint32(s.Units), uint32(s.Units)}
		s.at = 1
	}
	ahead := int32(number - s.next)
	if s.most > 0 && ahead > 0 && ahead < restartGap {
		// The units up to here are those that were not counted, as far as there can have been so many.
		n := min(uint32(ahead), s.most)
		s.advance(n)
		s.take(uint64(n))
		ahead -= int32(n)
	}
	switch {
	case ahead == 0:
	case ahead > 0 && ahead < restartGap:
		s.advance(uint32(ahead))
		s.gaps += uint64(ahead)
		s.Skipped += uint64(ahead)
		counts.Add(SequenceSkipped, uint64(ahead))
	case units == 0 && ahead < 0 && ahead >= -reorderWindow:
		return // nothing is known, or lost
	case s.repeated(number, units):
		s.Duplicated += uint64(units)
		counts.Add(SequenceDuplicated, uint64(units))
		return
	case ahead < 0 && ahead >= -reorderWindow && uint64(-ahead) <= s.Length() && s.gaps >= uint64(units):
		s.gaps -= uint64(units)
		s.Late += uint64(units)
		s.take(uint64(units))
		s.note(number, units)
		counts.Add(SequenceReordered, uint64(units))
		return
	case ahead < 0 && ahead >= -reorderWindow && s.at < recentNumbers/4 && uint64(-ahead) >= s.Length()+uint64(units):
		// Before the first one that was seen here: it came late, and the stream began earlier.
		earlier := uint64(-ahead) - s.Length()
		s.First -= earlier
		s.gaps += earlier - uint64(units)
		s.Skipped += earlier - uint64(units)
		s.take(uint64(units))
		s.note(number, units)
		counts.Add(SequenceReordered, uint64(units))
		counts.Add(SequenceSkipped, earlier-uint64(units))
		return
	default:
		s.Restart(number, counts)
	}
	s.most = most // not with one that came late or again: what stands before next stays as it was
	s.advance(units)
	s.take(uint64(units))
	s.note(number, units)
}

// Behind reports whether a number is one that was passed: of a datagram that is late or repeated, or of an exporter that began anew.
func (s *Sequence) Behind(number uint32) bool { return s.started && int32(number-s.next) < 0 }

// Restart begins anew at a number, that of the datagram to be observed next: its exporter restarted.
func (s *Sequence) Restart(number uint32, counts *Counts) {
	counts.Inc(SequenceRestarted)
	restarts, total := s.Restarts+1, s.TotalUnits
	s.begin(number)
	s.Restarts, s.TotalUnits = restarts, total
}

// begin begins a run at a number. The room below the first leaves place for earlier numbers that come late.
func (s *Sequence) begin(number uint32) {
	first := uint64(number) + 1<<32
	s.Span = Span{First: first, Next: first}
	s.next, s.gaps, s.most, s.at, s.started = number, 0, 0, 0, true
	if s.recent != nil {
		clear(s.recent[:])
	}
}

// Started reports whether there was a datagram.
func (s *Sequence) Started() bool { return s.started }

func (s *Sequence) advance(units uint32) {
	s.next += units
	s.Next += uint64(units)
}

func (s *Sequence) take(units uint64) {
	s.Units += units
	s.TotalUnits += units
}

func (s *Sequence) note(number, units uint32) {
	if s.recent != nil && units > 0 {
		s.recent[s.at%recentNumbers] = recentNumber{number, units}
		s.at++
	}
}

func (s *Sequence) repeated(number, units uint32) bool {
	if s.recent == nil || units == 0 {
		return false
	}
	for _, r := range s.recent {
		if r == (recentNumber{number, units}) {
			return true
		}
	}
	return false
}
