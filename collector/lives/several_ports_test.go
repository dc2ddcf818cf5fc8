package lives

import (
	"net/netip"
	"testing"
	"time"
)

// An exporter sends from several ports, and what it says comes to any collector. It takes another layout, which one collector hears of all ports before the others
// are told of any: none of these brings back what a port said before.
func TestPortsThatTakeAnotherLayoutAtOnceKeepIt(t *testing.T) {
	f := newFleet(t, 3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	ports := []uint16{1000, 1001, 1002}
	for range 3 {
		for i, port := range ports {
			d.send(f.collectors[i], port, 0, d.template())
			f.wait(time.Minute)
		}
	}
	d.layout = 1
	for _, port := range ports {
		d.send(f.collectors[0], port, 0, d.template())
	}
	f.sync()
	for n, c := range f.collectors {
		for _, port := range ports {
			if ok, wrong, _ := d.data(c, port); wrong || n == 0 && !ok {
				t.Errorf("collector %d, port %d: decoded %v, wrong %v", n, port, ok, wrong)
			}
		}
	}
}

// A key that somebody deletes takes what its port said before with it: what collectors heard of that before another one heard the port's last word.
func TestAKeyThatIsDeletedBringsBackNothing(t *testing.T) {
	f := newFleet(t, 3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	for _, c := range f.collectors {
		d.announce(c)
		f.wait(time.Minute)
	}
	d.layout = 1
	d.announce(f.collectors[0])
	const name = "t1.ipfix.192-0-2-1.1.1000.300"
	delete(f.bucket, name)
	for _, c := range f.collectors {
		c.store.Forget(f.key(name))
	}
	f.wait(10 * time.Minute)
	for n, c := range f.collectors {
		if ok, _, _ := d.data(c, d.port); ok {
			t.Errorf("collector %d reads data with a layout of before", n)
		}
	}
	d.announce(f.collectors[0])
	for n, c := range f.collectors {
		if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
			t.Errorf("collector %d: decoded %v, wrong %v once it is said again", n, ok, wrong)
		}
	}
}
