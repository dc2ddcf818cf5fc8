package lives

import (
	"net/netip"
	"testing"
	"time"
)

// turn is that a neighbour announces, after some time.
type turn struct {
	after time.Duration
	who   int
}

// Of two neighbours with one address and domain, and ports and rates of their own, flows from a third port take neither's; of an
// exporter that restarted with another port they take the new one. So it is in the collector that hears them, in another one, and
// in one that starts.
func TestThirdPortsTakeNoNeighboursRate(t *testing.T) {
	for name, test := range map[string]struct {
		turns []turn
		times int // that the turns repeat
		want  uint64
		// orNone: one that starts may know no rate for an hour.
		orNone bool
	}{
		"one":                               {[]turn{{0, 0}}, 1, 100, false},
		"a restart":                         {[]turn{{0, 0}, {time.Minute, 1}}, 1, 200, false},
		"a restart, 10 minutes ago":         {[]turn{{0, 0}, {time.Minute, 1}, {10 * time.Minute, 1}}, 1, 200, false},
		"a restart, 50 minutes ago":         {[]turn{{0, 0}, {time.Minute, 1}, {20 * time.Minute, 1}, {30 * time.Minute, 1}}, 1, 200, true},
		"a restart, hours ago":              {[]turn{{0, 0}, {time.Minute, 1}, {20 * time.Minute, 1}, {30 * time.Minute, 1}, {2 * time.Hour, 1}}, 1, 200, false},
		"neighbours, heard once each":       {[]turn{{0, 0}, {time.Minute, 1}, {time.Minute, 0}}, 1, 0, false},
		"neighbours, heard again":           {[]turn{{time.Minute, 0}, {time.Minute, 1}}, 2, 0, false},
		"neighbours, for hours":             {[]turn{{5 * time.Minute, 0}, {5 * time.Minute, 1}}, 30, 0, false},
		"neighbours, one seldom":            {[]turn{{time.Minute, 0}, {time.Minute, 0}, {20 * time.Minute, 1}}, 10, 0, false},
		"neighbours of which one goes away": {[]turn{{time.Minute, 0}, {time.Minute, 1}, {time.Minute, 0}, {100 * time.Minute, 0}, {100 * time.Minute, 0}}, 1, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			address := netip.MustParseAddr("192.0.2.1")
			devices := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: 2000, rate: 200}}
			for range test.times {
				for _, turn := range test.turns {
					f.wait(turn.after)
					devices[turn.who].announce(f.collectors[turn.who%2])
				}
			}
			f.replace(2)
			for i, c := range f.collectors {
				ok, wrong, rate := devices[0].data(c, 3000)
				if !ok || wrong {
					t.Fatalf("collector %d: decoded %v, wrong %v", i, ok, wrong)
				}
				if rate != test.want && (!test.orNone || i != 2 || rate != 0) {
					t.Errorf("collector %d: the rate is %d, want %d", i, rate, test.want)
				}
			}
		})
	}
}

// A collector that starts knows the rate of each port before it hears it, though the bucket, which was not written for hours, says of
// none that it was heard since.
func TestACollectorThatStartsTakesNoNeighboursRate(t *testing.T) {
	for name, replaced := range map[string][]int{"alone": {0}, "all, one after the other": {0, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			address := netip.MustParseAddr("192.0.2.1")
			devices := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: 2000, rate: 200}}
			for range 50 {
				f.wait(5 * time.Minute)
				for _, d := range devices {
					d.announce(f.collectors[0])
				}
			}
			for _, i := range replaced {
				f.replace(i)
			}
			devices[1].rate = 300 // a change is written at once, and is the newest that the bucket knows
			devices[1].announce(f.collectors[0])
			f.replace(2)
			for at := time.Duration(0); at < 4*time.Hour; at += 5 * time.Minute {
				for i, c := range f.collectors {
					for _, d := range devices {
						if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != uint64(d.rate) {
							t.Fatalf("%s later, collector %d: the rate of port %d is %d, want %d (decoded %v, wrong %v)", at, i, d.port, rate, d.rate, ok, wrong)
						}
					}
				}
				f.wait(5 * time.Minute)
				devices[0].announce(f.collectors[0])
				devices[1].announce(f.collectors[0])
			}
		})
	}
}
