package lives

import (
	"net/netip"
	"testing"
	"time"
)

// A collector that NATS is out of reach for goes on from memory; when it is back, all know what was said last, wherever that was.
func TestACutIsHealed(t *testing.T) {
	type step struct {
		at     int // who hears it
		layout int // -1: nothing is said
		rate   uint32
		ahead  time.Duration // the device's clock
		cut    bool          // of collector 0, from then on
		after  time.Duration
		lost   bool // the bucket
		start  bool // collector 0 anew, though it reaches nothing
	}
	const minute = time.Minute
	for name, steps := range map[string][]step{
		"nothing happens":                      {{0, 0, 100, 0, false, 0, false, false}, {0, -1, 0, 0, true, 3 * time.Hour, false, false}},
		"a change that it hears":               {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, false}},
		"a change that another hears":          {{0, 0, 100, 0, false, 0, false, false}, {1, 1, 200, 0, true, 5 * minute, false, false}},
		"changes at both, another's last":      {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, false}, {1, 2, 300, 0, true, 5 * minute, false, false}},
		"changes at both, its own last":        {{0, 0, 100, 0, false, 0, false, false}, {1, 1, 200, 0, true, 5 * minute, false, false}, {0, 2, 300, 0, true, 5 * minute, false, false}},
		"and back at once":                     {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, false}, {1, 0, 100, 0, true, 5 * minute, false, false}},
		"its own last, the clock hours back":   {{0, 0, 100, 0, false, 0, false, false}, {1, 1, 200, 0, true, 5 * minute, false, false}, {0, 2, 300, -5 * time.Hour, true, 5 * minute, false, false}},
		"another's last, the clock hours back": {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, false}, {1, 2, 300, -5 * time.Hour, true, 5 * minute, false, false}},
		"the bucket is lost, its own last":     {{0, 0, 100, 0, false, 0, false, false}, {1, 1, 200, 0, true, 5 * minute, true, false}, {0, 2, 300, 0, true, 5 * minute, false, false}},
		"the bucket is lost, another's last":   {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, true, false}, {1, 2, 300, 0, true, 5 * minute, false, false}},
		"it starts in the dark":                {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, true}},
		"it starts in the dark, a clock back":  {{1, 0, 100, 0, false, 0, false, false}, {0, 1, 200, -5 * time.Hour, true, 5 * minute, false, true}},
		"it starts in the dark, another last":  {{0, 0, 100, 0, false, 0, false, false}, {0, 1, 200, 0, true, 5 * minute, false, true}, {1, 2, 300, 0, true, 5 * minute, false, false}},
		"for days":                             {{0, 0, 100, 0, false, 0, false, false}, {1, 1, 200, 0, true, 24 * time.Hour, false, false}, {0, 2, 300, 0, true, 48 * time.Hour, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			for _, s := range steps {
				f.collectors[0].cut = s.cut
				f.wait(s.after)
				if s.lost {
					clear(f.bucket)
					f.relist()
				}
				if s.start {
					bucket := f.bucket
					f.bucket = make(map[string]entry)
					f.collectors[0] = f.start()
					f.collectors[0].cut, f.bucket = true, bucket
				}
				if s.layout >= 0 {
					d.layout, d.rate, d.ahead = s.layout, s.rate, s.ahead
					d.announce(f.collectors[s.at])
				}
			}
			f.wait(minute)
			f.collectors[0].heal()
			for at := range 50 {
				for i, c := range f.collectors {
					ok, wrong, rate := d.data(c, 1000)
					if wrong || !ok && at > 40 || ok && rate != uint64(d.rate) {
						t.Fatalf("%d minutes later, collector %d: decoded %v, wrong %v, rate %d", at, i, ok, wrong, rate)
					}
					if !ok {
						t.Logf("held at %d by %d", at, i)
					}
				}
				f.wait(minute)
			}
		})
	}
}

// Two neighbours, one on each side of a cut: the ports of cards, and flows of a port that was not heard, take nothing of the other.
func TestACutMakesNoNeighbourSilent(t *testing.T) {
	f := newFleet(t, 2)
	address := netip.MustParseAddr("192.0.2.1")
	a := &device{address: address, domain: 1, port: 1000, rate: 100}
	b := &device{address: address, domain: 1, port: 2000, layout: 1, rate: 200}
	for range 40 {
		a.announce(f.collectors[0])
		b.announce(f.collectors[1])
		f.wait(5 * time.Minute)
	}
	f.collectors[0].cut = true
	for range 60 {
		a.announce(f.collectors[0])
		b.announce(f.collectors[1])
		f.wait(5 * time.Minute)
	}
	for i, c := range f.collectors {
		for n, d := range []*device{a, b} {
			_, wrong, rate := d.data(c, d.port)
			_, cardWrong, _ := d.data(c, d.port+1)
			if wrong || cardWrong || rate != 0 && rate != uint64(d.rate) {
				t.Errorf("collector %d, device %d: wrong %v, wrong from a card %v, rate %d", i, n, wrong, cardWrong, rate)
			}
		}
	}
}
