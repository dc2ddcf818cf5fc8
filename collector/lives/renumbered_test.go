package lives

import (
	"fmt"
	"testing"
	"time"
)

// A device with two domains numbers its samplers anew at a boot, at another collector, from the same port or from another one: flows that name a
// sampler have its new rate at once in each collector, also those of line cards' ports. One that starts later has it, too.
func TestSamplersThatAreNumberedAnewAtABootHaveTheirNewRates(t *testing.T) {
	describes := func(domain, id, rate uint32) said {
		return said{domain, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, id, rate}}
	}
	for _, port := range []uint16{1000, 2000} {
		t.Run(fmt.Sprint("from port ", port), func(t *testing.T) {
			f := newFleet(t, 3)
			l := &life{fleet: f, version: 9}
			say := func(at int, port uint16, all ...said) {
				for _, s := range all {
					l.send(f.collectors[at], port, s.domain, s.sets(9)...)
				}
			}
			want := func(when string, domain uint32, id byte, want uint64) {
				t.Helper()
				for i, c := range f.collectors {
					for _, from := range []uint16{port, 3000} {
						before := len(c.records)
						l.send(c, from, domain, set(0, u16(300, 2, 1, 4, 48, 1)), set(300, u32(1000), []byte{id}))
						if got := c.records[before].SamplingRate; got != want {
							t.Errorf("%s, collector %d, port %d: sampler %d of domain %d has rate %d, want %d", when, i, from, id, domain, got, want)
						}
					}
				}
			}
			for range 30 {
				say(0, 1000, describes(7, 1, 100), describes(7, 2, 1000), describes(8, 1, 50))
				f.wait(5 * time.Minute)
			}
			want("before", 7, 1, 100)
			want("before", 7, 2, 1000)
			want("before", 8, 1, 50)
			for round := range 40 {
				say(1, port, describes(7, 1, 1000), describes(7, 2, 100), describes(8, 3, 20))
				when := fmt.Sprint("round ", round)
				want(when, 7, 1, 1000)
				want(when, 7, 2, 100)
				want(when, 8, 3, 20)
				f.wait(5 * time.Minute)
				switch round {
				case 25:
					f.replace(2)
				case 30:
					f.replace(0)
				}
			}
			want("in the end", 8, 9, 0)    // nobody described that one
			want("in the end", 8, 1, 0)    // nor this one any more: another domain's is another one
			want("in the end", 9, 1, 1000) // which describes none of its own
		})
	}
}
