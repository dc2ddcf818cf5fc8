package lives

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// member is a device and where its datagrams come to.
type member struct {
	*device
	// at is the collector that its ports' datagrams come to; cards' go to the others, too.
	at int
	// twin has the same address, domain and port. Neither changes its layout, which docs/sharing.md says is not told apart.
	twin *member
	// moved is when its ports or layouts last changed, until data of its cards may be held; rated when its rate did; unsure when
	// what a collector alone knew of it was lost, and lost when the bucket was.
	moved, rated, unsure, lost int64
	silent                     bool
}

// rates is the rate that its flows have, none where a twin announces another one, and since when.
func (m *member) rates() (want uint64, since int64) {
	switch {
	case m.twin == nil:
		return uint64(m.rate), m.rated
	case m.twin.rate != m.rate:
		return 0, max(m.rated, m.twin.rated)
	}
	return uint64(m.rate), max(m.rated, m.twin.rated)
}

// The bounds that docs/sharing.md states; devices announce each 5 minutes here.
const (
	cardsHeld  = 65 * time.Minute
	rateWithin = 95 * time.Minute
	announced  = 5 * time.Minute
)

// pair makes two members of one address and domain, with ports of their own or one that they share.
func pair(random *rand.Rand, n int, ports ...uint16) (out []*member) {
	first := random.IntN(3)
	layout := random.IntN(len(layouts))
	for i := range 2 {
		d := &device{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), domain: 1, port: ports[i%len(ports)], layout: layout,
			rate: uint32(random.IntN(3) * 100), ahead: time.Duration(random.IntN(3)-1) * 5 * time.Hour}
		out = append(out, &member{device: d, at: (first + i) % 3, silent: true})
		layout = (layout + n%2) % len(layouts)
	}
	if len(ports) == 1 {
		out[0].twin, out[1].twin = out[1], out[0]
	}
	return out
}

// Many lives at once: what is decoded is right after each event, and everything is decoded beyond the bounds that the docs state.
func TestManyLives(t *testing.T) {
	for seed := range seeds(31, 2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, seed, 3000)
		})
	}
}

// A seed that shows a fault shows it again.
func TestALifeOfASeedIsTheSameEachTime(t *testing.T) {
	if first, second := simulate(t, 3, 1500), simulate(t, 3, 1500); first != second {
		t.Errorf("the first time:\n%s\nthe second:\n%s", first, second)
	}
}

// simulate returns what came of it.
func simulate(t *testing.T, seed uint64, rounds int) string {
	random := rand.New(rand.NewPCG(seed, 12))
	f := newFleet(t, 3)
	var all []*member
	ports := uint16(1000)
	port := func() uint16 { ports++; return ports }
	for i := range 30 {
		d := &device{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), domain: uint32(1 + i%3), port: port(), layout: random.IntN(len(layouts)),
			rate: uint32(random.IntN(5) * 100), ahead: time.Duration(random.IntN(3)-1) * 5 * time.Hour}
		m := &member{device: d, at: i % 3}
		if i%3 == 0 { // line cards whose data comes from ports that never send a template
			d.cards = []uint16{port(), port()}
		}
		all = append(all, m)
	}
	for i := range 4 { // of each two, those of one have one layout, those of the other two
		all = append(all, pair(random, 100+i, port(), port())...)
		all = append(all, pair(random, 110+i, port())...)
	}
	for _, m := range all {
		m.moved, m.rated = f.now, f.now
	}
	var log []string
	note := func(format string, args ...any) {
		log = append(log, fmt.Sprintf("%s ", time.Duration(f.now-1_700_000_000*int64(time.Second)))+fmt.Sprintf(format, args...))
	}
	decoded, held, start := 0, 0, f.now
	for round := range rounds {
		f.wait(time.Minute)
		if round%10 == 0 {
			f.relist()
		}
		for i, m := range all {
			if m.silent && (round%5 != i%5 || m.moved == start && round < 30) {
				continue
			}
			if m.silent { // who has the same address and port is held until it is heard again
				for _, o := range all {
					if o.address == m.address {
						o.moved, o.unsure = f.now, f.now
					}
				}
			}
			m.silent = false
			c := f.collectors[m.at]
			if round%5 == i%5 || m.moved == f.now {
				m.announce(c)
			}
			for k, p := range append([]uint16{m.port}, m.cards...) {
				to := c
				if k > 0 {
					to = f.collectors[(m.at+k)%3]
				}
				ok, wrong, rate := m.data(to, p)
				since := time.Duration(f.now - m.moved)
				want, rated := m.rates()
				if time.Duration(f.now-m.unsure) <= announced && time.Duration(f.now-m.lost) <= rateWithin {
					rated = f.now // the bucket knows of nobody when it was last heard, nor does the collector
				}
				switch {
				case wrong && (m.twin == nil || since > 3*announced):
					t.Errorf("seed %d: device %d (layout %d) is read with another layout from port %d (card %d)", seed, i, m.layout, p, k)
				case ok && rate != want && time.Duration(f.now-rated) > rateWithin:
					t.Errorf("seed %d: device %d has rate %d, not %d", seed, i, rate, want)
				case ok && rate != 0 && rate != uint64(m.rate) && time.Duration(f.now-max(rated, m.unsure)) > 3*announced && m.twin != nil:
					t.Errorf("seed %d: device %d has its twin's rate %d, not %d", seed, i, rate, m.rate)
				case !ok && (k == 0 && since > 10*time.Minute || since > cardsHeld):
					t.Errorf("seed %d: device %d, port %d (card %d) is not decoded %s after it changed", seed, i, p, k, since)
				}
				if decoded++; !ok {
					decoded, held = decoded-1, held+1
				}
				if t.Failed() {
					t.Fatalf("after %v", log[max(0, len(log)-15):])
				}
			}
		}
		if round%7 != 6 {
			continue
		}
		i := random.IntN(len(all))
		m := all[i]
		switch event := random.IntN(12); {
		case event < 2 && !m.silent && m.twin == nil:
			m.layout, m.moved = (m.layout+1+random.IntN(4))%len(layouts), f.now
			note("device %d takes layout %d", i, m.layout)
			m.announce(f.collectors[m.at])
		case event == 2 && m.twin == nil:
			m.layout, m.port, m.moved = random.IntN(len(layouts)), port(), f.now
			for k := range m.cards {
				m.cards[k] = port()
			}
			m.at = random.IntN(3)
			note("device %d reboots with layout %d", i, m.layout)
			m.announce(f.collectors[m.at])
		case event == 3:
			m.rate, m.rated = uint32(random.IntN(5)*100), f.now
			note("device %d samples 1 of %d", i, m.rate)
			m.announce(f.collectors[m.at])
		case event == 4:
			m.ahead = time.Duration(random.IntN(7)-3) * 3 * time.Hour
			note("device %d has its clock set by %s", i, m.ahead)
		case event == 5 || event == 6:
			n := random.IntN(3)
			note("collector %d is replaced", n)
			f.replace(n)
			for _, o := range all { // what twins say is held until each is heard again
				o.unsure = f.now
				if o.twin != nil || len(o.cards) > 0 {
					o.moved = f.now
				}
			}
		case event == 7:
			note("the bucket is lost")
			clear(f.bucket)
			f.relist()
			for _, o := range all {
				o.lost = f.now
				if o.twin != nil {
					o.moved = f.now
				}
			}
		case event == 8 && f.snapshot != nil:
			note("the bucket is rolled back")
			f.bucket = maps.Clone(f.snapshot)
			f.relist()
			for _, o := range all { // which rates are silent is doubtful again, and what twins say
				o.rated = f.now
				if o.twin != nil {
					o.moved = f.now
				}
			}
		case event == 9:
			f.snapshot = maps.Clone(f.bucket)
		case event == 10 && round%4 == 0:
			note("30 days of silence")
			f.wait(31 * 24 * time.Hour)
			f.snapshot = nil
			if len(f.bucket) != 0 {
				t.Errorf("%d keys are left of what nobody said for 31 days", len(f.bucket))
			}
			for _, o := range all {
				o.moved, o.rated, o.silent = f.now, f.now, true
			}
		}
	}
	content := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(f.bucket)) {
		fmt.Fprintln(content, name, f.bucket[name])
	}
	came := fmt.Sprintf("%d records decoded, %d held or lost within the bounds, %d writes, %d keys (%x)", decoded, held, f.writes, len(f.bucket),
		content.Sum64())
	t.Log(came)
	if held*20 > decoded {
		t.Errorf("%d of %d records were not decoded at once", held, decoded+held)
	}
	return came
}
