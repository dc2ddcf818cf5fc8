package lives

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// A collector has more exporters than it remembers, and goes on so for days. One that made room and sends data again is read at once, with its
// layout and its rate and its names, though it has announced nothing: the bucket is asked for it. So it is however long ago the bucket was
// told of it. Others that are heard stay.
func TestAnExporterThatMadeRoomIsReadAsSoonAsItSendsAgain(t *testing.T) {
	for _, after := range []time.Duration{time.Minute, 3 * time.Hour, 10 * 24 * time.Hour} {
		t.Run(after.String(), func(t *testing.T) {
			f := newFleet(t, 0)
			f.limits.Exporters = 10
			f.collectors = append(f.collectors, f.start())
			c := f.collectors[0]
			d := newTitled(1000, "ge-0/0/")
			d.layout, d.rate = 3, 250
			d.announce(c)
			d.names(c, "uplink")
			f.wait(time.Minute)
			for i := range 30 {
				(&device{address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), domain: 1, port: 1000, rate: 300}).announce(c)
			}
			for at := time.Duration(0); at < after; at += 10 * time.Minute {
				f.now += int64(min(after, 10*time.Minute))
				for i := range 10 {
					(&device{address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), domain: 1, port: 1000, rate: 300}).announce(c)
				}
			}
			if counts := c.totals.Load(); c.store.Find(d.scope()) != nil || counts[ledger.ExportersEvicted] == 0 {
				t.Fatal("it has not made room")
			}
			if ok, _, _ := d.data(c, d.port); ok {
				t.Fatal("it is read though nothing is known of it")
			}
			f.sync() // and the bucket is asked
			f.now += int64(time.Second)
			c.records = nil
			if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != 250 {
				t.Errorf("it is read %v, wrong %v, with rate %d", ok, wrong, rate)
			}
			if got := c.named(d); got.Name != "ge-0/0/2" && after > time.Hour {
				t.Errorf("its interface is %q", got.Name)
			}
		})
	}
}
