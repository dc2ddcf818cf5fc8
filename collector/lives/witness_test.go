package lives

import (
	"net/netip"
	"testing"
	"time"
)

// A port's new layout is heard first by a collector that started since, and for which it may be another device's. Once a collector hears it that had heard the
// former one, all others read the port's data with it: they need not hear it themselves.
func TestANewLayoutCountsEverywhereOnceACollectorHearsItThatHeardTheFormerOne(t *testing.T) {
	f := newFleet(t, 4)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	for n := range 8 {
		d.send(f.collectors[n%3], d.port, 0, d.template())
		f.wait(10 * time.Minute)
	}
	f.replace(3)
	d.layout = 1
	d.send(f.collectors[3], d.port, 0, d.template())
	f.sync()
	for n, c := range f.collectors {
		if _, wrong, _ := d.data(c, d.port); wrong {
			t.Errorf("collector %d reads data wrongly", n)
		}
	}
	f.wait(time.Minute)
	d.send(f.collectors[0], d.port, 0, d.template())
	f.sync()
	for n, c := range f.collectors {
		if ok, wrong, _ := d.data(c, d.port); !ok || wrong {
			t.Errorf("collector %d: decoded %v, wrong %v", n, ok, wrong)
		}
	}
}
