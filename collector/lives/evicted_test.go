package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
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
