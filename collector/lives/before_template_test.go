package lives

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/names"
)

// Options records come before their template, which comes with, or behind, other ones that say something newer: the newer holds, in each
// collector, whether the same collector hears it or another one.
func TestOptionsThatWaitForTheirTemplateTakeBackNothing(t *testing.T) {
	for _, gap := range []time.Duration{10 * time.Second, 50 * time.Second, 90 * time.Second, 4 * time.Minute} {
		for later := range 2 {
			for _, version := range []uint16{9, 10} {
				t.Run(fmt.Sprint("version ", version, ", later by ", gap, ", to collector ", later), func(t *testing.T) {
					f := newFleet(t, 3)
					l := &life{fleet: f, version: version}
					about := system9
					if version == 10 {
						about = domain
					}
					say := func(rate uint32) [][]byte {
						return said{7, 1, [][2]uint16{about, interval}, []uint32{7, rate}}.sets(version)
					}
					l.send(f.collectors[0], 1000, 7, say(100)[1])
					f.wait(gap)
					l.send(f.collectors[later], 1000, 7, say(200)...)
					f.wait(time.Second)
					for i, c := range f.collectors {
						if got := l.rate(c, sampler, -1); got != 200 {
							t.Errorf("collector %d: the rate is %d", i, got)
						}
					}
				})
			}
		}
	}
}

// So it is with names and with times of initialization.
func TestNamesAndTimesThatWaitForTheirTemplateTakeBackNothing(t *testing.T) {
	const gap = 90 * time.Second
	for later := range 2 {
		f := newFleet(t, 3)
		d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
		name := func(s string) []byte { return set(401, u32(inputOfTest), fmt.Appendf(nil, "%-16s", s)) }
		began := uint64(f.now/1e6) - 50*3_600_000
		clock := func(at uint64) []byte { return set(402, u32(1), binary.BigEndian.AppendUint64(nil, at)) }
		templates := set(3, u16(401, 2, 1, 10, 4, 82, 16), u16(402, 2, 1, 149, 4, 160, 8))
		d.send(f.collectors[0], d.port, 2, name("former"), clock(began))
		f.wait(gap)
		d.send(f.collectors[later], d.port, 2, templates, name("later"), clock(began+3_600_000))
		f.sync()
		f.wait(time.Minute)
		for i, c := range f.collectors {
			row := c.names.Resolve(c.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.Interfaces,
				Number: inputOfTest}, netip.Addr{})
			if row == nil || row.Name != "later" {
				t.Errorf("later to collector %d: the name is %+v in collector %d", later, row, i)
			}
			if got := c.clocks.Initialized(d.scope(), d.port, f.now); got != began+3_600_000 {
				t.Errorf("later to collector %d: the time is %d in collector %d", later, got, i)
			}
		}
	}
}
