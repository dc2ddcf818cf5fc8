package sampling

import "time"

// speaker is a port that announces rates. It speaks for itself: of its flows nothing counts that only other ports announced, which may be
// those of another device. Each transport session has its own announcements (RFC 7011 sections 3.4.2 and 8.4).
type speaker struct {
	// heard is when it last announced anything; count is how many announcements of it are remembered.
	heard int64
	count int
	// told: the bucket has a key of it. Then it has one for all that the port says: others would take it to say no more.
	told bool
	// began is when it said the first of these. inParts: it said another one later, for the first time.
	began   int64
	inParts bool
}

// partsWithin is how much later than the first, in nanoseconds, the last datagram of one announcement may be received.
const partsWithin = int64(time.Minute)

// remembers counts an announcement of its port that is remembered.
func (e *Exporter) remembers(a *announcement) {
	s := e.speakers[a.port]
	if s == nil {
		s = &speaker{began: a.since}
		e.speakers[a.port] = s
	}
	s.count++
	s.inParts = s.inParts || a.since-s.began > partsWithin
	s.heard = max(s.heard, a.heard)
}

// spoke notes when a port announced something.
func (e *Exporter) spoke(port uint16, at int64) {
	if s := e.speakers[port]; s != nil {
		s.heard = max(s.heard, at)
	}
}

// speaks reports whether a port announces rates at now.
func (e *Exporter) speaks(port uint16, now int64) bool {
	s := e.speakers[port]
	return s != nil && e.counts(port, s.heard, now)
}

// differs reports whether ports said different things when something was last announced.
func (e *Exporter) differs() bool {
	said := make(map[uint16]uint64, len(e.speakers)) // sums of what each says
	for subject, all := range e.subjects {
		for _, a := range all {
			if e.inForce(a, e.newest) {
				said[a.port] += (subject*31+uint64(a.domain))*0x9E3779B97F4A7C15 ^ (a.rate+1)*0xC2B2AE3D27D4EB4F
			}
		}
	}
	first, n := uint64(0), 0
	for _, sum := range said {
		if n++; n > 1 && sum != first {
			return true
		}
		first = sum
	}
	return e.partedAt(e.newest)
}

// tellRest has the bucket know all that a port says.
func (e *Exporter) tellRest(port uint16, now int64) {
	if e.speakers[port].count == 1 {
		return
	}
	for subject, all := range e.subjects {
		for _, a := range all {
			if a.port == port && a.told == 0 && e.inForce(a, now) {
				e.tell(subject, a, now, false)
			}
		}
	}
}
