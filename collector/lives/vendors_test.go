package lives

import (
	"fmt"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
)

// A switch has a sequence of selectors for each of its ports (RFC 5476 section 6.5.1), and may have many: the flows of each have its rate, in each
// collector, also in one that starts.
func TestEachOfManySequencesHasItsRate(t *testing.T) {
	sequence := [2]uint16{301, 4}
	const ports = 48
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 10}
	report := func() (out []byte, through []byte) {
		for i := range uint32(ports) {
			out = append(out, u32(1000+i, 10*(i+1))...)
			through = append(through, u32(i+1, 1000+i, 5000)...)
		}
		return append(out, u32(5000, 3)...), through
	}
	selectors, through := report()
	for range 3 {
		for _, sets := range [][][]byte{{set(3, u16(400, 2, 1), u16(302, 4, 34, 4)), set(400, selectors)},
			{set(3, u16(401, 3, 1), u16(301, 4, 302, 4, 302, 4)), set(401, through)}} {
			l.send(f.collectors[0], 1000, 7, sets...)
		}
		f.wait(10 * time.Minute)
	}
	f.replace(1)
	for c := range f.collectors {
		for i := range ports {
			if got, want := l.rate(f.collectors[c], sequence, i+1), uint64(30*(i+1)); got != want {
				t.Fatalf("collector %d: the rate of sequence %d is %d, want %d", c, i+1, got, want)
			}
		}
	}
}

// A rate that is announced of a part of an exporter is not that of the whole: of a line card, whatever its number is (Juniper's and Cisco's count
// from 0), of a point of observation or a port (RFC 7012 section 5.1), or of the interface 0, which is none. It holds for flows that do not say where
// they come from while all parts agree and nothing was announced for their domain, and for 95 minutes after a part was pulled out at most.
func TestTheRateOfAPartIsNotThatOfTheWhole(t *testing.T) {
	for name, scope := range map[string]struct {
		version     uint16
		part, whole [2]uint16
	}{
		"line cards of NetFlow v9":     {9, card9, system9},
		"line cards of IPFIX":          {10, [2]uint16{141, 4}, domain},
		"points of observation":        {10, [2]uint16{138, 4}, domain},
		"ports":                        {10, [2]uint16{142, 4}, domain},
		"properties that flows share":  {10, [2]uint16{137, 4}, domain},
		"line cards behind the system": {9, [2]uint16{141, 4}, system9},
	} {
		t.Run(name, func(t *testing.T) {
			part := func(n, rate uint32) said {
				s := said{7, 1, [][2]uint16{scope.part, interval}, []uint32{n, rate}}
				if name == "line cards behind the system" {
					s.fields, s.values = append([][2]uint16{system9}, s.fields...), append([]uint32{1}, s.values...)
				}
				return s
			}
			whole := func(rate uint32) said { return said{7, 1, [][2]uint16{scope.whole, interval}, []uint32{7, rate}} }
			f := newFleet(t, 2)
			l := &life{fleet: f, version: scope.version}
			for i, phase := range []struct {
				say  []said
				want uint64
			}{
				{[]said{part(0, 100)}, 100},
				{[]said{part(0, 100), part(1, 1000)}, 0},
				{[]said{part(0, 100), part(1, 100)}, 100},
				{[]said{part(0, 100), part(1, 1000), whole(10)}, 10},
				{[]said{part(0, 1000), part(1, 10), whole(100)}, 100},
				{[]said{part(1, 500)}, 500},
			} {
				for at := time.Duration(0); at < 100*time.Minute; at += 5 * time.Minute {
					l.say(f.collectors[0], phase.say...)
					f.wait(5 * time.Minute)
				}
				if i%2 == 1 {
					f.replace(1)
				}
				for c := range f.collectors {
					if got := l.rate(f.collectors[c], sampler, -1); got != phase.want {
						t.Errorf("phase %d, collector %d: the rate is %d, want %d", i, c, got, phase.want)
					}
				}
			}
		})
	}
	t.Run("interface 0 beside the system", func(t *testing.T) {
		f := newFleet(t, 2)
		l := &life{fleet: f, version: 9}
		for turn := range 6 {
			l.say(f.collectors[0], said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}, said{7, 1, [][2]uint16{port9, interval}, []uint32{0, 0}},
				said{7, 1, [][2]uint16{port9, interval}, []uint32{5, 50}})
			f.wait(10 * time.Minute)
			for c := range f.collectors {
				if got := l.rate(f.collectors[c], sampler, -1); got != 100 {
					t.Errorf("turn %d, collector %d: the rate is %d, want 100", turn, c, got)
				}
			}
		}
	})
}

// Numbers of selectors have 64 bits (RFC 5477 section 8.2.1), and some exporters use all of them.
func TestASelectorHasItsRateWhateverItsNumber(t *testing.T) {
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 10}
	numbers := [][]uint32{{0, 9}, {1 << 24, 9}, {1<<31 | 5, 9}, {1<<32 - 1, 1<<32 - 1}}
	for range 2 {
		var table []byte
		for i, n := range numbers {
			table = append(table, u32(n[0], n[1], uint32(100*(i+1)))...)
		}
		l.send(f.collectors[0], 1000, 7, set(3, u16(400, 2, 1), u16(302, 8, 34, 4)), set(400, table))
		f.wait(10 * time.Minute)
	}
	f.replace(1)
	for c := range f.collectors {
		for i, n := range numbers {
			l.send(f.collectors[c], 1000, 7, set(2, u16(300, 2, 1, 4, 302, 8)), set(300, u32(1), u32(n...)))
			records := f.collectors[c].records
			if got, want := records[len(records)-1].SamplingRate, uint64(100*(i+1)); got != want {
				t.Errorf("collector %d: the rate of selector %#x is %d, want %d", c, n, got, want)
			}
		}
	}
}

// A flow that says where it was metered has the rate of the interface there, else that of the whole exporter, before one of the interface at its
// other end.
func TestAFlowHasTheRateOfWhereItWasMetered(t *testing.T) {
	in, out := said{7, 1, [][2]uint16{port9, direction, interval}, []uint32{3, 0, 30}}, said{7, 1, [][2]uint16{port9, direction, interval}, []uint32{4, 1, 40}}
	system := said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}
	for _, test := range []struct {
		say       []said
		direction byte
		want      uint64
	}{
		{[]said{in, out, system}, 0, 30}, {[]said{in, out, system}, 1, 40},
		{[]said{out, system}, 0, 100}, {[]said{in, system}, 1, 100},
		{[]said{out}, 0, 40}, {[]said{in}, 1, 30},
	} {
		t.Run(fmt.Sprint(len(test.say), " rates, direction ", test.direction), func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 9}
			l.say(f.collectors[0], test.say...)
			for c := range f.collectors {
				l.send(f.collectors[c], 1000, 7, set(0, u16(300, 4, 1, 4, 10, 4, 14, 4, 61, 1)), set(300, u32(1, 3, 4), []byte{test.direction}))
				records := f.collectors[c].records
				if got := records[len(records)-1].SamplingRate; got != test.want {
					t.Errorf("collector %d: the rate is %d, want %d", c, got, test.want)
				}
			}
		})
	}
}

// The other direction of a biflow (RFC 5103) is a flow of its own: it came in where the first one left. It has the rate of where it was metered,
// unless the record says its rate or sampler, which are of both.
func TestBothDirectionsOfABiflowHaveTheRateOfWhereTheyWereMetered(t *testing.T) {
	at := func(index, way, rate uint32) said {
		return said{7, 1, [][2]uint16{{[]uint16{10, 14}[way], 4}, interval}, []uint32{index, rate}}
	}
	all := said{7, 1, [][2]uint16{domain, interval}, []uint32{7, 9}}
	for name, test := range map[string]struct {
		say       []said
		fields    []uint16 // beside the counters and interfaces
		values    []byte
		out, back uint64
	}{
		"each as it comes in":                 {[]said{at(3, 0, 30), at(4, 0, 40)}, nil, nil, 30, 40},
		"one interface, both ways":            {[]said{at(3, 0, 30), at(3, 1, 31)}, nil, nil, 30, 31},
		"metered as it came in":               {[]said{at(3, 0, 30), at(3, 1, 31), at(4, 0, 40), at(4, 1, 41)}, []uint16{61, 1}, []byte{0}, 30, 31},
		"metered as it left":                  {[]said{at(3, 0, 30), at(3, 1, 31), at(4, 0, 40), at(4, 1, 41)}, []uint16{61, 1}, []byte{1}, 41, 40},
		"only one interface is sampled apart": {[]said{at(3, 0, 30), all}, nil, nil, 30, 9},
		"all alike":                           {[]said{all}, nil, nil, 9, 9},
		"the record's own":                    {[]said{at(3, 0, 30), at(4, 0, 40)}, []uint16{34, 4}, u32(5), 5, 5},
		"a selector's": {[]said{at(3, 0, 30), at(4, 0, 40), {7, 1, [][2]uint16{selector, interval}, []uint32{2, 20}}},
			[]uint16{302, 4}, u32(2), 20, 20},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 10}
			l.say(f.collectors[0], test.say...)
			for i, c := range f.collectors {
				c.decoder.Configure(&netflow.Settings{Hold: true, Biflows: true, HeldBytes: 1 << 20, HeldBytesPerExporter: 1 << 20,
					HeldAge: int64(time.Minute), Sessions: 100})
				c.records = nil
				fields := append(u16(1, 4, 1|0x8000, 4), append(u32(29305), u16(10, 4, 14, 4)...)...)
				l.send(c, 1000, 7, set(2, u16(300, uint16(4+len(test.fields)/2)), fields, u16(test.fields...)),
					set(300, u32(1000, 500, 3, 4), test.values))
				if len(c.records) != 2 || c.records[0].SamplingRate != test.out || c.records[1].SamplingRate != test.back || c.records[1].InIf != 4 {
					t.Errorf("collector %d: %d flows, with rates %d and %d; want %d and %d", i, len(c.records), c.records[0].SamplingRate,
						c.records[len(c.records)-1].SamplingRate, test.out, test.back)
				}
			}
		})
	}
}

// The numbers of samplers and selectors are a domain's own where it describes any: a number that it does not describe is not another domain's, however
// many those describe, and by whichever element. Where only another domain describes any, as that of a route processor, these count.
func TestANumberIsThatOfItsOwnDomain(t *testing.T) {
	many := func(domain, samplers, rate uint32, element [2]uint16) (out []said) {
		for i := range samplers {
			out = append(out, said{domain, 1, [][2]uint16{{149, 4}, element, interval}, []uint32{domain, i + 1, rate}})
		}
		return out
	}
	sampler := [2]uint16{48, 4}
	for name, test := range map[string]struct {
		say  []said
		want uint64
	}{
		"the processor's only":                       {many(8, 20, 80, sampler), 80},
		"the processor's only, very many":            {many(8, 300, 80, sampler), 80},
		"its own, and others":                        {append(many(7, 2, 70, sampler), many(8, 20, 80, sampler)...), 0},
		"its own, and very many others":              {append(many(7, 2, 70, sampler), many(8, 300, 80, sampler)...), 0},
		"its own, which it describes":                {append(many(7, 9, 70, sampler), many(8, 300, 80, sampler)...), 70},
		"its own selectors, and samplers of another": {append(many(7, 2, 70, selector), many(8, 20, 80, sampler)...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 10}
			l.say(f.collectors[0], test.say...)
			f.replace(1)
			for i, c := range f.collectors {
				if got := l.rate(c, sampler, 9); got != test.want {
					t.Errorf("collector %d: the rate is %d, want %d", i, got, test.want)
				}
			}
		})
	}
}

// What a domain begins to announce does not take the place of what another domain announces: flows of a third one have no rate while the two differ,
// also in a collector that hears neither, and the one that is left within 95 minutes of the other's end.
func TestARateOfOneDomainDoesNotReplaceAnothers(t *testing.T) {
	for name, about := range map[string][2]uint16{"interface": ingress, "card": {141, 4}, "sampler": {48, 4}, "selector": selector, "process": process} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 10}
			says := func(of, rate uint32) said {
				return said{of, 2, [][2]uint16{domain, about, interval}, []uint32{of, 3, rate}}
			}
			id := -1
			if name == "sampler" || name == "selector" {
				id = 3
			}
			read := func(when string, want uint64) {
				for i, c := range f.collectors {
					// Port 1000 announces: a line card's flows come from a port of their own.
					fields, n, body := u16(1, 4, 10, 4), uint16(2), u32(1, 3)
					if id >= 0 {
						fields, n, body = append(fields, u16(about[0], 4)...), 3, append(body, u32(3)...)
					}
					l.send(c, 2000, 7, set(2, u16(300, n), fields), set(300, body))
					if got := c.records[len(c.records)-1].SamplingRate; got != want {
						t.Errorf("%s, collector %d: the rate is %d, want %d", when, i, got, want)
					}
				}
			}
			for range 13 {
				l.say(f.collectors[0], says(8, 200))
				f.wait(5 * time.Minute)
			}
			read("one domain", 200)
			l.say(f.collectors[0], says(9, 300))
			read("another one begins", 0)
			for range 4 {
				f.wait(5 * time.Minute)
				l.say(f.collectors[0], says(8, 200), says(9, 300))
				read("both go on", 0)
			}
			for range 20 {
				f.wait(5 * time.Minute)
				l.say(f.collectors[0], says(9, 300))
			}
			read("the first one has ended", 300)
		})
	}
}
