package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// A whole exporter makes room for others: two devices with one address and domain, and layouts and rates of their own. When one of them is heard
// again, minutes or a day later, the other one's data is not read with its layout or rate; it is read right once that is heard, too, or once
// the bucket is listed again. What made room is counted, and stays in the bucket.
func TestAnExporterThatMadeRoomComesBackAsItWas(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Minute, 3 * time.Hour, 24 * time.Hour} {
		for _, layout := range []int{0, 1} {
			t.Run(fmt.Sprint(after, ", layout ", layout), func(t *testing.T) {
				f := newFleet(t, 0)
				f.limits.Exporters = 3
				f.collectors = append(f.collectors, f.start())
				c := f.collectors[0]
				all := neighbours()
				all[0].rate, all[1].rate, all[1].layout = 100, 200, layout
				for range 3 {
					for _, d := range all {
						d.announce(c)
						f.wait(time.Minute)
					}
				}
				keys := len(f.bucket)
				for i := range 20 {
					(&device{address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), domain: 1, port: 1000, rate: 300}).announce(c)
				}
				counts := c.totals.Load()
				if counts[ledger.ExportersEvicted] < 1 || counts[ledger.SamplingEvicted] < 2 {
					t.Fatalf("%d exporters and %d rates are counted as evicted", counts[ledger.ExportersEvicted], counts[ledger.SamplingEvicted])
				}
				if len(f.bucket) != keys+20*3 {
					t.Errorf("%d keys in the bucket, want those of all", len(f.bucket))
				}
				f.now += int64(after) // the bucket is not listed yet
				if ok, _, _ := all[1].data(c, 2000); ok {
					t.Error("it is read though nothing is known of it")
				}
				all[0].announce(c)
				for i, d := range all {
					ok, wrong, rate := d.data(c, d.port)
					if wrong || ok && rate != uint64(d.rate) && rate != 0 || i == 0 && (!ok || rate != 100) {
						t.Errorf("the first is back, %d: read %v, wrong %v, rate %d", i, ok, wrong, rate)
					}
				}
				if layout == 0 && after == 5*time.Minute { // what else the bucket has comes with the next listing
					f.relist()
				} else {
					all[1].announce(c)
				}
				for i, d := range all {
					if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != uint64(d.rate) {
						t.Errorf("both are back, %d: read %v, wrong %v, rate %d", i, ok, wrong, rate)
					}
				}
			})
		}
	}
}

// An exporter whose ports said different things made room, and is known again from one of its ports. What another one said, that says nothing since, is
// asked of nobody else for an hour, and not for longer: by then it would be silent.
func TestWhatMadeRoomIsWaitedForForAnHourAtMost(t *testing.T) {
	f := newFleet(t, 0)
	f.limits.Exporters = 3
	f.collectors = append(f.collectors, f.start())
	c := f.collectors[0]
	all := neighbours()
	all[0].rate, all[1].rate = 100, 200
	for range 3 {
		for _, d := range all {
			d.announce(c)
			f.wait(time.Minute)
		}
	}
	for i := range 20 {
		(&device{address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), domain: 1, port: 1000, rate: 300}).announce(c)
	}
	clear(f.bucket) // who is heard again is not asked for there
	f.wait(time.Minute)
	back := f.now
	for at := time.Duration(0); at <= 3*time.Hour; at = time.Duration(f.now - back) {
		all[0].announce(c)
		_, _, rate := all[0].data(c, 3000)
		if want := uint64(100); at <= time.Hour && rate != 0 || at > time.Hour && rate != want {
			t.Errorf("%s after it was back: rate %d", at, rate)
		}
		f.now += int64(6 * time.Minute)
		f.sync()
	}
}

// One address announces more rates than a collector remembers. The one that was forgotten, and is announced no more, may have been any flow's for as
// long as it would have counted: no longer in the collector that hears the exporter, though nothing else falls silent.
func TestARateThatWasForgottenIsWaitedForWhileItWouldCount(t *testing.T) {
	f := newFleet(t, 1)
	c := f.collectors[0]
	l := &life{fleet: f, version: 10}
	system := said{7, 1, [][2]uint16{domain, interval}, []uint32{7, 100}}
	say := func(id uint64) { l.say(c, said{7, 1, [][2]uint16{ingress, interval}, []uint32{uint32(id), 50}}) }
	for i := range uint64(4096) {
		say(10_000 + i)
	}
	l.say(c, system)
	var left []uint64
	for d := range c.stores[template.FamilySampling].Definitions(f.now) {
		if kind, id := sampling.Split(d.Key.ID); kind == sampling.Ingress {
			left = append(left, id)
		}
	}
	if len(left) != 4095 {
		t.Fatalf("%d rates of interfaces are remembered", len(left))
	}
	for at := 20 * time.Minute; at < 4*time.Hour; at += 20 * time.Minute {
		f.wait(20 * time.Minute)
		l.say(c, system)
		for _, id := range left {
			say(id)
		}
		if rate := l.rate(c, selector, -1); at <= time.Hour && rate != 0 || at > 95*time.Minute && rate != 100 {
			t.Errorf("%s later: rate %d", at, rate)
		}
	}
}
