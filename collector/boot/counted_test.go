package boot

import (
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Times that are ignored, or make room for others, are counted, each once; a limit that is changed holds from the next addition on.
func TestWhatIsNotKeptIsCounted(t *testing.T) {
	of := func(n byte) template.Scope {
		return template.Scope{Version: template.IPFIX, Exporter: netip.AddrFrom4([4]byte{192, 0, 2, n}), Domain: 1}
	}
	const seconds = uint64(now / 1e9)
	for name, test := range map[string]struct {
		happens func(s *Store)
		counter ledger.Counter
		want    uint64
	}{
		"exporters beyond the limit": {func(s *Store) {
			for i := range byte(14) {
				s.Learn(of(i), 1000, 5_000_000, seconds, now)
			}
		}, ledger.BootTimesEvicted, 4},
		"a limit that is lowered": {func(s *Store) {
			for i := range byte(10) {
				s.Learn(of(i), 1000, 5_000_000, seconds, now)
			}
			s.SetLimit(3)
			s.Learn(of(10), 1000, 5_000_000, seconds, now)
		}, ledger.BootTimesEvicted, 8},
		"exporters of the bucket beyond the limit": {func(s *Store) {
			for i := range byte(14) {
				s.Restore(template.Definition{Key: template.Key{Scope: of(i), Family: template.FamilyClock, Port: 1000}, Kind: template.KindClock,
					Record: Encode(5_000_000), Heard: now - int64(i)}, now)
			}
		}, ledger.BootTimesEvicted, 4},
		"ports beyond the limit": {func(s *Store) {
			for i := range uint16(maxPorts + 5) {
				s.Learn(of(1), 1000+i, 5_000_000, seconds, now+int64(i))
			}
		}, ledger.BootTimesEvicted, 5},
		"another port of an exporter that is known": {func(s *Store) {
			for i := range byte(10) {
				s.Learn(of(i), 1000, 5_000_000, seconds, now)
			}
			s.Restore(template.Definition{Key: template.Key{Scope: of(1), Family: template.FamilyClock, Port: 2000}, Kind: template.KindClock,
				Record: Encode(7_000_000), Heard: now - hour/2}, now)
			if got := s.Initialized(of(1), 2000, now); got != 7_000_000 {
				t.Errorf("the time of the other port is %d", got)
			}
		}, ledger.BootTimesEvicted, 0},
		"late": {func(s *Store) {
			s.Learn(of(1), 1000, 5_000_000, seconds, now)
			s.Learn(of(1), 1000, 9_000_000, seconds+30, now+30e9)
			s.Learn(of(1), 1000, 5_000_000, seconds+20, now+31e9)
		}, ledger.BootTimesStale, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var totals ledger.Totals
			s := NewStore(template.ModeAuto, 10, ttl)
			s.Count(&totals)
			test.happens(s)
			if got := totals.Load()[test.counter]; got != test.want {
				t.Errorf("%d are counted, want %d", got, test.want)
			}
		})
	}
}
