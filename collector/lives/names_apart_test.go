package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Collectors do not hear of each other for a while: one of them is cut off, or the bucket takes no writes. An exporter gives a number another name at one of them
// meanwhile, and goes on to change others at both. Once they hear of each other again all have the name that was said last, before it is said again.
func TestANameThatChangedWhileCollectorsWereApartIsTheNewOneEverywhere(t *testing.T) {
	for _, apart := range []time.Duration{10 * time.Minute, 40 * time.Minute, 5 * time.Hour} {
		for changes := 1; changes <= 3; changes++ {
			for name, test := range map[string]struct {
				cut, full bool
				hears     int
				back      time.Duration
			}{"heard by who is cut off": {true, false, 0, 0}, "heard by the other": {true, false, 1, 0}, "the bucket is full": {false, true, 0, 0},
				"the clock is set back, heard by who is cut off": {true, false, 0, 14 * time.Hour},
				"the clock is set back, heard by the other":      {true, false, 1, 14 * time.Hour},
				"the clock is set back, the bucket is full":      {false, true, 0, 14 * time.Hour}} {
				t.Run(fmt.Sprint(name, " for ", apart, ", ", changes, " changes"), func(t *testing.T) {
					f := newFleet(t, 3)
					d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
					say := func(at int, number uint32, name string) {
						d.send(f.collectors[at], d.port, 1, set(3, u16(403, 2, 1, 234, 4, 236, 16)), set(403, u32(number), fmt.Appendf(nil, "%-16s", name)))
						f.wait(time.Second)
					}
					for number := range uint32(10) {
						say(0, number, "old")
					}
					f.wait(2 * time.Hour)
					say(0, 9, "older")
					f.wait(30 * time.Minute)
					d.ahead = -test.back
					f.collectors[0].cut, f.full = test.cut, test.full
					f.wait(apart / 5)
					say(1-test.hears, 6, "another")
					say(test.hears, 5, "new")
					f.wait(apart / 5)
					for i := range uint32(changes) { // whatever else changes then
						for at := range f.collectors {
							if i%2 == 1 {
								at = len(f.collectors) - 1 - at
							}
							say(at, 7+i, fmt.Sprint("at ", at, ", ", i))
						}
						f.wait(apart / 5)
					}
					f.full = false
					for _, c := range f.collectors {
						if c.cut {
							c.heal()
						}
					}
					for range 5 {
						f.wait(time.Minute)
					}
					for i, c := range f.collectors {
						row := c.names.Resolve(c.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.VRFs, Number: 5}, netip.Addr{})
						if row == nil || row.Name != "new" {
							t.Errorf("collector %d has %+v", i, row)
						}
					}
				})
			}
		}
	}
}

// Two collectors that do not hear of each other hear the same of an exporter, one of them minutes later. Then its clock is set back, and a number gets another
// name at one of them. The other one, which has later stamps for what is the same, does not take that for older.
func TestANameThatFollowsOnWhatCollectorsHeardApartHolds(t *testing.T) {
	for hears := range 3 {
		for late := range 3 {
			for _, back := range []time.Duration{14 * time.Hour, time.Hour} {
				f := newFleet(t, 3)
				d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
				say := func(at int, name string) {
					for number := range uint32(10) {
						d.send(f.collectors[at], d.port, 1, set(3, u16(403, 2, 1, 234, 4, 236, 16)), set(403, u32(number), fmt.Appendf(nil, "%-16s", name)))
					}
					f.wait(5 * time.Minute)
				}
				say(0, "first")
				f.collectors[late].cut = true
				say((late+1)%3, "second")
				say(late, "second")
				f.collectors[late].heal()
				f.wait(time.Minute)
				d.ahead = -back
				for _, name := range []string{"third", "a fourth", "fifth"} {
					say(hears, name)
					for i, c := range f.collectors {
						row := c.names.Resolve(c.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.VRFs, Number: 5}, netip.Addr{})
						if row == nil || row.Name != name {
							t.Fatalf("collector %d was late, %d hears %s: collector %d has %+v", late, hears, name, i, row)
						}
					}
				}
			}
		}
	}
}

// So it is with a real bucket, whichever of the two hears the new name.
func TestNamesThroughAServerThatIsAwayForOneOfTheCollectors(t *testing.T) {
	t.Parallel()
	for hears := range 2 {
		s := natstest.Start(t)
		f := newFleet(t, 0)
		f.now = clock.Steady()
		all := []*connected{f.connect(s), f.connect(s)}
		d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
		say := func(at int, number uint32, name string) {
			f.now = clock.Steady()
			d.send(all[at].collector, d.port, 1, set(3, u16(403, 2, 1, 234, 4, 236, 16)), set(403, u32(number), fmt.Appendf(nil, "%-16s", name)))
			d.ahead += time.Second
		}
		know := func(name string, which ...*connected) {
			t.Helper()
			natstest.Eventually(t, fmt.Sprint("they know ", name), func() bool {
				right := true
				for _, c := range all {
					c.names.Tick(clock.Steady())
				}
				for _, c := range which {
					row := c.names.Resolve(c.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.VRFs, Number: 5}, netip.Addr{})
					right = right && row != nil && row.Name == name
				}
				return right
			})
		}
		for number := range uint32(10) {
			say(0, number, "old")
		}
		know("old", all...)
		d.ahead += 30 * time.Minute
		all[0].proxy.Cut()
		say(hears, 5, "new")
		know("new", all[hears])
		for i := range uint32(3) { // hours by the exporter's clock
			d.ahead += 2 * time.Hour
			for at := range all {
				say(at, 7+i, fmt.Sprint("at ", at))
				all[at].names.Flush(clock.Steady())
			}
		}
		all[0].proxy.Heal()
		know("new", all...)
		say(1-hears, 5, "last")
		know("last", all...)
		for _, c := range all {
			c.end()
		}
	}
}
