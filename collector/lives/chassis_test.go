package lives

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// topic is what a rate of a chassis is of.
type topic struct {
	kind string
	id   uint32
}

// bigRouter announces rates of many things at once, as large routers do: of all, of interfaces and their directions, of samplers, of a template,
// and of line cards.
type bigRouter struct {
	*life
	port  uint16
	rates map[topic]uint32
}

func (x *bigRouter) announce(c *collector) {
	fields := map[string][][2]uint16{"system": {system9}, "interface": {port9}, "ingress": {port9, direction}, "egress": {port9, direction},
		"card": {card9}, "template": {template9}, "sampler": {system9, sampler}}
	for i, kind := range slices.Sorted(maps.Keys(fields)) {
		var body []byte
		for _, a := range slices.SortedFunc(maps.Keys(x.rates), func(a, b topic) int { return int(a.id) - int(b.id) }) {
			if a.kind != kind {
				continue
			}
			switch kind {
			case "template":
				body = append(body, u16(uint16(a.id))...)
			case "sampler":
				body = append(append(body, u32(1)...), byte(a.id))
			default:
				body = append(body, u32(a.id)...)
			}
			switch kind {
			case "ingress":
				body = append(body, 0)
			case "egress":
				body = append(body, 1)
			}
			body = append(body, u32(x.rates[a])...)
		}
		if body == nil {
			continue
		}
		id, f := uint16(400+i), append(slices.Clone(fields[kind]), interval)
		var spec []byte
		for _, g := range f {
			spec = append(spec, u16(g[0], g[1])...)
		}
		x.send(c, x.port, 7, set(1, u16(id, 4, uint16(4*len(f)-4)), spec), set(id, body))
	}
}

// want is the rate of a flow, as docs/sharing.md says which counts.
func (x *bigRouter) want(in, out uint32, named int) uint64 {
	if named >= 0 {
		return uint64(x.rates[topic{"sampler", uint32(named)}])
	}
	for _, a := range []topic{{"template", 300}, {"ingress", in}, {"interface", in}, {"egress", out}, {"interface", out}, {"system", 1}} {
		if rate, ok := x.rates[a]; ok {
			return uint64(rate)
		}
	}
	for _, kind := range []string{"sampler", "card"} {
		all := make(map[uint32]bool)
		for a, rate := range x.rates {
			if a.kind == kind {
				all[rate] = true
			}
		}
		for rate := range all {
			if len(all) == 1 {
				return uint64(rate)
			}
		}
	}
	return 0
}

// flow is the rate that a flow gets.
func (x *bigRouter) flow(c *collector, port uint16, in, out uint32, named int) uint64 {
	fields, n, id, body := u16(1, 4, 10, 4, 14, 4), uint16(3), uint16(300), u32(1000, in, out)
	if named >= 0 {
		fields, n, id, body = append(fields, u16(48, 2)...), 4, 301, append(body, u16(uint16(named))...)
	}
	before := len(c.records)
	x.send(c, port, 7, set(0, u16(id, n), fields), set(id, body))
	if len(c.records) == before {
		x.fleet.t.Fatal("the flow is not decoded")
	}
	r := c.records[len(c.records)-1]
	c.records = c.records[:0]
	return r.SamplingRate
}

// A chassis that announces rates of many things, of which some change, come and go: each flow has the rate that docs/sharing.md says, in each
// collector, also from a port that announces nothing. What is not announced any more goes within 95 minutes.
func TestTheRatesOfAChassisAreReadEverywhere(t *testing.T) {
	for seed := range seeds(9, 3) {
		mode := []template.Mode{template.ModeAuto, template.ModeAddress, template.ModeAddressPort}[seed%3]
		t.Run(fmt.Sprint("mode ", mode, ", seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 77))
			f := newFleet(t, 0)
			f.mode = mode
			f.begin(3)
			x := &bigRouter{life: &life{fleet: f, version: 9}, port: 1000, rates: make(map[topic]uint32)}
			some := func() topic {
				kind := []string{"system", "interface", "ingress", "egress", "card", "template", "sampler"}[random.IntN(7)]
				id := uint32(1 + random.IntN(4))
				switch kind {
				case "system":
					id = 1
				case "template":
					id = 300
				case "card":
					id = uint32(random.IntN(3))
				}
				return topic{kind, id}
			}
			every := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, 29 * time.Minute}[random.IntN(4)]
			at, gone, full, cut := 0, int64(0), 0, 0
			var log []string
			note := func(format string, args ...any) {
				log = append(log, time.Duration(f.now-1_700_000_000*int64(time.Second)).String()+" "+fmt.Sprintf(format, args...))
			}
			silence := func(long time.Duration) {
				pending := f.now-gone <= int64(rateWithin)
				if f.wait(long); pending {
					gone = f.now // what counted before may do so for a while, see docs/sharing.md
				}
			}
			for range 6 {
				x.rates[some()] = 100 * uint32(random.IntN(9))
			}
			x.announce(f.collectors[at])
			for round := range 400 {
				f.wait(every)
				if f.full && round > full {
					f.full, gone = false, f.now
					f.sync()
				}
				for _, c := range f.collectors {
					if c.cut && round > cut {
						c.heal()
						gone = f.now
					}
				}
				x.announce(f.collectors[at])
				apart := f.full || slices.ContainsFunc(f.collectors, func(c *collector) bool { return c.cut })
				for c := range f.collectors {
					for _, port := range []uint16{x.port, 7000} {
						in, out, named := uint32(random.IntN(6)), uint32(random.IntN(6)), max(-1, random.IntN(12)-6)
						got, want := x.flow(f.collectors[c], port, in, out, named), x.want(in, out, named)
						if mode == template.ModeAddressPort && port != x.port {
							want = 0
						}
						if got != want && f.now-gone > int64(rateWithin) && (!apart || c == at) {
							t.Fatalf("collector %d (heard by %d), port %d, flow from %d to %d of sampler %d: the rate is %d, want %d; announced each %s: %v; after %q",
								c, at, port, in, out, named, got, want, every, x.rates, log[max(0, len(log)-12):])
						}
					}
				}
				if round%3 != 0 {
					continue
				}
				switch event := random.IntN(24); event {
				case 0, 1, 2, 3, 4, 5, 6:
					a := some()
					_, was := x.rates[a]
					x.rates[a] = 100 * uint32(random.IntN(9))
					note("%v has %d (new: %v)", a, x.rates[a], !was)
				case 7, 8:
					if len(x.rates) > 1 {
						for _, a := range slices.SortedFunc(maps.Keys(x.rates), func(a, b topic) int {
							return 10*(len(a.kind)-len(b.kind)) + int(a.id) - int(b.id)
						})[:1] {
							delete(x.rates, a)
							note("%v is gone", a)
						}
						gone = f.now
					}
				case 9, 10:
					x.port++
					gone = f.now
					note("reboots at port %d", x.port)
				case 11:
					if !f.full && !f.collectors[at].cut {
						at = random.IntN(3)
						note("heard by %d", at)
						if f.collectors[at].cut {
							at = 0
						}
						gone = f.now
					}
				case 12, 13:
					n := random.IntN(3)
					if !f.full && !f.collectors[n].cut {
						f.replace(n)
						note("collector %d is replaced", n)
					}
				case 14:
					clear(f.bucket)
					f.relist()
					note("bucket lost")
				case 15:
					if f.snapshot == nil {
						f.snapshot = maps.Clone(f.bucket)
					} else {
						f.bucket, f.snapshot = maps.Clone(f.snapshot), nil
						f.relist()
						gone = f.now
						note("bucket rolled back")
					}
				case 16:
					f.full, full = true, round+random.IntN(8)
					note("full")
				case 17:
					if !f.full {
						f.collectors[random.IntN(3)].cut, cut = true, round+random.IntN(8)
						note("cut")
					}
				case 18:
					silence(time.Duration(1+random.IntN(5)) * time.Hour)
					note("silence of hours")
				case 19:
					silence(29 * 24 * time.Hour)
					note("silence of 29 days")
				case 20:
					x.late = time.Duration(random.IntN(7)-3) * 11 * time.Hour
					note("clock %s behind", x.late)
				}
			}
		})
	}
}
