package lives

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// told is a device and who knows what it said last: collectors, and the bucket.
type told struct {
	*device
	by     map[*collector]bool
	bucket bool
	// unsure are collectors that may not know when it was last heard, since the bucket was lost, until it speaks again.
	unsure map[*collector]bool
	// said is when it last spoke.
	said time.Duration
}

// Collectors are cut off, killed before they have written, and start while others are away; the bucket is full, or lost, and single keys of it
// are deleted, or overwritten by what nobody can read; datagrams of a device come to any of the collectors. Whoever was told what a device said last,
// reads it so, or holds it.
func TestFailuresInAnyOrder(t *testing.T) {
	for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddressPort} {
		each := []uint64{59, 72, 95} // these once had wrong layouts
		for seed := range seeds(12, 3) {
			each = append(each, 21+seed)
		}
		for _, seed := range each {
			t.Run(fmt.Sprint("mode ", mode, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				fail(t, mode, seed, 1000)
			})
		}
	}
}

func fail(t *testing.T, mode template.Mode, seed uint64, rounds int) {
	random := rand.New(rand.NewPCG(seed, 77))
	f := newFleet(t, 0)
	f.mode = mode
	f.begin(3)
	var all []*told
	for i := range 12 {
		d := &device{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 2 * 2)}), domain: uint32(1 + i%3/2), port: uint16(1000 + i), layout: i % len(layouts),
			rate: uint32(i + 1), ahead: time.Duration(random.IntN(3)-1) * 3 * time.Hour}
		all = append(all, &told{device: d, by: make(map[*collector]bool), unsure: make(map[*collector]bool)})
	}
	var log []string
	note := func(format string, args ...any) {
		log = append(log, fmt.Sprintf("%s ", time.Duration(f.now-1_700_000_000*int64(time.Second)))+fmt.Sprintf(format, args...))
	}
	spread := func() { // what is told by the bucket to whom is in reach
		if f.full {
			return
		}
		for _, d := range all {
			for _, c := range f.collectors {
				d.bucket = d.bucket || d.by[c] && !c.cut
			}
			for _, c := range f.collectors {
				if d.bucket && !c.cut {
					d.by[c] = true
				}
			}
		}
	}
	check := func() {
		t.Helper()
		for i, d := range all {
			for n, c := range f.collectors {
				if !d.by[c] || d.unsure[c] {
					continue
				}
				if ok, wrong, rate := d.data(c, d.port); ok && (wrong || rate != uint64(d.rate)) {
					t.Fatalf("seed %d: collector %d reads device %d (port %d) wrong %v, with rate %d, not %d, after\n%v", seed, n, i, d.port, wrong, rate, d.rate,
						log[max(0, len(log)-12):])
				}
			}
		}
	}
	hear := func(n int, i int) {
		t.Helper()
		d, c := all[i], f.collectors[n]
		d.announce(c)
		d.by[c], d.said = true, time.Duration(f.now)
		if delete(d.unsure, c); !c.cut && !f.full {
			clear(d.unsure)
		}
		spread()
		if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != uint64(d.rate) {
			t.Fatalf("seed %d: collector %d hears device %d and reads it %v, wrong %v, rate %d, not %d, after\n%v", seed, n, i, ok, wrong, rate, d.rate,
				log[max(0, len(log)-12):])
		}
	}
	changes, lost := 0, int64(0)
	for i := range all {
		hear(i%3, i)
	}
	for range rounds {
		f.wait(time.Duration(1+random.IntN(90)) * time.Second)
		spread()
		for i, d := range all { // all announce each few minutes, wherever that comes to
			if time.Duration(f.now)-d.said > 3*time.Minute {
				hear(random.IntN(3), i)
			}
		}
		if f.full && random.IntN(8) == 0 {
			note("the bucket has room again")
			f.full = false
			f.sync()
			f.relist()
			spread()
		}
		n, i := random.IntN(3), random.IntN(len(all))
		c, d := f.collectors[n], all[i]
		switch event := random.IntN(30); {
		case event < 12:
			hear(n, i)
		case event < 17 && time.Duration(f.now)-d.said > 90*time.Second:
			changes++
			d.layout, d.rate = (d.layout+1)%len(layouts), uint32(1000+changes)
			clear(d.by)
			d.bucket = false
			note("device %d has layout %d and rate %d, heard by %d", i, d.layout, d.rate, n)
			hear(n, i)
		case event == 17:
			d.ahead = time.Duration(random.IntN(9)-4) * 2 * time.Hour
			note("device %d has its clock set to %s", i, d.ahead)
		case event == 18 && !c.cut:
			note("collector %d is cut off", n)
			c.cut = true
		case event < 21 && c.cut:
			note("collector %d is back", n)
			c.heal()
			spread()
		case event == 21:
			note("collector %d is killed, with %d writes left", n, len(c.queue))
			c.decoder.Close()
			f.collectors[n] = f.start()
			f.sync()
			spread()
			if time.Duration(f.now-lost) < rateWithin { // what was heard before is told of as heard lately
				for _, d := range all {
					d.unsure[f.collectors[n]] = true
				}
			}
		case event == 22:
			f.full = true
			note("the bucket is full")
		case event == 23:
			note("the bucket is lost")
			lost = f.now
			clear(f.bucket)
			for _, d := range all {
				d.bucket = false
				for _, c := range f.collectors { // who is cut off may be the one that hears it
					if slices.ContainsFunc(f.collectors, func(c *collector) bool { return c.cut }) {
						d.unsure[c] = true
					}
				}
			}
			f.relist()
			spread()
		case event == 24:
			names := slices.Sorted(maps.Keys(f.bucket))
			if len(names) == 0 {
				continue
			}
			name := names[random.IntN(len(names))]
			note("%s is unreadable", name)
			f.bucket[name] = entry{[]byte{1}, f.now}
			for _, d := range all {
				d.bucket = d.bucket && f.key(name).Scope.Exporter != d.address
			}
			f.relist()
			spread()
		case event == 25 && !f.full && !slices.ContainsFunc(f.collectors, func(c *collector) bool { return c.cut }):
			names := slices.Sorted(maps.Keys(f.bucket))
			if len(names) == 0 {
				continue
			}
			name := names[random.IntN(len(names))]
			note("%s is deleted", name)
			delete(f.bucket, name)
			key := f.key(name)
			for _, c := range f.collectors {
				if !c.cut && !slices.ContainsFunc(c.queue, func(d template.Definition) bool { return d.Key == key }) {
					c.stores[key.Family].Forget(key)
				}
			}
			for _, d := range all {
				if key.Scope.Exporter == d.address {
					clear(d.by)
					d.bucket = false
				}
			}
		default:
			f.relist()
			spread()
		}
		check()
	}
}
