package lives

import (
	"net/netip"
	"testing"
	"time"
)

// neighbourhood is a device whose layout competes with that of others behind the same address.
func neighbourhood() (address netip.Addr, other *device) {
	address = netip.MustParseAddr("192.0.2.1")
	return address, &device{address: address, domain: 1, port: 999, layout: 1}
}

// all asserts that each collector reads what the devices send, and counts what is not decoded.
func (f *fleet) undecoded(when any, devices ...*device) (n int) {
	f.t.Helper()
	for _, d := range devices {
		for i, c := range f.collectors {
			ok, wrong, _ := d.data(c, d.port)
			if wrong {
				f.t.Fatalf("%v, collector %d: port %d is read with another one's layout", when, i, d.port)
			}
			if !ok {
				n++
			}
		}
	}
	return n
}

func TestProbeChassis(t *testing.T) {
	for _, ports := range []int{10, 48, 300} {
		f := newFleet(t, 3)
		address, other := neighbourhood()
		devices := []*device{other}
		for n := range ports {
			devices = append(devices, &device{address: address, domain: 1, port: uint16(1000 + n)})
		}
		for round := range 60 {
			w := f.writes
			for n, d := range devices {
				d.announce(f.collectors[n%2])
			}
			u := f.undecoded(round, devices...)
			if round < 3 || round%6 == 0 {
				t.Logf("%d ports, round %d: undecoded %d of %d, writes %d, keys %d", ports, round, u, 3*len(devices), f.writes-w, len(f.bucket))
			}
			f.wait(5 * time.Minute)
			f.relist()
		}
		for h := range 60 { // a new port each 3 hours, said once
			for range 6 {
				f.wait(30 * time.Minute)
				for n, d := range devices {
					d.announce(f.collectors[n%2])
				}
			}
			d := &device{address: address, domain: 1, port: uint16(5000 + h)}
			d.announce(f.collectors[0])
			if u := f.undecoded(h, d); u > 0 {
				t.Logf("%d ports: new port %d undecoded at %d", ports, h, u)
			}
		}
	}
}

func TestProbeRestart(t *testing.T) {
	f := newFleet(t, 3)
	_, other := neighbourhood()
	d := &device{address: other.address, domain: 1, port: 1000}
	late := 0
	for at := range 24 * 2 * 40 { // each 3 hours a new port
		f.wait(30 * time.Minute)
		other.announce(f.collectors[1])
		if at%6 == 0 {
			d.port++
			d.announce(f.collectors[0])
			late += f.undecoded(at, d)
		} else {
			d.announce(f.collectors[0])
		}
	}
	t.Logf("late %d, keys %d", late, len(f.bucket))
	for i := range f.collectors {
		f.replace(i)
	}
	late = 0
	for at := range 24 * 2 * 10 {
		f.wait(30 * time.Minute)
		other.announce(f.collectors[1])
		if at%6 == 0 {
			d.port++
			d.announce(f.collectors[0])
			late += f.undecoded(at, d)
		} else {
			d.announce(f.collectors[0])
		}
	}
	t.Logf("after the restart: late %d of %d, keys %d", late, 80*3, len(f.bucket))
}
