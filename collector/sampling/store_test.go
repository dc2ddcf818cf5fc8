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
