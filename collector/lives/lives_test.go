package lives

import (
	"net/netip"
	"testing"
	"time"
)

// Two devices with the same address, domain and port, each at a collector of its own: once both were heard, neither is read with
// the other's layout, and a collector that hears none of them itself holds their data.
func TestTwins(t *testing.T) {
	f := newFleet(t, 3)
	address := netip.MustParseAddr("192.0.2.1")
	a := &device{address: address, domain: 1, port: 1000, layout: 0}
	b := &device{address: address, domain: 1, port: 1000, layout: 1}
	for round := range 20 {
		f.wait(30 * time.Second)
		a.announce(f.collectors[0])
		if ok, wrong, _ := a.data(f.collectors[0], 1000); !ok || wrong {
			t.Fatalf("round %d: the first: decoded %v, wrong %v", round, ok, wrong)
		}
		if round == 0 {
			f.wait(30 * time.Second)
			continue
		}
		f.wait(30 * time.Second)
		b.announce(f.collectors[1])
		if ok, wrong, _ := b.data(f.collectors[1], 1000); !ok || wrong {
			t.Fatalf("round %d: the second: decoded %v, wrong %v", round, ok, wrong)
		}
		if _, wrong, _ := a.data(f.collectors[0], 1000); wrong {
			t.Fatalf("round %d: the first is read with the second's layout", round)
		}
		if ok, _, _ := a.data(f.collectors[2], 1000); round > 1 && ok {
			t.Fatalf("round %d: a collector that hears neither guesses", round)
		}
	}
}

// A redefinition, heard once by any collector, holds in all.
func TestARedefinitionHeardOnceWinsEverywhere(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	for i := range 10 {
		d.layout = i % len(layouts)
		d.announce(f.collectors[0])
		f.wait(time.Minute)
		for n, c := range f.collectors {
			if ok, wrong, _ := d.data(c, 1000); !ok || wrong {
				t.Fatalf("change %d, collector %d: decoded %v, wrong %v", i, n, ok, wrong)
			}
		}
	}
}

// An exporter restarts with new ports and another layout; its data comes from a port that never sends a template.
func TestARestartWithNewPortsIsHeldForAnHourAtMost(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	d.announce(f.collectors[0])
	f.wait(time.Minute)
	d.port, d.layout, d.rate = 5000, 1, 100
	for at := time.Duration(0); at < 3*time.Hour; at += time.Minute {
		d.announce(f.collectors[0])
		ok, wrong, rate := d.data(f.collectors[1], 5001)
		if wrong || at > cardsHeld && !ok || ok && rate != 100 {
			t.Fatalf("%s after the restart: decoded %v, wrong %v, rate %d", at, ok, wrong, rate)
		}
		f.wait(time.Minute)
	}
	f.replace(1)
	if ok, wrong, _ := d.data(f.collectors[1], 5001); !ok || wrong {
		t.Error("a collector that restarts decides otherwise than before")
	}
}

// Data that waits for its template is not read with one of the exporter's next life, whoever of the collectors hears that.
func TestDataOfAFormerLifeIsNotReadWithALaterLayout(t *testing.T) {
	for _, at := range []int{0, 1} {
		f := newFleet(t, 2)
		d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
		for range 20 {
			if ok, _, _ := d.data(f.collectors[0], 1000); ok {
				t.Fatal("data is read without a template")
			}
			f.wait(time.Second)
		}
		d.sequence, d.layout = 0, 1 // it restarts
		f.wait(time.Minute)
		ok, wrong, _ := d.data(f.collectors[0], 1000)
		d.announce(f.collectors[at])
		records := f.collectors[0].records
		if ok || wrong || len(records) != 1 || records[0].Packets != packetsOfTest || records[0].InIf != inputOfTest {
			t.Errorf("heard by collector %d: %d records of the two lives, want that of the second", at, len(records))
		}
	}
}

// The bucket holds what was heard within the ttl, and is not written while nothing changes.
func TestTheBucketForgetsWhatNobodySays(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	gone := &device{address: netip.MustParseAddr("192.0.2.2"), domain: 1, port: 1000}
	gone.announce(f.collectors[0])
	d.announce(f.collectors[0])
	before := f.writes
	for range 10 * 24 {
		f.wait(time.Hour)
		d.announce(f.collectors[0])
	}
	if f.writes != before {
		t.Errorf("%d writes in ten days without a change", f.writes-before)
	}
	for range 30 * 24 {
		f.wait(time.Hour)
		d.announce(f.collectors[0])
	}
	if len(f.bucket) != 3 {
		t.Errorf("%d keys after 40 days, want the template, the options template and the rate of the one that is heard", len(f.bucket))
	}
	f.wait(31 * 24 * time.Hour)
	if len(f.bucket) != 0 {
		t.Errorf("%d keys of what nobody said for 31 days", len(f.bucket))
	}
}
