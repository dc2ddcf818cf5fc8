package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// The fleet's templateScope becomes Address, and its collectors are replaced one by one. What exporters taught stands in the bucket under their ports.
// It is theirs whatever the port is, and what is said after the change takes its place.
func TestWhatPortsTaughtHoldsForAllOnceTheScopeIsTheAddress(t *testing.T) {
	for _, from := range []template.Mode{template.ModeAuto, template.ModeAddressPort} {
		t.Run(fmt.Sprint("from mode ", from), func(t *testing.T) {
			f := newFleet(t, 0)
			f.mode = from
			f.begin(2)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
			reads := func(when string) {
				t.Helper()
				for i, c := range f.collectors {
					for _, port := range []uint16{1000, 2000, 3000} {
						if ok, wrong, rate := d.data(c, port); !ok || wrong || rate != uint64(d.rate) {
							t.Errorf("%s, collector %d, port %d: decoded %v, wrong %v, rate %d", when, i, port, ok, wrong, rate)
						}
					}
				}
			}
			for range 20 {
				d.announce(f.collectors[0])
				f.wait(5 * time.Minute)
			}
			d.port, d.rate, d.layout = 2000, 150, 2 // a reboot: the bucket has both
			d.announce(f.collectors[1])
			f.wait(time.Minute)

			f.mode = template.ModeAddress
			f.replace(0)
			f.replace(1)
			reads("with what the ports taught")
			d.port, d.rate, d.layout = 3000, 200, 1
			d.announce(f.collectors[0])
			f.wait(time.Minute)
			reads("after a change")
			f.replace(1)
			reads("in a collector that starts then")
			clear(f.bucket)
			f.relist()
			f.replace(0)
			reads("after the bucket was lost")
		})
	}
}
