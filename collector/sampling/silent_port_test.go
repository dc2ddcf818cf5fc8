package sampling

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// The rate of a port that announces nothing, such as a line card's, as docs/sharing.md says: that of the other ports, the newest where one took
// another's place, and none where ports go on to announce different ones.
func TestAPortThatAnnouncesNothingTakesNoneOfRatesThatDiffer(t *testing.T) {
	minute := int64(time.Minute)
	for name, test := range map[string]struct {
		ports []uint16 // that announce 100 each, or 500 from port 2000 on, every 5 minutes
		want  uint64
		known bool
	}{
		"one port":                     {[]uint16{1000}, 100, true},
		"two that agree":               {[]uint16{1000, 1001}, 100, true},
		"a new rate of another port":   {[]uint16{1000, 2000}, 500, true},
		"two that announce in turn":    {[]uint16{1000, 2000, 1000}, 0, false},
		"in turn, the new one is last": {[]uint16{1000, 2000, 1000, 2000}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var totals ledger.Totals
			e := NewStore(template.ModeAuto, LimitsFor(100, 30*24*time.Hour), &totals).Exporter(exporter(1), now)
			at := now
			for _, port := range test.ports {
				at += 5 * minute
				rate := uint64(100)
				if port >= 2000 {
					rate = 500
				}
				e.Learn(1, port, uint64(System)<<idBits, rate, uint64(at/int64(time.Second)), at)
			}
			if got, known := e.Standard(1, 3000, at); got != test.want || known != test.known {
				t.Errorf("the rate is %d (known %v), want %d (known %v)", got, known, test.want, test.known)
			}
		})
	}
}
