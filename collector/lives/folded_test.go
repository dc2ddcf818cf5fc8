package lives

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Many exporters behind one address, each with a port of its own: a flow takes the rate of its own port, or none, and never a neighbour's,
// however many there are; and what they repeat costs no writes.
func TestManyNeighboursKeepTheirRates(t *testing.T) {
	for _, test := range []struct {
		devices int
		domains bool // each has its own
		all     bool // have their rate
	}{{60, false, true}, {100, false, true}, {100, true, true}, {200, false, true}, {400, false, false}, {400, true, false}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			f := newFleet(t, 2)
			var devices []*device
			for i := range test.devices {
				d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: uint16(1000 + i), rate: uint32(100 + i)}
				if test.domains {
					d.domain = uint32(i)
				}
				devices = append(devices, d)
			}
			round := func() (known int) {
				for i, d := range devices {
					d.announce(f.collectors[0])
					for _, c := range f.collectors {
						for _, o := range []*device{d, devices[(i+test.devices/2)%test.devices], devices[(i+1)%test.devices]} {
							ok, wrong, rate := o.data(c, o.port)
							if wrong || ok && rate != 0 && rate != uint64(o.rate) {
								t.Fatalf("device %d has rate %d, not %d", o.port, rate, o.rate)
							}
							if ok && rate != 0 {
								known++
							}
						}
					}
				}
				f.wait(5 * time.Minute)
				return known
			}
			for _, d := range devices {
				d.announce(f.collectors[0])
			}
			f.wait(5 * time.Minute)
			known := 0
			for range 2 {
				round()
			}
			before := f.writes
			for range 5 {
				known = round()
			}
			if test.all && known != 6*test.devices {
				t.Errorf("%d of %d flows have a rate", known, 6*test.devices)
			}
			if test.all && f.writes != before {
				t.Errorf("%d writes without a change", f.writes-before)
			}
		})
	}
}

// What makes room for others is not taken for a neighbour's: beyond the bounds a flow has no rate and no boot time, rather than a wrong one.
func TestBeyondTheBoundsNothingIsGuessed(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.1")
	t.Run("ports", func(t *testing.T) {
		f := newFleet(t, 2)
		began := f.now
		devices := make([]*device, 1100)
		for i := range devices {
			devices[i] = &device{address: address, domain: 1, port: uint16(1000 + i), rate: uint32(100 + i)}
		}
		for round := range 3 {
			for i, d := range devices {
				d.announce(f.collectors[0])
				up := binary.BigEndian.AppendUint64(nil, uint64(began/1e6)-uint64(i+1)*3_600_000)
				d.send(f.collectors[0], d.port, 1, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, u32(1), up))
				f.sync()
				o := devices[(i+550)%len(devices)]
				if round == 0 {
					continue
				}
				for _, c := range f.collectors {
					if ok, wrong, rate := o.data(c, o.port); wrong || ok && rate != 0 && rate != uint64(o.rate) {
						t.Fatalf("the rate of port %d is %d, want %d", o.port, rate, o.rate)
					}
					c.records = nil
					const minute = 60_000
					up := uint32((i+550)%len(devices)+1)*3_600_000 + uint32((f.now-began)/1e6) - minute
					o.send(c, o.port, 1, set(2, u16(302, 3, 22, 4, 21, 4, 1, 4)), set(302, u32(up-1000, up, 1)))
					if end := int64(c.records[0].TimeFlowEndNs); end != f.now && end != f.now-int64(time.Minute) {
						t.Fatalf("a flow of port %d ends %s before it is exported", o.port, time.Duration(f.now-end))
					}
				}
			}
			f.wait(time.Second)
		}
	})
	t.Run("interfaces", func(t *testing.T) {
		f := newFleet(t, 2)
		l := &life{fleet: f, version: 9}
		for range 2 {
			l.say(f.collectors[0], said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 10}}, said{7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}})
			for i := range uint32(5000) {
				l.say(f.collectors[0], said{7, 1, [][2]uint16{port9, interval}, []uint32{i + 10, 1000 + i}})
			}
		}
		for i, c := range f.collectors {
			if got := l.rate(c, sampler, -1); got != 0 && got != 1000 {
				t.Errorf("collector %d: the rate is %d, want that of the interface, or none", i, got)
			}
		}
	})
}
