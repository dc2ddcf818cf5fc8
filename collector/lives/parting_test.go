package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Neighbours at one address say the same for weeks, so that one port stands for both in the bucket. When one of them takes another layout, the other one's
// data is read with none but its own, whichever of the two had the key, and whichever collector hears them.
func TestNeighboursThatPartAreNotMixedUp(t *testing.T) {
	for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddressPort} {
		for changes := range 2 {
			for _, at := range [][2]int{{0, 1}, {1, 0}, {0, 0}, {2, 1}} {
				for _, life := range []time.Duration{10 * time.Minute, 3 * time.Hour, 20 * 24 * time.Hour} {
					t.Run(fmt.Sprint("mode ", mode, ", ", changes, " changes, at ", at, ", after ", life), func(t *testing.T) {
						f := newFleet(t, 0)
						f.mode = mode
						f.begin(3)
						address := netip.MustParseAddr("192.0.2.1")
						all := []*device{{address: address, domain: 1, port: 1000}, {address: address, domain: 1, port: 1001}}
						for began := f.now; f.now-began < int64(life); f.wait(10 * time.Minute) {
							for i, d := range all {
								d.says(f.collectors[at[i]])
							}
						}
						all[changes].layout = 1
						all[changes].says(f.collectors[at[changes]])
						for i, d := range all {
							for n, c := range f.collectors {
								if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
									t.Errorf("collector %d, device %d: decoded %v, wrong %v", n, i, ok, wrong)
								}
							}
						}
					})
				}
			}
		}
	}
}

// So it is with their sampling rates.
func TestNeighboursThatPartKeepTheirRates(t *testing.T) {
	for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddressPort} {
		for changes := range 2 {
			for _, at := range [][2]int{{0, 1}, {1, 0}, {0, 0}, {2, 1}} {
				for _, life := range []time.Duration{time.Minute, 20 * time.Minute, 3 * time.Hour} {
					t.Run(fmt.Sprint("mode ", mode, ", ", changes, " changes, at ", at, ", after ", life), func(t *testing.T) {
						f := newFleet(t, 0)
						f.mode = mode
						f.begin(3)
						address := netip.MustParseAddr("192.0.2.1")
						all := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: 1001, rate: 100}}
						for began := f.now; f.now-began < int64(life); f.wait(min(life, 5*time.Minute)) {
							for i, d := range all {
								d.announce(f.collectors[at[i]])
							}
						}
						all[changes].rate = 200
						all[changes].announce(f.collectors[at[changes]])
						for i, d := range all {
							for n, c := range f.collectors {
								unknown := mode == template.ModeAddressPort && life == time.Minute // the port announced once
								if ok, _, rate := d.data(c, d.port); rate != uint64(d.rate) && (!unknown || rate != 0) || !ok && !unknown {
									t.Errorf("collector %d, device %d: decoded %v, rate %d", n, i, ok, rate)
								}
							}
						}
					})
				}
			}
		}
	}
}
