package lives

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// neighbours have one address and domain, and ports and layouts of their own.
func neighbours() []*device {
	address := netip.MustParseAddr("192.0.2.1")
	return []*device{{address: address, domain: 1, port: 1000}, {address: address, domain: 1, port: 2000, layout: 1}}
}

// While a collector that starts loads the bucket, data of a port whose layout is not loaded yet waits; a neighbour's layout that is loaded, or heard,
// already is not taken for it. It is read when all is loaded, or when the collector goes on without the bucket.
func TestWhatIsNotLoadedYetIsNotReadWithANeighboursLayout(t *testing.T) {
	f := newFleet(t, 1)
	all := neighbours()
	for _, d := range all {
		d.says(f.collectors[0])
		f.wait(time.Second)
	}
	names := slices.Sorted(maps.Keys(f.bucket))
	for n := range names {
		c := f.memory()
		c.store.Await(f.now + int64(30*time.Second))
		for _, name := range names[:n] {
			c.take(name)
		}
		if n == 0 {
			all[0].says(c)
		}
		for i, d := range all {
			ok, wrong, _ := d.data(c, d.port)
			if ok || wrong {
				t.Fatalf("%d keys are loaded, device %d: decoded %v, wrong %v", n, i, ok, wrong)
			}
		}
		f.now += int64(time.Second)
		c.list()
		c.decoder.Tick(f.now)
		for _, r := range c.records {
			if r.Packets != packetsOfTest || r.InIf != inputOfTest {
				t.Errorf("%+v is read with another layout", r)
			}
		}
		if len(c.records) != 2 {
			t.Errorf("%d records are read when all is loaded, want those that waited", len(c.records))
		}
	}
	c := f.memory()
	c.store.Await(f.now + int64(30*time.Second))
	all[0].says(c)
	ok, _, _ := all[0].data(c, 3000)
	if f.now += int64(30 * time.Second); ok {
		t.Error("a card is read before the bucket is loaded")
	}
	if ok, wrong, _ := all[0].data(c, 3000); !ok || wrong {
		t.Errorf("a collector that goes on without the bucket: decoded %v, wrong %v", ok, wrong)
	}
}

// An exporter has more templates than a collector remembers. What makes room is not read with a neighbour's layout, also where the bucket is listed
// again; it is read when it is announced again.
func TestALayoutThatMadeRoomIsNotReadWithANeighbours(t *testing.T) {
	for _, relist := range []bool{false, true} {
		f := newFleet(t, 1)
		f.limits.Templates = 20
		f.collectors[0] = f.start()
		c := f.collectors[0]
		all := neighbours()
		flood := &device{address: all[0].address, domain: 1, port: 9000}
		for round := range 30 {
			for _, d := range all {
				d.says(c)
				if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
					t.Fatalf("round %d: what was just announced: decoded %v, wrong %v", round, ok, wrong)
				}
				f.wait(time.Second)
			}
			for id := range uint16(30) {
				flood.send(c, 9000, 0, set(2, u16(400+uint16(round)*30+id, 1, 1, 4)))
				for _, d := range all {
					if _, wrong, _ := d.data(c, d.port); wrong {
						t.Fatalf("round %d: port %d is read with its neighbour's layout", round, d.port)
					}
				}
			}
			all[round%2].says(c)
			if relist {
				f.relist()
			}
			for _, d := range all {
				if _, wrong, _ := d.data(c, d.port); wrong {
					t.Fatalf("round %d: port %d is read with its neighbour's layout", round, d.port)
				}
			}
			f.wait(5 * time.Minute)
		}
	}
}

// While a collector that starts loads the bucket, no flow is read with another rate than its own because that is not loaded yet: none, a
// neighbour's, or one of the exporter's that is for more than this flow. It waits, and is read when all is loaded, whatever came first.
func TestWhatIsNotLoadedYetIsNotReadWithAnotherRate(t *testing.T) {
	f := newFleet(t, 1)
	all := neighbours()
	all[0].rate, all[1].rate = 100, 200
	for _, d := range all {
		d.announce(f.collectors[0])
		f.wait(time.Second)
	}
	// The flows' interface has a rate of its own.
	all[0].send(f.collectors[0], 1000, 1, set(3, u16(401, 2, 1, 10, 4, 34, 4)), set(401, u32(inputOfTest, 50)))
	f.sync()
	for order := range uint64(20) {
		names := slices.Sorted(maps.Keys(f.bucket))
		random := rand.New(rand.NewPCG(order, 1))
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for n := range names {
			c := f.memory()
			c.store.Await(f.now + int64(30*time.Second))
			for _, name := range names[:n] {
				c.take(name)
			}
			for i, d := range all {
				if ok, _, rate := d.data(c, d.port); ok {
					t.Fatalf("order %d, %d keys are loaded, device %d: read with rate %d", order, n, i, rate)
				}
			}
			f.now += int64(300 * time.Millisecond)
			c.list()
			c.decoder.Tick(f.now)
			if len(c.records) != 2 {
				t.Fatalf("order %d, %d keys were loaded: %d records are read when all is, want 2", order, n, len(c.records))
			}
			for _, r := range c.records {
				if r.Packets != packetsOfTest {
					t.Errorf("order %d, %d keys were loaded: %+v is read with another layout", order, n, r)
				}
			}
			got := []uint64{c.records[0].SamplingRate, c.records[1].SamplingRate}
			if slices.Sort(got); !slices.Equal(got, []uint64{50, 200}) {
				t.Errorf("order %d, %d keys were loaded: the rates are %d, want 50 and 200", order, n, got)
			}
		}
	}
}

// What waits for the bucket only is never lost for it: it is read with what is known when there is no room, when it waited for too long, when
// its exporter restarts or takes another layout, and when the collector ends. Nothing that waits for its template makes room for it.
func TestWhatWaitsForTheBucketOnlyIsReadInTheEnd(t *testing.T) {
	for name, end := range map[string]func(c *collector, d *device){
		"age": func(c *collector, _ *device) {
			c.fleet.now += int64(6 * time.Minute)
			c.decoder.Tick(c.fleet.now)
		},
		"5 seconds": func(c *collector, _ *device) {
			c.fleet.now += int64(5 * time.Second)
			c.decoder.Tick(c.fleet.now)
		},
		"loadTimeout": func(c *collector, _ *device) {
			c.fleet.now += int64(10 * time.Minute)
			c.store.Await(c.fleet.now)
			c.decoder.Tick(c.fleet.now)
		},
		"end": func(c *collector, _ *device) { c.decoder.Close() },
		"restart": func(c *collector, d *device) {
			c.fleet.now += int64(2 * time.Second)
			d.sequence = 0
			d.send(c, d.port, 1, d.record())
		},
		"another layout": func(c *collector, d *device) { d.layout = 1; d.says(c) },
		"no room": func(c *collector, d *device) {
			for range 20_000 {
				d.send(c, d.port, 1, set(999, u32(1, 2, 3)))
			}
		},
		"room for some": func(c *collector, d *device) {
			for range 20_000 {
				d.send(c, d.port, 1, d.record())
			}
			c.decoder.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 1)
			c := f.memory()
			f.collectors[0] = c
			c.store.Await(f.now + int64(time.Hour))
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, sequence: 20_000}
			d.says(c)
			for range 10 {
				if ok, _, _ := d.data(c, d.port); ok {
					t.Fatal("data is read before the bucket is loaded")
				}
			}
			end(c, d)
			if len(c.records) < 10 {
				t.Fatalf("%d of 10 records are read", len(c.records))
			}
			for _, r := range c.records {
				if r.Packets != packetsOfTest || r.InIf != inputOfTest {
					t.Fatalf("%+v is read with another layout", r)
				}
			}
			n := c.counts[ledger.SetsDecoded] + c.counts.SetsExpired() + c.counts.SetsDropped() + uint64(held(c))
			if n != c.counts[ledger.SetsReceived] {
				t.Errorf("%d sets are accounted for, of %d", n, c.counts[ledger.SetsReceived])
			}
		})
	}
}

// Data of a port that has said nothing is read when the bucket is loaded, though that brings nothing new of its exporter.
func TestALoadThatBringsNothingEndsTheWait(t *testing.T) {
	f := newFleet(t, 1)
	c := f.memory()
	f.collectors[0] = c
	c.store.Await(f.now + int64(30*time.Second))
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	d.says(c)
	d.data(c, 3000)
	for range 5 {
		f.now += int64(10 * time.Millisecond)
		c.decoder.Tick(f.now)
	}
	c.list()
	f.now += int64(200 * time.Millisecond)
	c.decoder.Tick(f.now)
	if len(c.records) != 1 {
		t.Errorf("%d records are read", len(c.records))
	}
}

func held(c *collector) int {
	sets, _ := c.decoder.Held()
	return sets
}
