package lives

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// manyDomains is an IPFIX exporter with several observation domains, which announces rates in some and of some, and of its whole process.
type manyDomains struct {
	*life
	port uint16
	// rates by domain and topic; proxied are domains that domain 0 announces for.
	rates   map[uint32]map[topic]uint32
	proxied map[uint32]bool
}

func (x *manyDomains) announce(c *collector) {
	for _, d := range slices.Sorted(maps.Keys(x.rates)) {
		from := d
		if x.proxied[d] {
			from = 0
		}
		for _, t := range slices.SortedFunc(maps.Keys(x.rates[d]), func(a, b topic) int { return cmp.Or(cmp.Compare(a.kind, b.kind), int(a.id)-int(b.id)) }) {
			fields := map[string][2]uint16{"interface": ingress, "egress": egress, "card": {141, 4}, "template": {145, 4}, "sampler": {48, 4}, "process": process}[t.kind]
			s := said{from, 2, [][2]uint16{domain, fields, interval}, []uint32{d, t.id, x.rates[d][t]}}
			switch t.kind {
			case "system":
				s = said{from, 1, [][2]uint16{domain, interval}, []uint32{d, x.rates[d][t]}}
			case "process":
				s = said{0, 1, [][2]uint16{process, interval}, []uint32{1, x.rates[d][t]}}
			}
			x.send(c, x.port, s.domain, s.sets(10)...)
		}
	}
}

// said is what holds for a topic in a domain: its own, else what all others agree on.
func (x *manyDomains) said(d uint32, t topic) (rate uint32, known, own, differ bool) {
	if rate, ok := x.rates[d][t]; ok {
		return rate, true, true, false
	}
	for _, rates := range x.rates {
		if r, ok := rates[t]; ok {
			differ = differ || known && r != rate
			rate, known = r, true
		}
	}
	return rate, known && !differ, false, differ
}

// want is the rate of a flow of a domain, as docs/sharing.md says which counts.
func (x *manyDomains) want(d, in, out uint32, named int) uint64 {
	if named >= 0 {
		for t := range x.rates[d] {
			if t.kind == "sampler" {
				return uint64(x.rates[d][topic{"sampler", uint32(named)}])
			}
		}
		if rate, known, _, _ := x.said(d, topic{"sampler", uint32(named)}); known {
			return uint64(rate)
		}
		return 0
	}
	if rate, ok := x.rates[d][topic{"template", 300}]; ok {
		return uint64(rate)
	}
	for _, t := range []topic{{"interface", in}, {"egress", out}} {
		if rate, known, _, _ := x.said(d, t); known && t.id != 0 {
			return uint64(rate)
		}
	}
	system, systemKnown, own, _ := x.said(d, topic{"system", 1})
	if own {
		return uint64(system)
	}
	var all [2]map[int64]bool
	for i, kind := range []string{"sampler", "card"} {
		here := make(map[int64]bool)
		all[i] = make(map[int64]bool)
		topics := make(map[topic]bool)
		for _, rates := range x.rates {
			for t := range rates {
				topics[t] = topics[t] || t.kind == kind
			}
		}
		for t, is := range topics {
			if !is {
				continue
			}
			rate, known, own, _ := x.said(d, t)
			switch {
			case own:
				here[int64(rate)], all[i][int64(rate)] = true, true
			case known:
				all[i][int64(rate)] = true
			default:
				all[i][-1], all[i][-2] = true, true // they differ
			}
		}
		for rate := range here {
			if len(here) == 1 {
				return uint64(rate)
			}
		}
		if len(here) > 1 {
			all[i] = nil
		}
	}
	if rate, known, _, _ := x.said(0, topic{"process", 0}); known {
		return uint64(rate)
	}
	if systemKnown {
		return uint64(system)
	}
	for _, rates := range all {
		for rate := range rates {
			if len(rates) == 1 {
				return uint64(rate)
			}
		}
	}
	return 0
}

func (x *manyDomains) flow(c *collector, port uint16, d, in, out uint32, named int) uint64 {
	fields, n, id, body := u16(1, 4, 10, 4, 14, 4), uint16(3), uint16(300), u32(1000, in, out)
	if named >= 0 {
		fields, n, id, body = append(fields, u16(48, 4)...), 4, 301, append(body, u32(uint32(named))...)
	}
	c.records = c.records[:0]
	x.send(c, port, d, set(2, u16(id, n), fields), set(id, body))
	if len(c.records) == 0 {
		x.fleet.t.Fatal("the flow is not decoded")
	}
	return c.records[len(c.records)-1].SamplingRate
}

// An exporter with several domains, some of whose rates another one announces: each flow has the rate that docs/sharing.md says, in each collector,
// also from a port that announces nothing.
func TestTheRatesOfManyDomainsAreReadEverywhere(t *testing.T) {
	for _, seed := range []uint64{0, 2, 21, 58} { // of many that were tried, those that once went wrong
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 78))
			f := newFleet(t, 2)
			x := &manyDomains{life: &life{fleet: f, version: 10}, port: 1000, rates: make(map[uint32]map[topic]uint32), proxied: map[uint32]bool{8: true}}
			change := func() (d uint32, t topic) {
				kind := []string{"system", "interface", "egress", "card", "template", "sampler", "process"}[random.IntN(7)]
				t = topic{kind, uint32(1 + random.IntN(3))}
				d = uint32(7 + random.IntN(3))
				switch kind {
				case "system":
					t.id = 1
				case "template":
					t.id = 300
				case "process":
					d, t.id = 0, 0
				}
				return d, t
			}
			gone := int64(0)
			const within = int64(rateWithin + 45*time.Minute) // a former port stands for half an hour for the new one; and it announces less often than each 5 minutes
			var log []string
			for round := range 80 {
				d, about := change()
				_, was := x.rates[d][about]
				switch event := random.IntN(8 + round%2); {
				case event < 3 || len(x.rates) == 0:
					if x.rates[d] == nil {
						x.rates[d] = make(map[topic]uint32)
					}
					x.rates[d][about] = 100 * uint32(random.IntN(4))
					log = append(log, fmt.Sprint(d, about, x.rates[d][about], " new ", !was))
				case event < 5 && was:
					delete(x.rates[d], about)
					gone = f.now
					log = append(log, fmt.Sprint(d, about, " gone"))
				case event == 5:
					if f.replace(random.IntN(2)); f.now-gone <= within {
						gone = f.now // it does not know for how long a port has said what
					}
				case event == 6:
					x.port++
					gone = f.now
					log = append(log, fmt.Sprint("port ", x.port))
				}
				if len(x.rates[0])+len(x.rates[7])+len(x.rates[8])+len(x.rates[9]) == 0 {
					delete(x.rates, d)
					continue
				}
				x.announce(f.collectors[0])
				if f.now-gone <= within && round%4 == 0 {
					for range 13 {
						f.wait(10 * time.Minute)
						x.announce(f.collectors[0])
					}
				}
				if f.now-gone <= within {
					f.wait(10 * time.Minute)
					continue
				}
				for c := range f.collectors {
					for _, port := range []uint16{x.port, 7000} {
						for range 4 {
							domain, in, out, named := uint32(7+random.IntN(4)), uint32(random.IntN(5)), uint32(random.IntN(5)), max(-1, random.IntN(9)-5)
							if got, want := x.flow(f.collectors[c], port, domain, in, out, named), x.want(domain, in, out, named); got != want {
								t.Fatalf("round %d, collector %d, port %d: a flow of domain %d from %d to %d of sampler %d has rate %d, want %d; %v; after %q",
									round, c, port, domain, in, out, named, got, want, x.rates, log[max(0, len(log)-8):])
							}
						}
					}
				}
				f.wait(10 * time.Minute)
			}
		})
	}
}
