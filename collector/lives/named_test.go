package lives

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// chassis is a device with many ports, behind an address that another device has, too, whose layout is another one.
func chassis(ports int) (other *device, cards []*device) {
	address := netip.MustParseAddr("192.0.2.1")
	for n := range ports {
		cards = append(cards, &device{address: address, domain: 1, port: uint16(1000 + n)})
	}
	return &device{address: address, domain: 1, port: 999, layout: 1}, cards
}

// says has a device send its template once.
func (d *device) says(c *collector) {
	d.send(c, d.port, 0, d.template())
	c.fleet.sync()
}

// unread counts the collectors that do not read what a device sends.
func (f *fleet) unread(d *device) (n int) {
	f.t.Helper()
	for i, c := range f.collectors {
		ok, wrong, _ := d.data(c, d.port)
		if wrong {
			f.t.Fatalf("collector %d: port %d is read with another one's layout", i, d.port)
		}
		if !ok {
			n++
		}
	}
	return n
}

// The ports of a large chassis that repeats what it says are read by all collectors for as long as it does, also by those that start. They are
// written to the bucket each half hour at most, and use up no names: a port that says a layout once is read by all, too.
func TestALargeChassisIsReadForDays(t *testing.T) {
	for name, test := range map[string]struct{ ports, collectors int }{
		"at one collector":  {100, 1},
		"at two collectors": {200, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			other, cards := chassis(test.ports)
			all := append(cards, other)
			before := 0
			for round := range 150 { // of 10 minutes each
				if round == 5 {
					before = f.writes
				}
				for n, d := range all {
					d.says(f.collectors[n%test.collectors])
				}
				for _, d := range all {
					if n := f.unread(d); n > 0 && round > 1 {
						t.Fatalf("round %d: %d collectors do not read port %d", round, n, d.port)
					}
				}
				f.wait(9 * time.Minute)
				f.wait(time.Minute)
				if round%10 == 9 {
					f.replace(round / 10 % 3)
				}
			}
			if most := (150/3 + 15) * len(all); f.writes-before > most {
				t.Errorf("%d writes, of %d at most", f.writes-before, most)
			}
			f.wait(2 * time.Hour)
			for n, d := range all {
				d.says(f.collectors[n%test.collectors])
			}
			once := &device{address: other.address, domain: 1, port: 9000}
			once.says(f.collectors[0])
			if n := f.unread(once); n > 0 {
				t.Errorf("%d collectors do not read a port that is new", n)
			}
		})
	}
}

// A device takes another port each three hours, for weeks; that is seldom enough for each to be named. So it is when collectors start, and find
// all these ports in the bucket, and when the bucket is lost or rolled back.
func TestPortsThatAreNamedOverWeeksHinderNoneThatIsNew(t *testing.T) {
	f := newFleet(t, 3)
	other, cards := chassis(1)
	d := cards[0]
	const each = 9 // times 20 minutes
	for at := range each * 8 * 20 {
		f.wait(20 * time.Minute)
		other.says(f.collectors[1])
		if at%each == 0 {
			d.port++
		}
		d.says(f.collectors[0])
		if n := f.unread(d); n > 0 {
			t.Fatalf("port %d: %d collectors do not read it", d.port, n)
		}
		switch at {
		case each*8*10 + 1, each*8*10 + 3, each*8*10 + 5:
			f.replace(at / 2 % 3)
		case each * 8 * 12:
			f.snapshot = maps.Clone(f.bucket)
		case each * 8 * 14:
			f.bucket = maps.Clone(f.snapshot)
			f.relist()
		case each * 8 * 16:
			clear(f.bucket)
			f.relist()
		}
	}
	if len(f.bucket) > 20*8+10 {
		t.Errorf("%d keys", len(f.bucket))
	}
}

// Somebody forges announcements from many ports of an address whose devices have several layouts. The bucket has few keys of these. A port that is
// new is read by who hears it, and by the others once it is heard again; what they are not told of is counted. One more is named each two
// hours.
func TestForgedPortsLeaveFewKeysAndHinderNobodyForLong(t *testing.T) {
	f := newFleet(t, 3)
	other, cards := chassis(1)
	d := cards[0]
	both := func() {
		other.says(f.collectors[1])
		d.says(f.collectors[0])
	}
	both()
	f.wait(time.Minute)
	both()
	keys := len(f.bucket)
	forge := func(ports int) {
		for n := range ports {
			forged := &device{address: d.address, domain: 1, port: uint16(20_000 + n), layout: n % 2}
			forged.says(f.collectors[n%3])
		}
	}
	forge(3000)
	if n := len(f.bucket) - keys; n < 60 || n > 64 {
		t.Errorf("%d forged ports have keys", n)
	}
	f.wait(time.Minute)
	both()
	d.port = 5000
	both()
	if n := f.unread(d); n != 2 {
		t.Errorf("%d collectors do not read a port that is new, want those that have not heard it", n)
	}
	if n := f.collectors[0].totals.Load()[ledger.TemplatesUnshared]; n < 900 {
		t.Errorf("%d templates are counted as known to this collector only", n)
	}
	f.wait(5 * time.Minute)
	both()
	if n := f.unread(d); n > 0 {
		t.Errorf("%d collectors do not read a port that was heard again", n)
	}
	for range 5 {
		for range 13 {
			f.wait(20 * time.Minute)
			both()
		}
		d.port++
		both()
		if n := f.unread(d); n > 0 {
			t.Errorf("%d collectors do not read port %d, though it may be named", n, d.port)
		}
	}
}
