package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Many exporters behind one address, each with a port of its own: a flow takes the rate of its own port, or none, and never a neighbour's,
// however many there are; and what they repeat costs no writes.
func TestManyNeighboursKeepTheirRates(t *testing.T) {
	for _, test := range []struct {
		devices int
		domains bool // each has its own
		all     bool // have their rate
	}{{60, false, true}, {100, false, true}, {100, true, true}, {200, false, true}, {400, false, false}, {400, true, false}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			f := newFleet(t, 2)
			var devices []*device
			for i := range test.devices {
				d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: uint16(1000 + i), rate: uint32(100 + i)}
				if test.domains {
					d.domain = uint32(i)
				}
				devices = append(devices, d)
			}
			round := func() (known int) {
				for i, d := range devices {
					d.announce(f.collectors[0])
					for _, c := range f.collectors {
						for _, o := range []*device{d, devices[(i+test.devices/2)%test.devices], devices[(i+1)%test.devices]} {
							ok, wrong, rate := o.data(c, o.port)
							if wrong || ok && rate != 0 && rate != uint64(o.rate) {
								t.Fatalf("device %d has rate %d, not %d", o.port, rate, o.rate)
							}
							if ok && rate != 0 {
								known++
							}
						}
					}
				}
				f.wait(5 * time.Minute)
				return known
			}
			for _, d := range devices {
				d.announce(f.collectors[0])
			}
			f.wait(5 * time.Minute)
			before := f.writes
			known := 0
			for range 5 {
				known = round()
			}
			if test.all && known != 6*test.devices {
				t.Errorf("%d of %d flows have a rate", known, 6*test.devices)
			}
			t.Log(known, f.writes, before)
			if test.all && f.writes != before {
				t.Errorf("%d writes without a change", f.writes-before)
			}
		})
	}
}
