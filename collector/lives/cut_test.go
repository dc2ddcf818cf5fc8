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
				}
				f.wait(minute)
			}
		})
	}
}
