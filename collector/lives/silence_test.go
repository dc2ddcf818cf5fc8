package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Neighbours with one address and domain, and ports and rates of their own, that were all silent, as behind a link that was down: who is
// heard again first lends its rate to none of the others.
func TestNeighboursThatWereSilentKeepTheirRates(t *testing.T) {
	for _, away := range []time.Duration{30 * time.Minute, 90 * time.Minute, 5 * time.Hour, 3 * 24 * time.Hour} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprint(away, ", replaced ", replaced), func(t *testing.T) {
				f := newFleet(t, 3)
				address := netip.MustParseAddr("192.0.2.1")
				var devices []*device
				for i := range 3 {
					devices = append(devices, &device{address: address, domain: 1, port: uint16(1000 + i), rate: uint32(100 * (i + 1))})
				}
				for range 40 {
					for _, d := range devices {
						d.announce(f.collectors[0])
					}
					f.wait(5 * time.Minute)
				}
				f.wait(away)
				if replaced {
					f.replace(0)
				}
				for n := range devices {
					devices[n].announce(f.collectors[0])
					for i, c := range f.collectors {
						for k, d := range devices {
							if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != uint64(d.rate) {
								t.Errorf("%d are back, collector %d: the rate of device %d is %d, want %d", n+1, i, k, rate, d.rate)
							}
						}
					}
					f.wait(time.Minute)
				}
			})
		}
	}
}
