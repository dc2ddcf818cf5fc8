package sampling

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	hour = int64(time.Hour)
	day  = 24 * hour
	now  = 1000 * day
)

func exporter(n int) template.Scope {
	return template.Scope{Version: template.IPFIX, Exporter: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Domain: 1}
}

func definition(n int, rate uint64, stamp template.Stamp, heard int64) template.Definition {
	return template.Definition{Key: template.Key{Scope: exporter(n), Family: template.FamilySampling, Port: 1000},
		Kind: template.KindSampling, Record: Encode(rate), Stamp: stamp, Heard: heard, Told: heard}
}

func TestLoadingAnOverfullBucketKeepsWhatIsAnnounced(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 1000, Rates: 10, Total: 10_000}, &totals)
	for n := range 500 {
		s.Restore(definition(n, 100, 1, now-hour), now)
	}
	for n := range 1000 {
		s.Restore(definition(1000+n, 100, 1, now-3*day), now)
	}
	for n := range 500 {
		if s.Find(exporter(n)) == nil {
			t.Fatalf("exporter %d, which was heard an hour ago, lost its place to those of three days ago", n)
		}
	}
}

func TestWhatTheBucketHasCountsWhereItIsNewer(t *testing.T) {
	for name, test := range map[string]struct {
		stamp template.Stamp
		heard int64
		rate  uint64
		want  uint64
	}{
		"newer":                              {template.StampOf(2000), now + 1, 200, 200},
		"older":                              {template.StampOf(900), now - hour, 200, 100},
		"overtaken on its way":               {template.StampOf(990), now + 1, 200, 100},
		"after the clock was set back":       {template.StampOf(100), now + 1, 200, 200},
		"from before the clock was set back": {template.StampOf(5000), now - hour, 200, 100},
		"the same":                           {template.StampOf(1000), now, 100, 100},
		"beyond the ttl":                     {template.StampOf(2000), now - 40*day, 200, 100},
	} {
		t.Run(name, func(t *testing.T) {
			var totals ledger.Totals
			s := NewStore(template.ModeAuto, LimitsFor(100, 30*24*time.Hour), &totals)
			s.Exporter(exporter(1), now).Learn(1, 1000, 0, 100, 1000, now)
			s.Restore(definition(1, test.rate, test.stamp, test.heard), now+2)
			if got, known := s.Find(exporter(1)).Standard(1, 1000, now+2); got != test.want || !known {
				t.Errorf("the rate is %d (known %v), want %d", got, known, test.want)
			}
		})
	}
}

func TestAnnouncementsAreBounded(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 10, Rates: 50, Total: 200}, &totals)
	for n := range 20 {
		for id := range uint64(100) {
			subject, _ := Key(Interface, id)
			s.Exporter(exporter(n), now).Learn(1, 1000, subject, 100, 1000, now+int64(id))
		}
	}
	if s.Size() > 200 {
		t.Errorf("%d announcements are remembered", s.Size())
	}
	counts := totals.Load()
	if known := counts[ledger.SamplingLearned] - counts[ledger.SamplingEvicted]; known != uint64(s.Size()) {
		t.Errorf("%d are counted as known, %d are", known, s.Size())
	}
}

// Flows do not say which line card they come from, so that a card's rate is theirs only where the others say the same.
func TestRateOfLineCardsIsThatOfFlowsWhereAllAgree(t *testing.T) {
	for name, test := range map[string]struct {
		cards map[uint64]uint64
		more  func(e *Exporter)
		want  uint64
		known bool
	}{
		"one card":                     {map[uint64]uint64{1: 100}, nil, 100, true},
		"cards that agree":             {map[uint64]uint64{1: 100, 2: 100}, nil, 100, true},
		"cards that differ":            {map[uint64]uint64{1: 100, 2: 500}, nil, 0, false},
		"cards, and the domain's rate": {map[uint64]uint64{1: 100}, func(e *Exporter) { e.Learn(1, 1000, 0, 20, 1000, now) }, 20, true},
		"cards, and a sampler": {map[uint64]uint64{1: 100}, func(e *Exporter) {
			subject, _ := Key(Sampler, 7)
			e.Learn(1, 1000, subject, 30, 1000, now)
		}, 30, true},
		"cards, and the exporting process": {map[uint64]uint64{1: 100}, func(e *Exporter) {
			subject, _ := Key(Process, 0)
			e.Learn(0, 1000, subject, 40, 1000, now)
		}, 100, true},
	} {
		t.Run(name, func(t *testing.T) {
			var totals ledger.Totals
			e := NewStore(template.ModeAuto, LimitsFor(100, 30*24*time.Hour), &totals).Exporter(exporter(1), now)
			for id, rate := range test.cards {
				subject, _ := Key(LineCard, id)
				e.Learn(1, 1000, subject, rate, 1000, now)
			}
			if test.more != nil {
				test.more(e)
			}
			if got, known := e.Standard(1, 1000, now); got != test.want || known != test.known {
				t.Errorf("the rate is %d (known %v), want %d (known %v)", got, known, test.want, test.known)
			}
		})
	}
}

func TestRatesThatAPortSaysInTurnAreDisputed(t *testing.T) {
	for name, test := range map[string]struct {
		rates []uint64
		want  bool
	}{"one": {[]uint64{100, 100, 100}, false}, "a change": {[]uint64{100, 200, 200}, false}, "taken back": {[]uint64{100, 200, 100, 100}, false},
		"in turn": {[]uint64{100, 200, 100, 200, 100, 200}, true}} {
		e := NewStore(template.ModeAuto, LimitsFor(10, 0), &ledger.Totals{}).Exporter(exporter(1), now)
		at := now
		for _, rate := range test.rates {
			at += hour / 12
			e.Learn(1, 1000, 0, rate, uint64(at/int64(time.Second)), at)
		}
		if got := e.Disputed(at); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if e.Disputed(at+2*hour) && !test.want {
			t.Errorf("%s: later it is", name)
		}
	}
}

// Of very many line cards or samplers, what they say counts as of few.
func TestTheRateOfVeryManyPartsIsThatOfFlowsWhereAllAgree(t *testing.T) {
	for name, test := range map[string]struct {
		more  func(e *Exporter)
		port  uint16
		want  uint64
		known bool
	}{
		"all say the same":                        {nil, 1000, 1000, true},
		"another port's":                          {nil, 2000, 1000, true},
		"one differs":                             {func(e *Exporter) { learnCard(e, 1, 1000, 7, 500) }, 1000, 0, false},
		"another domain's differs":                {func(e *Exporter) { learnCard(e, 2, 1000, 7, 500) }, 1000, 1000, true},
		"a port that speaks for itself":           {func(e *Exporter) { learnCard(e, 1, 2000, 7, 500) }, 2000, 500, true},
		"that of a port that speaks for itself":   {func(e *Exporter) { learnCard(e, 1, 2000, 7, 500) }, 1000, 1000, true},
		"for a port that says nothing they count": {func(e *Exporter) { learnCard(e, 1, 2000, 7, 500) }, 3000, 0, false},
	} {
		e := NewStore(template.ModeAuto, LimitsFor(100, 30*24*time.Hour), &ledger.Totals{}).Exporter(exporter(1), now)
		for id := range uint64(maxOnly + 50) {
			learnCard(e, 1, 1000, id, 1000)
		}
		if test.more != nil {
			test.more(e)
		}
		if got, known := e.Standard(1, test.port, now); got != test.want || known != test.known {
			t.Errorf("%s: the rate is %d (known %v), want %d (known %v)", name, got, known, test.want, test.known)
		}
	}
}

func learnCard(e *Exporter, domain uint32, port uint16, id, rate uint64) {
	subject, _ := Key(LineCard, id)
	e.Learn(domain, port, subject, rate, 1000, now)
}

// Whether devices dispute what an exporter announces does not hang on the numbers of the domains.
func TestADisputeInOneOfSeveralDomainsIsKnown(t *testing.T) {
	for _, domains := range [][3]uint32{{5, 6, 7}, {7, 5, 6}, {6, 7, 5}} {
		e := NewStore(template.ModeAuto, LimitsFor(10, 0), &ledger.Totals{}).Exporter(exporter(1), now)
		at := now
		for i := range 8 {
			at += hour / 12
			for of, rate := range []uint64{uint64(300 + i%2), 100, 200} {
				e.Learn(domains[of], 1000, 0, rate, uint64(at/int64(time.Second)), at)
			}
		}
		if got, known := e.Rate(1, 2000, 0, at); got != 0 || !known {
			t.Errorf("domains %d: the rate is %d (known %v), want a known 0", domains, got, known)
		}
	}
}
