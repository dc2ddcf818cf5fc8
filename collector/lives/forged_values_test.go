package lives

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Somebody wrote values that no exporter can have said: stamps beyond all export times, times of hearing in another century, kinds of other
// families. Collectors go by what they hear, settle within one round, and have the bucket right.
func TestValuesThatNobodyCanHaveSaidAreReplacedByWhatIsHeard(t *testing.T) {
	for _, stamp := range []template.Stamp{0, 1 << 50, template.StampOf(math.MaxUint32), math.MaxUint64 - 1<<16, math.MaxUint64 - 1, math.MaxUint64} {
		for _, heard := range []int64{math.MinInt64, 0, 1_700_000_000 * int64(time.Second), math.MaxInt64} {
			for _, before := range []bool{true, false} {
				t.Run(fmt.Sprint("stamp ", stamp, ", heard ", heard, ", before ", before), func(t *testing.T) {
					f := newFleet(t, 0)
					d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
					if !before {
						f.collectors = append(f.collectors, f.start(), f.start())
						d.announce(f.collectors[0])
					}
					wrong := *d
					wrong.layout = 1
					key := template.Key{Scope: d.scope(), Port: 1000, ID: 300}
					forge := func(k template.Key, kind template.Kind, record []byte) {
						name := share.EncodeKey(k)
						f.bucket[name] = entry{share.EncodeValue(share.Value{Kind: kind, Stamp: stamp, Heard: time.Unix(0, heard), Writer: "x",
							Record: record}), f.now}
						for _, c := range f.collectors {
							c.take(name)
						}
					}
					forge(key, template.KindData, wrong.template()[4:])
					key.Family, key.ID = template.FamilySampling, 0
					forge(key, template.KindSampling, sampling.Encode(7777))
					key.Family = template.FamilyClock
					forge(key, template.KindClock, boot.Encode(7777))
					if before {
						f.collectors = append(f.collectors, f.start(), f.start())
					}
					f.wait(time.Minute)
					for range 16 { // as long as what another device says may hold
						d.announce(f.collectors[0])
						if ok, wrong, rate := d.data(f.collectors[0], 1000); ok && (wrong || rate != 100) {
							t.Fatalf("it is heard, and read wrong %v, with rate %d", wrong, rate)
						}
						f.wait(5 * time.Minute)
					}
					f.relist()
					f.collectors = append(f.collectors, f.start())
					f.sync()
					for i, c := range f.collectors {
						if ok, wrong, rate := d.data(c, 1000); !ok || wrong || rate != 100 {
							t.Errorf("collector %d: decoded %v, wrong %v, rate %d", i, ok, wrong, rate)
						}
					}
				})
			}
		}
	}
}
