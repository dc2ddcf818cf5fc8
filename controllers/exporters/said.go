package exporters

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// Said is what a device says beside flows, as the collectors that heard it lately tell.
type Said struct {
	// Rates that flows have, up to shownList, and Sources where these come from: words of sources.
	Rates   map[uint64]bool
	Sources map[string]bool
	// Rated and Unrated: some flows of the last minutes have a rate, and some have none. RatesUntold: of a sequence nothing is told.
	Rated, Unrated, RatesUntold bool
	// Skew is the time of export less that of receipt of the sequence where it is furthest from 0, where Clocks is not 0: of so many
	// sequences. SkewNode is the node whose clock it was compared with.
	Skew     time.Duration
	Clocks   int
	SkewNode string
	// ClocksUntold: of a sequence that has a clock nothing is told.
	ClocksUntold bool
	// Templates are the most that one collector knows, Changed when one changed last.
	Templates int
	Changed   time.Time
	// TaughtTold: somebody tells of the following, TaughtUntold: somebody does not.
	TaughtTold, TaughtUntold                     bool
	DisputedRates, ConflictingLayouts, BootTimes bool
	// Listening is for how long the one of these runs that began last, where TaughtTold: it has not heard what came before.
	Listening time.Duration
	// Device is what it says of itself; of several sayings the one that is first in order, so that it does not change from look to look.
	Device status.Device
}

// device takes what a collector heard a device say of itself.
func (s *Said) device(d *status.Device) {
	if d == nil || *d == (status.Device{}) {
		return
	}
	if s.Device == (status.Device{}) || cmp.Or(cmp.Compare(d.Name, s.Device.Name), cmp.Compare(d.Software, s.Device.Software)) < 0 {
		s.Device = *d
	}
}

// sources are the words that collectors have for where rates come from.
var sources = []string{"announced", "record", "override", "default"}

// hasClock reports whether a protocol tells the time of export.
func hasClock(protocol string) bool { return protocol != "sflow" && protocol != "unknown" }

// stream takes what a collector on a node says of a sequence.
func (s *Said) stream(protocol string, stream *status.Stream, node string) {
	if of := stream.Sampling; of == nil {
		s.RatesUntold = true
	} else {
		s.Unrated = s.Unrated || of.Unrated
		switch i := slices.Index(sources, of.Source); {
		case !of.Rated:
		case i >= 0 && of.Rate > 0:
			s.Rated = true
			s.rate(of.Rate, sources[i])
		case !of.Unrated: // flows have a rate, and it does not say which
			s.RatesUntold = true
		default:
			s.Rated = true
		}
	}
	switch {
	case !hasClock(protocol):
	case stream.SkewMillis == nil:
		s.ClocksUntold = true
	default:
		const most = int64(1<<63-1) / int64(time.Millisecond)
		skew := time.Duration(min(max(*stream.SkewMillis, -most), most)) * time.Millisecond
		s.clock(skew, 1, node)
	}
}

func (s *Said) rate(rate uint64, source string) {
	if s.Rates == nil {
		s.Rates, s.Sources = make(map[uint64]bool), make(map[string]bool)
	}
	if len(s.Rates) < shownList {
		s.Rates[rate] = true
	}
	s.Sources[source] = true
}

func (s *Said) clock(skew time.Duration, n int, node string) {
	if s.Clocks == 0 || skew.Abs() > s.Skew.Abs() {
		s.Skew, s.SkewNode = skew, node
	}
	s.Clocks += n
}

// taught takes what a collector says of what the device taught; made and now are when by its clock and the operator's, and ran is for how long
// it has run.
func (s *Said) taught(t *status.Taught, streams int, made, now time.Time, ran time.Duration) {
	if streams == 0 {
		return // it was not heard there lately
	}
	if t == nil {
		s.TaughtUntold = true
		return
	}
	s.listens(s.TaughtTold, ran)
	s.TaughtTold = true
	s.Templates = max(s.Templates, min(max(t.Templates, 0), 1<<30))
	if t.TemplatesChanged != nil {
		if at := now.Add(-max(made.Sub(*t.TemplatesChanged), 0)); at.After(s.Changed) {
			s.Changed = at
		}
	}
	s.DisputedRates, s.ConflictingLayouts = s.DisputedRates || t.DisputedRates, s.ConflictingLayouts || t.ConflictingLayouts
	s.BootTimes = s.BootTimes || t.BootTimes
}

func (s *Said) listens(told bool, ran time.Duration) {
	if !told || ran < s.Listening {
		s.Listening = max(ran, 0)
	}
}

// add adds what another address of the device says.
func (s *Said) add(o *Said) {
	s.device(&o.Device)
	for rate := range o.Rates {
		for source := range o.Sources {
			s.rate(rate, source)
		}
	}
	s.Rated, s.Unrated, s.RatesUntold = s.Rated || o.Rated, s.Unrated || o.Unrated, s.RatesUntold || o.RatesUntold
	if o.Clocks > 0 {
		s.clock(o.Skew, o.Clocks, o.SkewNode)
	}
	s.ClocksUntold = s.ClocksUntold || o.ClocksUntold
	s.Templates += o.Templates
	if o.Changed.After(s.Changed) {
		s.Changed = o.Changed
	}
	if o.TaughtTold {
		s.listens(s.TaughtTold, o.Listening)
	}
	s.TaughtTold, s.TaughtUntold = s.TaughtTold || o.TaughtTold, s.TaughtUntold || o.TaughtUntold
	s.DisputedRates, s.ConflictingLayouts = s.DisputedRates || o.DisputedRates, s.ConflictingLayouts || o.ConflictingLayouts
	s.BootTimes = s.BootTimes || o.BootTimes
}

// rates are in order, the smallest first.
func (s *Said) rates() []uint64 { return slices.Sorted(maps.Keys(s.Rates)) }
