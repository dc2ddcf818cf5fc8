package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// ttls are as short as they may be, and shorter than what is written while devices contradict each other.
var ttls = []time.Duration{10 * time.Minute, 20 * time.Minute, time.Hour, 2 * time.Hour}

// forTTLs runs a life of hours for each of them, minute by minute.
func forTTLs(t *testing.T, minutes int, live func(t *testing.T, f *fleet) func(minute int)) {
	for _, ttl := range ttls {
		t.Run(fmt.Sprint(ttl), func(t *testing.T) {
			f := newFleet(t, 0)
			f.limits.TTL = ttl
			f.begin(3)
			each := live(t, f)
			for minute := range minutes {
				each(minute)
				f.wait(time.Minute)
				if minute%10 == 9 {
					f.relist()
				}
				if minute%47 == 46 {
					f.replace(2)
				}
				if t.Failed() {
					t.Fatalf("in minute %d", minute)
				}
			}
		})
	}
}

// Rates that devices with one port dispute, are disputed in all collectors for as long as both are announced.
func TestADisputeOutlastsAShortTTL(t *testing.T) {
	forTTLs(t, 400, func(t *testing.T, f *fleet) func(int) {
		l := &life{fleet: f, version: 9}
		return func(minute int) {
			if minute%2 == 0 {
				l.say(f.collectors[0], said{7, 1, [][2]uint16{system9, interval}, []uint32{1, uint32(100 + minute/2%2*100)}})
			}
			for i, c := range f.collectors {
				if got := l.rate(c, sampler, -1); minute > 10 && got != 0 {
					t.Errorf("collector %d: the rate is %d", i, got)
				}
			}
		}
	})
}

// Neighbours with layouts and rates of their own are read in all collectors, and what neither of them can be told to have sent is held.
func TestNeighboursAreReadWithAShortTTL(t *testing.T) {
	forTTLs(t, 400, func(t *testing.T, f *fleet) func(int) {
		address := netip.MustParseAddr("192.0.2.1")
		all := []*device{{address: address, domain: 1, port: 1000, rate: 100}, {address: address, domain: 1, port: 2000, layout: 1, rate: 200}}
		return func(minute int) {
			for i, d := range all {
				if minute%3 == i {
					d.announce(f.collectors[i])
				}
			}
			for i, c := range f.collectors {
				for _, d := range all {
					if ok, wrong, rate := d.data(c, d.port); minute > 5 && (!ok || wrong || rate != uint64(d.rate)) {
						t.Errorf("collector %d, port %d: read %v, wrong %v, rate %d", i, d.port, ok, wrong, rate)
					}
				}
				if ok, _, _ := all[0].data(c, 3000); minute > 5 && ok {
					t.Errorf("collector %d guesses what a port sends that has said nothing", i)
				}
			}
		}
	})
}

// A device that takes another port and layout is read from its cards' ports as soon as docs/sharing.md says.
func TestARestartIsReadWithAShortTTL(t *testing.T) {
	forTTLs(t, 400, func(t *testing.T, f *fleet) func(int) {
		d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
		moved := 0
		return func(minute int) {
			if minute%150 == 149 {
				d.port, d.layout, d.rate, moved = d.port+10, d.layout+1, d.rate+100, minute
			}
			if minute%3 == 0 || moved == minute {
				d.announce(f.collectors[0])
			}
			for i, c := range f.collectors {
				since := time.Duration(minute-moved) * time.Minute
				if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != uint64(d.rate) {
					t.Errorf("collector %d: read %v, wrong %v, rate %d", i, ok, wrong, rate)
				}
				ok, wrong, rate := d.data(c, d.port+1)
				if wrong || !ok && since > cardsHeld || ok && rate != uint64(d.rate) && since > rateWithin {
					t.Errorf("collector %d, a card: read %v, wrong %v, rate %d, %s after it restarted", i, ok, wrong, rate, since)
				}
			}
		}
	})
}
