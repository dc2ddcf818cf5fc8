package lives

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// An exporter sends from several ports, and what it says comes to any collector. It takes another layout, which one collector hears of all ports before the others
// are told of any: none of these brings back what a port said before.
func TestPortsThatTakeAnotherLayoutAtOnceKeepIt(t *testing.T) {
	f := newFleet(t, 3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	ports := []uint16{1000, 1001, 1002}
	for range 3 {
		for i, port := range ports {
			d.send(f.collectors[i], port, 0, d.template())
			f.wait(time.Minute)
		}
	}
	d.layout = 1
	for _, port := range ports {
		d.send(f.collectors[0], port, 0, d.template())
	}
	f.sync()
	for n, c := range f.collectors {
		for _, port := range ports {
			if ok, wrong, _ := d.data(c, port); wrong || n == 0 && !ok {
				t.Errorf("collector %d, port %d: decoded %v, wrong %v", n, port, ok, wrong)
			}
		}
	}
}

// A key that somebody deletes takes what its port said before with it: what collectors heard of that before another one heard the port's last word.
func TestAKeyThatIsDeletedBringsBackNothing(t *testing.T) {
	f := newFleet(t, 3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	for _, c := range f.collectors {
		d.announce(c)
		f.wait(time.Minute)
	}
	d.layout = 1
	d.announce(f.collectors[0])
	const name = "t1.ipfix.192-0-2-1.1.1000.300"
	delete(f.bucket, name)
	for _, c := range f.collectors {
		c.store.Forget(f.key(name))
	}
	f.wait(10 * time.Minute)
	for n, c := range f.collectors {
		if ok, _, _ := d.data(c, d.port); ok {
			t.Errorf("collector %d reads data with a layout of before", n)
		}
	}
	d.announce(f.collectors[0])
	for n, c := range f.collectors {
		if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
			t.Errorf("collector %d: decoded %v, wrong %v once it is said again", n, ok, wrong)
		}
	}
}

// Exporters that send from several ports, each with what it says, take other layouts and rates at once. Their datagrams come to a collector each, by their ports
// or by chance; changes of several ports come before any is shared. Whoever reads them then reads them right.
func TestExportersOfSeveralPortsChangeAtOnce(t *testing.T) {
	for seed := range seeds(6, 2) {
		for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddress, template.ModeAddressPort} {
			for _, chance := range []bool{false, true} {
				t.Run(fmt.Sprint("seed ", seed, ", mode ", mode, ", by chance ", chance), func(t *testing.T) {
					t.Parallel()
					changeAtOnce(t, seed, mode, chance)
				})
			}
		}
	}
}

func changeAtOnce(t *testing.T, seed uint64, mode template.Mode, chance bool) {
	random := rand.New(rand.NewPCG(seed, 9))
	f := newFleet(t, 0)
	f.mode = mode
	f.begin(3)
	type exporter struct {
		*device
		ports   []uint16
		at      map[uint16]int
		by      map[uint16]*collector // who heard the port last
		changed int64
	}
	var all []*exporter
	for i := range 6 {
		x := &exporter{device: &device{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), domain: 1, layout: i % len(layouts), rate: 100}, at: make(map[uint16]int), by: make(map[uint16]*collector), changed: f.now}
		for k := range 2 + i%4 {
			port := uint16(1000 + k)
			x.ports, x.at[port] = append(x.ports, port), random.IntN(3)
		}
		all = append(all, x)
	}
	last := ""
	for round := range 400 {
		f.wait(time.Minute)
		if round%10 == 0 {
			f.relist()
		}
		for i, x := range all {
			changes := random.IntN(60) == 0
			if changes {
				x.layout, x.rate, x.changed = (x.layout+1)%len(layouts), x.rate+1, f.now
				last = fmt.Sprint("exporter ", i, " changes in round ", round)
			}
			for _, port := range x.ports {
				if round%5 != i%5 && !changes {
					continue
				}
				if chance {
					x.at[port] = random.IntN(3)
				}
				c := f.collectors[x.at[port]]
				x.by[port] = c
				x.send(c, port, 0, x.template())
				x.send(c, port, 1, set(3, u16(400, 2, 1, 149, 4, 34, 4)), set(400, u32(x.domain, x.rate)))
				if random.IntN(3) == 0 {
					f.sync()
				}
			}
			f.sync()
			read := slices.Clone(x.ports)
			if mode != template.ModeAddressPort {
				read = append(read, 3000) // a card's, which says nothing
			}
			for _, port := range read {
				for n, c := range f.collectors {
					ok, wrong, rate := x.data(c, port)
					since := time.Duration(f.now - x.changed)
					if wrong || ok && rate != uint64(x.rate) && (c == x.by[port] || since > rateWithin) || !ok && since > time.Hour {
						t.Fatalf("round %d: exporter %d, port %d, collector %d (heard by %d): decoded %v, wrong %v, rate %d, not %d, %s after it changed; %s", round, i, port, n,
							x.at[port], ok, wrong, rate, x.rate, since, last)
					}
				}
			}
		}
		if random.IntN(30) == 0 {
			x := all[random.IntN(len(all))]
			x.ahead = time.Duration(random.IntN(9)-4) * 2 * time.Hour
			last = fmt.Sprint("a clock is set in round ", round)
		}
		if random.IntN(40) == 0 {
			last = fmt.Sprint("the bucket is lost in round ", round)
			clear(f.bucket)
			f.relist()
		}
		if random.IntN(20) == 0 {
			f.replace(random.IntN(3))
			last = fmt.Sprint("a collector is replaced in round ", round)
		}
	}
}
