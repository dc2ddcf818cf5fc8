package lives

import (
	"net/netip"
	"testing"
	"time"
)

// A device takes another port each time it starts, and has other layouts since an update: its former ones count for an hour. It says them
// once at each start, to one collector. Each collector reads each start's data, however often somebody starts it again.
func TestADeviceThatStartsAgainAndAgainIsReadByAllCollectors(t *testing.T) {
	for name, test := range map[string]struct{ lost, replaced bool }{
		"":                                    {},
		"the collector that heard it is lost": {lost: true},
		"another one starts":                  {replaced: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, layout: 1}
			for range 100 { // as often as it likes: it is one port
				d.layout = 1 - d.layout
				d.announce(f.collectors[0])
				f.wait(time.Second)
			}
			d.layout = 0
			for start := range 50 {
				f.wait(time.Minute)
				d.port++
				heard := start % 3
				d.announce(f.collectors[heard])
				if test.lost {
					f.replace(heard)
				}
				if test.replaced {
					f.replace((heard + 1) % 3)
				}
				for i, c := range f.collectors {
					if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
						t.Fatalf("start %d, collector %d: decoded %v, wrong %v", start, i, ok, wrong)
					}
				}
			}
		})
	}
}

// The ports of a large chassis say their layouts once, one after the other; another device behind the same address has another layout.
func TestTheCardsOfALargeChassisAreReadByAllCollectors(t *testing.T) {
	f := newFleet(t, 3)
	address := netip.MustParseAddr("192.0.2.1")
	other := &device{address: address, domain: 1, port: 999, layout: 1}
	other.announce(f.collectors[1])
	var cards []*device
	for n := range uint16(48) {
		d := &device{address: address, domain: 1, port: 1000 + n}
		d.announce(f.collectors[0])
		cards = append(cards, d)
	}
	f.wait(time.Minute)
	f.replace(0)
	for n, d := range append(cards, other) {
		for i, c := range f.collectors {
			if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
				t.Fatalf("port %d, collector %d: decoded %v, wrong %v", n, i, ok, wrong)
			}
		}
	}
}
