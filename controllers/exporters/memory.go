package exporters

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

const (
	// windowTime is how far back loss, rate and trouble are judged, windowLeast from what on; between two samples is sampleEvery.
	windowTime  = 5 * time.Minute
	windowLeast = time.Minute
	sampleEvery = 30 * time.Second
)

// Window is what came in the last minutes.
type Window struct {
	Time                                  time.Duration
	Received, Refused, Undecoded, Records uint64
	Sent, Missed                          uint64
	Volume                                ledger.Volume
	// VolumeUnknown: a collector forgot a part of it meanwhile, so that what is left is less than before.
	VolumeUnknown bool
	// Naming is how many of the records got names; NamingUnknown as VolumeUnknown.
	Naming        ledger.Naming
	NamingUnknown bool
	// beyond is what addresses that were measured for less than Time would have had more by then: rates are of all of Time.
	beyond rates
}

// rates are records, bytes and scaled bytes: of a second, or of a time.
type rates struct{ records, bytes, scaled float64 }

// perSecond are the rates of the window.
func (w *Window) perSecond() rates {
	seconds := w.Time.Seconds()
	return rates{(float64(w.Records) + w.beyond.records) / seconds, (float64(w.Volume.Bytes) + w.beyond.bytes) / seconds,
		(float64(w.Volume.Scaled) + w.beyond.scaled) / seconds}
}

// until is what a window would have more if it had gone on until a time.
func (w *Window) until(t time.Duration) rates {
	if w.Time <= 0 || w.Time == t {
		return w.beyond
	}
	r, seconds := w.perSecond(), t.Seconds()
	return rates{r.records*seconds - float64(w.Records), r.bytes*seconds - float64(w.Volume.Bytes), r.scaled*seconds - float64(w.Volume.Scaled)}
}

func (w *Window) add(o *Window) {
	t := max(w.Time, o.Time)
	a, b := w.until(t), o.until(t)
	w.Time, w.beyond = t, rates{a.records + b.records, a.bytes + b.bytes, a.scaled + b.scaled}
	w.Received, w.Refused, w.Undecoded, w.Records = w.Received+o.Received, w.Refused+o.Refused, w.Undecoded+o.Undecoded, w.Records+o.Records
	w.Sent, w.Missed = w.Sent+o.Sent, w.Missed+o.Missed
	w.Volume.Add(o.Volume)
	w.VolumeUnknown = w.VolumeUnknown || o.VolumeUnknown
	w.Naming.Add(&o.Naming)
	w.NamingUnknown = w.NamingUnknown || o.NamingUnknown
}

// sample is what was counted at one time.
type sample struct {
	from                                        uint64 // see Figures
	at                                          time.Time
	received, refused, undecoded, records, sent uint64
	missed                                      int64
	volume                                      ledger.Volume
	naming                                      ledger.Naming
}

// sender is what is remembered of an address from look to look.
type sender struct {
	figures *Figures // of the last look that had it
	first   time.Time
	heard   time.Time
	grew    int // looks in which more had come than before
	samples []sample
	last    sample
	// numbered is as it was when there last were sequences, and sent and missed are what came to them at all looks that went on from the one
	// before.
	numbered numbered
	sent     uint64
	missed   int64
	// gap: at the looks since last, a collector did not answer that may have a part of the figures.
	gap bool
}

// take notes what a look found. whole tells whether the same collectors answered as at the look before, unanswered whether some did not.
// Figures go on where all, or those that have a part in them, are the same: of many collectors, one is replaced at nearly any time.
func (s *sender) take(f *Figures, now time.Time, whole, unanswered bool) {
	if s.first.IsZero() {
		s.first = now
	}
	switch {
	case s.figures == nil:
		s.grew = 1
	case f.Received > s.figures.Received && (whole || f.from == s.figures.from):
		s.grew++
		s.heard = now
	}
	before := s.figures
	s.figures = f
	if f.LastHeard.After(s.heard) {
		s.heard = f.LastHeard
	}
	goesOn := f.from == s.last.from || whole && !s.gap
	if s.gap = !goesOn && unanswered && len(s.samples) > 0 && now.Sub(s.last.at) < windowTime; s.gap {
		// Until it is known whether they go on, the window stays, and what is on its way of it.
		f.Split = f.Split || before != nil && before.Split
		return
	}
	if n := &f.numbered; n.sequences > 0 { // none while it is silent for long: what it sent meanwhile its sequence tells
		if goesOn && n.goesOn(&s.numbered) {
			s.sent, s.missed = s.sent+n.sent-s.numbered.sent, s.missed+n.missed-s.numbered.missed
		}
		s.numbered = *n
	}
	n := sample{f.from, now, f.Received, f.Refused, f.Undecoded, f.Records, s.sent, s.missed, f.Volume, f.Naming}
	l := s.last
	switch {
	case !goesOn || n.received < l.received || n.refused < l.refused || n.undecoded < l.undecoded || n.records < l.records:
		s.samples = nil // something began anew
	case n.received > l.received && s.silent():
		s.samples = []sample{l} // what it sends now is not to be spread over the silence; what it sent meanwhile, its sequence tells
	}
	s.last = n
	for len(s.samples) > 1 && now.Sub(s.samples[1].at) >= windowTime {
		s.samples = s.samples[1:]
	}
	if len(s.samples) == 0 || now.Sub(s.samples[len(s.samples)-1].at) >= sampleEvery {
		s.samples = append(s.samples, n)
	}
}

// silent reports whether nothing came in all of the time that is judged, as of the last look.
func (s *sender) silent() bool {
	i := slices.IndexFunc(s.samples, func(n sample) bool { return n.received == s.last.received })
	return i >= 0 && s.last.at.Sub(s.samples[i].at) >= windowTime-sampleEvery
}

// window is nil where there is not enough to judge by.
func (s *sender) window() *Window {
	if len(s.samples) == 0 {
		return nil
	}
	a, b := s.samples[0], s.last
	if b.at.Sub(a.at) < windowLeast {
		return nil
	}
	volume := b.volume
	volume.Sub(a.volume)
	naming := b.naming
	naming.Sub(&a.naming)
	return &Window{Time: b.at.Sub(a.at), Received: b.received - a.received, Refused: b.refused - a.refused, Undecoded: b.undecoded - a.undecoded,
		Records: b.records - a.records, Sent: b.sent - a.sent, Missed: uint64(max(0, b.missed-a.missed)), Volume: volume,
		VolumeUnknown: max(volume.Bytes, volume.Scaled) > math.MaxInt64, Naming: naming,
		NamingUnknown: backwards(&naming)}
}

// memory of one fleet.
type memory struct {
	since   time.Time // the first look
	senders map[netip.Addr]*sender
	// declared are the addresses of FlowExporters that are the user's: there is room for these whatever else there is.
	declared map[netip.Addr]bool
	// collectors of the last look: pods and when each process began.
	collectors map[string]time.Time
	look       Look
	// settings are what the FlowExporters of the last look ask for, and configured what of it holds, as of a version of the configuration.
	settings   Settings
	configured inForce
	version    string
	wanted     string // the version of the devices in it
	asked      string // and of those in settings, where ConfigMaps name interfaces
	// devices are the versions of settings that the collectors run that answered at the last look, empty for one that does not say; uptake
	// tells how many of them have those of the configuration.
	devices []string
	uptake  uptake
	// nameless: flows carry no names of interfaces, by that configuration.
	nameless bool
}

// Look is how the last look at a fleet went.
type Look struct {
	// Since is the first one, Collectors were to be asked, Unanswered did not answer in full.
	Since                  time.Time
	Collectors, Unanswered int
	// Whole is when there last were collectors that all answered, zero for never.
	Whole time.Time
	// NoRoom: collectors have figures of their own for a part of the exporters only.
	NoRoom bool
	// Unfollowed: collectors do not follow some sequences.
	Unfollowed bool
	// Reason why one did not answer.
	Reason string
}

// tellsSilence reports whether who is not in the figures is known to be silent.
func (l *Look) tellsSilence(now time.Time) bool {
	return l.Collectors > 0 && l.Unanswered == 0 && now.Sub(l.Since) >= begun
}

// take takes a look.
func (m *memory) take(s *sum, began map[string]time.Time, now time.Time, look Look) {
	if m.since.IsZero() {
		m.since = now
	}
	whole := maps.EqualFunc(began, m.collectors, time.Time.Equal)
	m.collectors = began
	found := s.end()
	crowded := m.makeRoom(found)
	look.Since, look.NoRoom, look.Unfollowed, look.Whole = m.since, s.noRoom || s.crowded || crowded, s.unfollowed, m.look.Whole
	if look.Collectors > 0 && look.Unanswered == 0 {
		look.Whole = now
	}
	m.look = look
	for address, f := range found {
		one := m.senders[address]
		if one == nil {
			if len(m.senders) >= maxAddresses && !m.declared[address] {
				continue
			}
			one = &sender{}
			m.senders[address] = one
		}
		one.take(f, now, whole, look.Unanswered > 0)
	}
	m.absent(found, now)
}

// makeRoom for those that are new forgets others that no collector had now, those first that were heard longest ago. It reports whether
// that is not enough: then those that are known stay, and some of the new ones find no room.
func (m *memory) makeRoom(found map[netip.Addr]*Figures) (crowded bool) {
	all := len(m.senders)
	var absent []netip.Addr
	for address := range found {
		if m.senders[address] == nil {
			all++
		}
	}
	if all <= maxAddresses {
		return false
	}
	for address := range m.senders {
		if found[address] == nil && !m.declared[address] {
			absent = append(absent, address)
		}
	}
	slices.SortFunc(absent, func(a, b netip.Addr) int {
		return cmp.Or(m.senders[a].heard.Compare(m.senders[b].heard), a.Compare(b))
	})
	for _, address := range absent[:min(len(absent), all-maxAddresses)] {
		delete(m.senders, address)
	}
	return all-len(absent) > maxAddresses
}

// absent lets go of what is not known any more of those that no collector had now. Where one did not answer it may have them, and they stay
// as they were, as long as that is no more than one look may have.
func (m *memory) absent(found map[netip.Addr]*Figures, now time.Time) {
	kept := 0
	for address, one := range m.senders {
		if found[address] != nil {
			continue
		}
		if m.look.Unanswered > 0 {
			if kept += len(one.figures.Ports) + len(one.figures.Domains); kept <= maxStreams {
				continue
			}
		} else if now.Sub(one.heard) > time.Hour {
			delete(m.senders, address) // no collector has anything of it
			continue
		}
		one.samples, one.last, one.gap, one.numbered = nil, sample{}, false, numbered{}
		one.figures = &Figures{Records: one.figures.Records}
	}
}
