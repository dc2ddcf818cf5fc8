package lives

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"
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
			if wrong || ok != (i == 0) {
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
		if len(c.records) != 1 {
			t.Errorf("%d records are read when all is loaded, want the one that waited", len(c.records))
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
