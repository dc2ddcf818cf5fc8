package lives

import (
	"net/netip"
	"testing"
	"time"
)

// A device that says its template once, and sends data for a hundred days, is read all that time: from its port and, while it is the only one
// of its address, from others; by collectors that are replaced, too. A neighbour that repeats its own changes nothing for its port.
func TestATemplateThatIsSaidOnceHoldsWhileItIsUsed(t *testing.T) {
	for name, test := range map[string]struct{ neighbour, replaced, lost bool }{
		"alone":                       {},
		"collectors are replaced":     {replaced: true},
		"the bucket is lost":          {lost: true},
		"beside a neighbour":          {neighbour: true},
		"beside one, replaced":        {neighbour: true, replaced: true},
		"beside one, the bucket lost": {neighbour: true, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			address := netip.MustParseAddr("192.0.2.1")
			d := &device{address: address, domain: 1, port: 1000}
			other := &device{address: address, domain: 1, port: 2000, layout: 1}
			d.announce(f.collectors[0])
			for day := range 100 {
				for hour := range 24 {
					f.wait(time.Hour)
					if test.neighbour {
						other.announce(f.collectors[hour%3])
					}
					for i, c := range f.collectors {
						if ok, wrong, _ := d.data(c, 1000); !ok || wrong {
							t.Fatalf("day %d, collector %d: decoded %v, wrong %v", day, i, ok, wrong)
						}
						if ok, wrong, _ := d.data(c, 1001); !test.neighbour && (!ok || wrong) {
							t.Fatalf("day %d, collector %d, another port: decoded %v, wrong %v", day, i, ok, wrong)
						}
					}
				}
				if test.replaced {
					f.replace(day % 3)
				}
				if test.lost && day%9 == 0 {
					clear(f.bucket)
					f.relist()
				}
			}
		})
	}
}

// Two devices behind one address whose ports change with each message: what comes with its template is read with it, what does not is held, and
// nothing is read with the neighbour's.
func TestNeighboursWhosePortsChangeAreNotMixedUp(t *testing.T) {
	f := newFleet(t, 2)
	address := netip.MustParseAddr("192.0.2.1")
	devices := []*device{{address: address, domain: 1, layout: 0}, {address: address, domain: 1, layout: 1}}
	port := uint16(1000)
	for i := range 3000 {
		f.wait(10 * time.Second)
		for n, d := range devices {
			port++
			c := f.collectors[(i+n)%2]
			if i%6 == 0 {
				d.send(c, port, 0, d.template())
				f.sync()
			}
			if i == 0 {
				continue
			}
			if i%30 == 1 {
				f.relist()
			}
			if _, wrong, _ := d.data(c, port); wrong {
				t.Fatalf("message %d of device %d is read with the other's layout", i, n)
			}
		}
	}
	// 64 ports are named at once; then each layout is told of every 20 minutes, by a port that the bucket does not know.
	if most := 64 + 2*int(3000*10*time.Second/(20*time.Minute)) + 2; len(f.bucket) > most {
		t.Errorf("%d keys, of at most %d", len(f.bucket), most)
	}
}

// A pair with one address of which one is active at a time: ports of its own, or the same; hours pass between.
func TestAPairOfWhichOneIsActive(t *testing.T) {
	for name, test := range map[string]struct {
		port  uint16 // of the second
		every time.Duration
	}{
		"ports of their own":            {2000, 3 * time.Hour},
		"ports of their own, for days":  {2000, 5 * 24 * time.Hour},
		"ports of their own, for weeks": {2000, 31 * 24 * time.Hour},
		"one port":                      {1000, 3 * time.Hour},
		"one port, for days":            {1000, 5 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			address := netip.MustParseAddr("192.0.2.1")
			pair := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: test.port, layout: 1, rate: 200}}
			for turn := range 8 {
				d := pair[turn%2]
				for at := time.Duration(0); at < test.every; at += max(5*time.Minute, test.every/100) {
					d.announce(f.collectors[turn%2])
					for i, c := range f.collectors {
						ok, wrong, rate := d.data(c, d.port)
						if wrong || !ok && at > 15*time.Minute || ok && at > 0 && rate != uint64(d.rate) {
							t.Fatalf("turn %d, after %s, collector %d: decoded %v, wrong %v, rate %d", turn, at, i, ok, wrong, rate)
						}
					}
					f.wait(max(5*time.Minute, test.every/100))
				}
				if turn == 4 {
					f.replace(2)
				}
			}
		})
	}
}

// An id that means data, then options, then data again is read as what it means, in each collector. A withdrawal changes nothing.
func TestAnIDIsReusedForOptionsAndData(t *testing.T) {
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 10}
	for round := range 5 {
		f.wait(61 * time.Minute)
		l.send(f.collectors[0], 1000, 7, set(2, u16(400, 2, 1, 4, 34, 4)))
		l.send(f.collectors[0], 1000, 7, set(2, u16(400, 0)), set(3, u16(3, 0)))
		for i, c := range f.collectors {
			c.records = nil
			l.send(c, 1000, 7, set(400, u32(1000, 50)))
			if len(c.records) != 1 || c.records[0].Bytes != 1000 || c.records[0].SamplingRate != 50 {
				t.Fatalf("round %d, collector %d: %+v", round, i, c.records)
			}
		}
		f.wait(61 * time.Minute)
		l.say(f.collectors[0], said{7, 1, [][2]uint16{domain, interval}, []uint32{7, 80}})
		for i, c := range f.collectors {
			c.records = nil
			l.send(c, 1000, 7, set(400, u32(7, 80)))
			if len(c.records) != 0 {
				t.Fatalf("round %d, collector %d: options are read as a flow", round, i)
			}
			if got := l.rate(c, sampler, -1); got != 80 {
				t.Fatalf("round %d, collector %d: the rate is %d", round, i, got)
			}
		}
	}
}

// Options whose template is a scope only, and a rate behind a field of variable length, in each of its two forms.
func TestOptionsOfUnusualShapes(t *testing.T) {
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 10}
	l.send(f.collectors[0], 1000, 7, set(3, u16(410, 2, 2, 149, 4, 34, 4)), set(410, u32(7, 70)))
	for i, c := range f.collectors {
		if got := l.rate(c, sampler, -1); got != 70 {
			t.Errorf("scope only, collector %d: %d", i, got)
		}
	}
	for n, name := range [][]byte{append([]byte{5}, "eth12"...), append([]byte{255, 0, 5}, "eth12"...), {0}} {
		want := uint32(100 + n)
		f.wait(time.Hour)
		l.send(f.collectors[0], 1000, 7, set(3, u16(411, 3, 1, 149, 4, 82, 65535, 34, 4)), set(411, u32(7), name, u32(want)))
		for i, c := range f.collectors {
			if got := l.rate(c, sampler, -1); got != uint64(want) {
				t.Errorf("form %d, collector %d: %d, want %d", n, i, got, want)
			}
		}
	}
}

// What neighbours say takes each other's ports: a NAT that was restarted gives them out anew. Once each was heard it is read right.
func TestPortsThatAreGivenOutAnew(t *testing.T) {
	f := newFleet(t, 3)
	address := netip.MustParseAddr("192.0.2.1")
	devices := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: 2000, layout: 1, rate: 200},
		{address: address, domain: 1, port: 3000, layout: 2, rate: 300}}
	for turn := range 12 {
		for i := range devices {
			devices[i].port = uint16(1000 * (1 + (i+turn)%3))
		}
		for at := range 20 {
			for i, d := range devices {
				d.announce(f.collectors[i])
				f.wait(time.Second)
			}
			for i, d := range devices {
				for n, c := range f.collectors {
					ok, wrong, rate := d.data(c, d.port)
					if wrong || at > 1 && !ok || ok && at > 4 && rate != uint64(d.rate) {
						t.Fatalf("turn %d, %d: device %d, collector %d: decoded %v, wrong %v, rate %d", turn, at, i, n, ok, wrong, rate)
					}
				}
			}
			f.wait(5 * time.Minute)
		}
	}
}

// What a device says hours after it said something else is a redefinition, though the collector heard the same from it before: no other device.
// So it is long after two devices shared its port.
func TestARedefinitionThatComesBackWinsEverywhere(t *testing.T) {
	for name, test := range map[string]struct {
		twins bool
		every time.Duration
	}{"each 3 hours": {false, 3 * time.Hour}, "each 2 days": {false, 48 * time.Hour}, "each 100 minutes": {false, 100 * time.Minute},
		"after twins": {true, 3 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			if test.twins {
				other := &device{address: d.address, domain: 1, port: 1000, layout: 3}
				for range 24 {
					f.wait(150 * time.Second)
					d.announce(f.collectors[0])
					f.wait(150 * time.Second)
					other.announce(f.collectors[1])
				}
			}
			for turn := range 9 {
				for at := time.Duration(0); at < test.every; at += 5 * time.Minute {
					d.announce(f.collectors[turn%2])
					for i, c := range f.collectors {
						ok, wrong, _ := d.data(c, 1000)
						if turn+1 < 2 && test.twins {
							continue
						}
						if wrong || !ok && at > 15*time.Minute {
							t.Fatalf("turn %d, after %s, collector %d: decoded %v, wrong %v", turn, at, i, ok, wrong)
						}
					}
					f.wait(5 * time.Minute)
				}
				d.layout = (turn + 1) % 3 % 2
			}
		})
	}
}
