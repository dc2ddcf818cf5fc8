package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Two devices with one address, and layouts of their own, are heard by a collector each. While NATS is out of reach of some collectors or of all, for
// hours or days, none takes the other's layout for silent: data of a port that said nothing is held, and that of a device's own port is read.
// So it is when the collectors come back one after the other, and when one of them starts then.
func TestACutOfHoursMixesUpNoNeighbours(t *testing.T) {
	for _, away := range []time.Duration{50 * time.Minute, 70 * time.Minute, 5 * time.Hour, 3 * 24 * time.Hour} {
		for name, cut := range map[string][]int{"one": {0}, "one that hears neither": {2}, "all": {0, 1, 2}} {
			t.Run(fmt.Sprint(name, ", for ", away), func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, 3)
				address := netip.MustParseAddr("192.0.2.1")
				devices := []*device{{address: address, domain: 1, port: 1000}, {address: address, domain: 1, port: 2000, layout: 1}}
				minutes := func(n int) {
					t.Helper()
					for at := range n {
						f.wait(time.Minute)
						for k, d := range devices {
							if (at+k)%5 == 0 {
								d.says(f.collectors[k])
							}
							if n := f.unread(d); n > 0 {
								t.Fatalf("%d collectors do not read device %d", n, k)
							}
						}
						for i, c := range f.collectors {
							// What only a collector hears that is cut off is silent for the others: see docs/sharing.md.
							if ok, _, _ := devices[0].data(c, 3000); ok && (c.cut || !f.collectors[0].cut) {
								t.Fatalf("minute %d of %d: collector %d reads a port that said nothing with one of two layouts", at, n, i)
							}
						}
					}
				}
				for k, d := range devices {
					d.says(f.collectors[k])
				}
				minutes(80)
				for _, i := range cut {
					f.collectors[i].cut = true
				}
				minutes(int(away / time.Minute))
				for _, i := range cut {
					f.collectors[i].heal()
					minutes(1)
				}
				minutes(30)
				f.replace(1)
				minutes(80)
			})
		}
	}
}

// What a collector hears itself ages while it is cut off as before; what others heard does so from when it is back. So the data of cards is held for
// an hour after that at most, if a device restarted elsewhere.
func TestWhatFallsSilentDuringACutIsKnownAnHourLaterAtMost(t *testing.T) {
	for name, test := range map[string]struct{ before, after int }{
		"both lives are heard by it": {0, 0},
		"the former one by another":  {1, 0},
		"the later one by another":   {0, 1},
		"both by another":            {1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			hour := func(at int) (read int) {
				for minute := range 60 {
					f.wait(time.Minute)
					if minute%5 == 0 {
						d.says(f.collectors[at])
					}
					ok, wrong, _ := d.data(f.collectors[0], 3000)
					if wrong && d.port == 5000 && (!f.collectors[0].cut || test.after != 1) {
						t.Fatal("a card is read with the former layout")
					}
					if ok && !wrong {
						read++
					}
				}
				return read
			}
			hour(test.before)
			f.collectors[0].cut = true
			d.port, d.layout = 5000, 1
			for range 5 {
				hour(test.after)
			}
			if read := hour(test.after); (read == 60) != (test.before == 0 && test.after == 0) {
				t.Errorf("%d records of its cards are read while it is cut off", read)
			}
			f.collectors[0].heal()
			hour(test.after)
			f.wait(time.Minute)
			if read := hour(test.after); read != 60 {
				t.Errorf("%d of 60 records are read an hour later", read)
			}
		})
	}
}

// Exporters are often set to repeat templates each 30 minutes, and do so a little more or less exactly: none is taken for silent by a collector that
// hears its neighbour only.
func TestADeviceThatRepeatsEachHalfHourIsNotTakenForSilent(t *testing.T) {
	f := newFleet(t, 3)
	address := netip.MustParseAddr("192.0.2.1")
	often, seldom := &device{address: address, domain: 1, port: 1000}, &device{address: address, domain: 1, port: 2000, layout: 1}
	often.says(f.collectors[0])
	seldom.says(f.collectors[1])
	next := f.now
	for at := range 12 * 360 { // of 10 seconds each
		f.wait(10 * time.Second)
		if at%30 == 0 {
			often.says(f.collectors[0])
		}
		if f.now >= next {
			seldom.says(f.collectors[1])
			next += int64(30*time.Minute - 10*time.Second)
			if at/180%2 == 1 {
				next += int64(30 * time.Second)
			}
		}
		for i, c := range f.collectors {
			if ok, _, _ := often.data(c, 3000); ok {
				t.Fatalf("%d: collector %d takes the one that is heard seldom for silent", at, i)
			}
		}
	}
}
