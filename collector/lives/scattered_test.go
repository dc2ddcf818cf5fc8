package lives

import (
	"net/netip"
	"testing"
	"time"
)

// A balancer that sends each datagram to another collector has one of them hear a part of what an exporter announces, and another one the rest.
// After a restart at another port, which says what the former one said, each knows what the port says of all.
func TestAPortWhosePartsAreHeardByDifferentCollectorsHasTheRatesOfAll(t *testing.T) {
	for name, rounds := range map[string][][2]int{ // the collectors that hear the one part and the other of each announcement
		"each hears the same part each time":             {{0, 1}, {0, 1}, {0, 1}},
		"one hears both in the end, and two a part each": {{0, 1}, {2, 0}, {0, 2}},
		"two hear both in the end, and one a part":       {{0, 1}, {1, 0}, {0, 2}},
	} {
		for _, every := range []time.Duration{2 * time.Minute, 5 * time.Minute} {
			f := newFleet(t, 3)
			x := &exporter{version: 10, address: netip.MustParseAddr("192.0.2.1"), domain: 1, manner: byTemplate, rate: 500, began: f.now}
			for _, port := range []uint16{1000, 2000, 3000} {
				x.port, x.began, x.sequence = port, f.now, 0
				for _, heardBy := range rounds {
					for _, c := range f.collectors {
						x.send(c, x.port, x.domain, x.templates())
					}
					for part, s := range x.options() {
						x.send(f.collectors[heardBy[part]], x.port, s.domain, s.sets(x.version)...)
					}
					f.sync()
					f.wait(every)
				}
				for n, c := range f.collectors {
					if ok, wrong, rate := x.data(c, x.port, 0); !ok || wrong || rate != 500 {
						t.Errorf("%s, each %s: port %d at collector %d: decoded %v, wrong %v, rate %d, want 500", name, every, port, n, ok, wrong, rate)
					}
				}
				f.wait(20 * time.Minute)
			}
		}
	}
}
