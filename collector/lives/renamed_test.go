package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/names"
)

// A VRF is renamed, and gets its first name back hours later, with a clock that is set back and forth, ports that change or not, and one collector or
// two that hear it: all collectors have the name that was said last, also when one starts and when the bucket is lost.
func TestAVRFThatIsRenamedHasItsNewNameEverywhere(t *testing.T) {
	for _, moves := range []bool{false, true} {
		for _, elsewhere := range []int{0, 1} {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			name := "red"
			say := func(at int) {
				d.send(f.collectors[at], d.port, 2, set(3, u16(403, 2, 1, 234, 4, 236, 16)), set(403, u32(5), fmt.Appendf(nil, "%-16s", name)))
				f.sync()
			}
			check := func(when string) {
				t.Helper()
				for i, c := range f.collectors {
					row := c.names.Resolve(c.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.VRFs, Number: 5}, netip.Addr{})
					if row == nil || row.Name != name {
						t.Fatalf("ports change: %v, %s, collector %d: it is %+v, want %s", moves, when, i, row, name)
					}
				}
			}
			for round := range 60 {
				if moves {
					d.port++
				}
				say(round % 2 * elsewhere)
				f.wait(5 * time.Minute)
				check(fmt.Sprint("round ", round))
				switch round {
				case 10:
					name = "blue"
				case 20:
					name = "green"
					d.ahead = -5 * time.Hour
				case 30:
					f.replace(1)
				case 40:
					name = "red"
					d.ahead = 0
				case 45:
					clear(f.bucket)
					f.relist()
				case 50:
					name = "other"
				}
			}
		}
	}
}

// An options template gets another scope with the same id, at another collector: what it said before gives way to what it says now.
func TestAnOptionsTemplateWhoseScopeChangesSaysSomethingElse(t *testing.T) {
	f := newFleet(t, 3)
	l := &life{fleet: f, version: 9}
	want := func(when string, want uint64) {
		t.Helper()
		for i, c := range f.collectors {
			if got := l.rate(c, sampler, -1); got != want {
				t.Errorf("%s: collector %d has rate %d, want %d", when, i, got, want)
			}
		}
	}
	all := said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}
	one := said{7, 1, [][2]uint16{port9, interval}, []uint32{3, 50}}
	named := said{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 30}}
	for i, step := range []struct {
		say  said
		want uint64
	}{{all, 100}, {one, 50}, {named, 30}, {all, 100}} {
		for range 25 {
			l.say(f.collectors[i%2], step.say)
			f.wait(5 * time.Minute)
		}
		want(fmt.Sprint("step ", i), step.want)
		f.replace(2)
		want(fmt.Sprint("step ", i, ", one has started"), step.want)
	}
}
