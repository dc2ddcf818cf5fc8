package lives

import (
	"fmt"
	"testing"
	"time"
)

// A pair of devices has one address and domain. One exports at a time, and the other one takes over again and again, with another layout, rate and
// names of its own; where they use different ports, or take over within a minute, it may send data before it says anything. Once both have said theirs
// twice, no record has the other one's layout, rate or name, in any collector that one's datagrams come to, and that hears it or neither.
func TestAFailoverPairTakesNothingFromEachOther(t *testing.T) {
	for _, period := range []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 10 * time.Minute, 25 * time.Minute} {
		for _, ports := range [][2]uint16{{1000, 1000}, {1000, 2000}} {
			for _, at := range [][2]int{{0, 0}, {0, 1}} {
				if ports[0] == ports[1] && at[0] != at[1] && period < 20*time.Second {
					continue // see docs/sharing.md
				}
				t.Run(fmt.Sprint("each ", period, ", ports ", ports, ", collectors ", at), func(t *testing.T) {
					f := newFleet(t, 3)
					pair := [2]*titled{newTitled(ports[0], "ge-0/0/"), newTitled(ports[1], "Ethernet1/")}
					pair[0].rate, pair[1].rate, pair[1].layout = 100, 1000, 1
					read := 0
					data := func(turn, i int, settled bool) {
						d, other := pair[i], pair[1-i]
						for n, c := range f.collectors {
							if ports[0] == ports[1] && n == at[1-i] && n != at[i] {
								continue // see docs/sharing.md: it goes by the one that it hears
							}
							c.records = nil
							ok, wrong, rate := d.data(c, d.port)
							if ok {
								read++
							}
							if settled && (wrong || ok && rate == uint64(other.rate)) {
								t.Fatalf("turn %d, collector %d: decoded %v, wrong %v, rate %d of %d", turn, n, ok, wrong, rate, d.rate)
							}
							if got := c.named(d); settled && ports[0] != ports[1] && got.Name == other.prefix+"2" {
								t.Fatalf("turn %d, collector %d: an interface of the one is %q", turn, n, got.Name)
							}
						}
					}
					for turn := range 60 {
						i := turn % 2
						d, c := pair[i], f.collectors[at[i]]
						settled := turn >= 8
						if ports[0] != ports[1] || period <= time.Minute {
							data(turn, i, settled)
						}
						const each = 5 * time.Minute
						for left := period; left > 0; left -= each {
							d.announce(c)
							d.names(c, "")
							f.wait(time.Second)
							data(turn, i, settled)
							f.wait(min(left, each) - time.Second)
						}
						if turn == 30 {
							f.replace(2)
						}
					}
					if ports[0] != ports[1] && read == 0 {
						t.Error("nothing is read")
					}
				})
			}
		}
	}
}
