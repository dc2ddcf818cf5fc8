package lives

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Where each port is read with what it sent itself, an exporter that takes another port is read by the collectors that do not hear it, too, also by
// one that starts, with its rate from the second announcement on.
func TestPortsOfTheirOwnAreShared(t *testing.T) {
	f := newFleet(t, 0)
	f.mode = template.ModeAddressPort
	f.begin(3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
	for range 5 {
		d.port++
		for again := range 2 {
			d.announce(f.collectors[0])
			f.wait(5 * time.Minute)
			f.replace(1)
			for i, c := range f.collectors {
				if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != 100 && (i == 0 || again > 0) {
					t.Errorf("port %d, collector %d: decoded %v, wrong %v, rate %d", d.port, i, ok, wrong, rate)
				}
			}
		}
	}
}
