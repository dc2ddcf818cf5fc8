package lives

import (
	"net/netip"
	"testing"
	"time"
)

// Two devices with the same address, domain and port, and layouts of their own, at one collector: once three layouts in a row came back, neither
// is read with the other's layout, in any collector, until only one is heard for an hour. Each repeats its template after a while of its own.
func TestTwinsAtOneCollectorAreHeldNotMixedUp(t *testing.T) {
	for name, test := range map[string]struct {
		first, second, shift time.Duration
	}{
		"in turn":              {5 * time.Minute, 5 * time.Minute, 2 * time.Minute},
		"one after the other":  {5 * time.Minute, 5 * time.Minute, 2 * time.Second},
		"one more often":       {time.Minute, 10 * time.Minute, 30 * time.Second},
		"each half hour":       {30 * time.Minute, 30 * time.Minute, 15 * time.Minute},
		"one with a slow tick": {time.Minute, 25 * time.Minute, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			address := netip.MustParseAddr("192.0.2.1")
			a := &device{address: address, domain: 1, port: 1000, layout: 0}
			b := &device{address: address, domain: 1, port: 1000, layout: 1, ahead: -20 * time.Second}
			const step = time.Second
			begun := time.Duration(0)
			for at := time.Duration(0); at < 12*time.Hour; at += step {
				f.wait(step)
				if at%(10*time.Minute) == 0 {
					f.relist()
				}
				if at%test.first == 0 {
					a.announce(f.collectors[0])
				}
				if bothOn := at < 9*time.Hour; bothOn && at >= test.shift && (at-test.shift)%test.second == 0 {
					b.announce(f.collectors[0])
				}
				if begun = 4 * max(test.first, test.second); at < begun || at%(17*time.Second) != 0 {
					continue
				}
				for i, c := range f.collectors {
					ok, wrong, _ := a.data(c, 1000)
					alone := at > 11*time.Hour+30*time.Minute
					if wrong || ok != alone && (alone || at < 9*time.Hour) {
						t.Fatalf("%s, collector %d: the first is decoded %v, wrong %v", at, i, ok, wrong)
					}
					if at < 9*time.Hour {
						if _, wrong, _ = b.data(c, 1000); wrong {
							t.Fatalf("%s, collector %d: the second is read with the first's layout", at, i)
						}
					}
				}
			}
		})
	}
}

// Somebody changes the layout of a device, and changes it back, again and again. It is never read with the layout that it does not have. It
// is read at once at first, and soon after the last change, however often that was.
func TestADeviceThatIsChangedBackAndForthIsReadAgainSoon(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	minute := func() (ok bool) {
		t.Helper()
		f.wait(time.Minute)
		d.announce(f.collectors[0])
		ok, wrong, _ := d.data(f.collectors[0], 1000)
		if wrong {
			t.Fatal("it is read with the layout that it does not have")
		}
		return ok
	}
	for change := range 9 {
		d.layout = change % 2
		for range 10 {
			if ok := minute(); !ok && change < 4 {
				t.Fatalf("after %d changes its data is held", change)
			}
		}
	}
	for range 30 {
		minute()
	}
	for range 90 {
		if !minute() {
			t.Fatal("half an hour after the last change its data is held")
		}
	}
}

// Data is read with the template that came before it in the same message: of devices that share a port, of an exporter that says another
// layout with each message, and of a message that is late.
func TestAMessageIsReadWithItsOwnTemplates(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	say := func(layout int, late time.Duration) {
		t.Helper()
		d.layout, d.ahead = layout, -late
		l := layouts[layout]
		var b []byte
		for _, element := range l {
			b = append(b, u32(map[uint16]uint32{1: 1000, 2: packetsOfTest, 10: inputOfTest}[element])...)
		}
		c := f.collectors[0]
		c.records = nil
		d.send(c, 1000, 1, d.template(), set(300, b))
		f.sync()
		if len(c.records) != 1 || c.records[0].Bytes != 1000 || c.records[0].InIf != inputOfTest {
			t.Errorf("layout %d: %+v", layout, c.records)
		}
	}
	for i := range 20 {
		f.wait(time.Minute)
		say(i%2, 0)
	}
	for i := range 5 {
		f.wait(2 * time.Hour)
		say(i%2, 0)
		f.wait(2 * time.Second)
		say(i%2+2, 0)
		f.wait(time.Second)
		say(i%2, 10*time.Second)
	}
}
