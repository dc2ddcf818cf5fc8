package netflow

import "time"

// RateSource is where a sampling rate came from. Its String is a word for status pages.
type RateSource uint8

// The sources.
const (
	// RateUnknown: nobody said a rate.
	RateUnknown RateSource = iota
	// RateConfigured and RateDefault are of the configuration: whatever the exporter says, and where it says nothing.
	RateConfigured
	RateDefault
	// RateRecord stands in the record, the sample or the header itself.
	RateRecord
	// RateAnnounced came in an options table.
	RateAnnounced
)

var rateSources = [...]string{"unknown", "override", "default", "record", "announced"}

// String is the word.
func (r RateSource) String() string { return rateSources[r] }

// lately is how long before a stream's last datagram a record counts as one of its last.
const lately = int64(5 * time.Minute)

// Said is what the latest datagrams of a stream say beside flows.
type Said struct {
	// Skew is the time of export less that of receipt of the latest datagram, in nanoseconds, where HasClock. sFlow has none.
	Skew     int64
	HasClock bool
	// Rated and Unrated: records have a rate, or none; both where these took turns in the last five minutes. A rate that is known not
	// to be there, since sampling has ended, counts as 1.
	Rated, Unrated bool
	// Rate is the latest known, 0 for none, and Source where it came from.
	Rate   uint64
	Source RateSource
	// Device is what it says of itself, nil for nothing. It is immutable.
	Device *Device
}

// Device is what a device says of itself: texts as package names accepts them, empty for none.
type Device struct {
	// Name is the system's own, Software what runs on it, such as "linux 4.19.0 (x86_64)".
	Name, Software string
}

// Rates notes the sampling rates that a stream's records have.
type Rates struct {
	rate   uint64
	source RateSource
	// noted: there was a record; unrated: the latest had no rate.
	noted, unrated bool
	// turns are when records with and without a rate last took turns, the latest first.
	turns [2]int64
}

// Note notes the rate of a record that came at a time in nanoseconds.
func (n *Rates) Note(rate uint64, source RateSource, now int64) {
	unrated := source == RateUnknown
	if n.noted && unrated != n.unrated {
		n.turns = [2]int64{now, n.turns[0]}
	}
	n.noted, n.unrated = true, unrated
	if !unrated {
		n.rate, n.source = max(rate, 1), source
	}
}

// Into puts what was noted into s, for a stream that was heard last at a time in nanoseconds. One turn is a rate that came, or went.
func (n *Rates) Into(s *Said, lastSeen int64) {
	mixed := n.turns[1] != 0 && lastSeen-n.turns[1] <= lately
	s.Rated, s.Unrated = n.noted && (mixed || !n.unrated), n.noted && (mixed || n.unrated)
	if s.Rated {
		s.Rate, s.Source = n.rate, n.source
	}
}

// said is what a session's latest datagrams say.
func (s *session) said() Said {
	out := Said{Skew: s.skew, HasClock: true}
	s.sampled.Into(&out, s.lastSeen)
	return out
}
