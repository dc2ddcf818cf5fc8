package lives

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Exporters whose port is another one for each announcement leave few keys in the bucket, though all stay for the ttl: alone, beside another one
// that says the same, and beside one with another layout, while which is alive is known in every collector.
func TestPortsThatChangeForDaysLeaveFewKeys(t *testing.T) {
	const days = 4
	for name, test := range map[string]struct {
		devices []int // their layouts
		every   time.Duration
		changes time.Duration
		most    int
	}{
		"alone":                  {[]int{0}, 10 * time.Minute, 0, 10},
		"alone, seldom":          {[]int{0}, 40 * time.Minute, 0, 10},
		"alone, changes":         {[]int{0}, 10 * time.Minute, 24 * time.Hour, 50},
		"beside one alike":       {[]int{0, 0}, 10 * time.Minute, 0, 10},
		"beside another":         {[]int{0, 1}, 10 * time.Minute, 0, 130},
		"beside another, seldom": {[]int{0, 1}, 30 * time.Minute, 0, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 2)
			var all []*device
			for _, layout := range test.devices {
				all = append(all, &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, layout: layout, rate: 100})
			}
			port, changed, start := uint16(1000), f.now, f.now
			for f.now-start < int64(days*24*time.Hour) {
				if test.changes > 0 && f.now-changed > int64(test.changes) {
					all[0].layout, all[0].rate, changed = 1-all[0].layout, 300-all[0].rate, f.now
				}
				for i, d := range all {
					port++
					d.port = port
					d.announce(f.collectors[i])
				}
				f.wait(test.every)
				for i, d := range all {
					for k, c := range f.collectors {
						if ok, wrong, rate := d.data(c, d.port); wrong || ok && rate != uint64(d.rate) || !ok && i == k {
							t.Fatalf("%s: collector %d reads device %d: %v, wrong %v, rate %d", time.Duration(f.now-start), k, i, ok, wrong, rate)
						}
					}
				}
				if ok, _, _ := all[0].data(f.collectors[1], 999); ok && len(all) > 1 && test.devices[1] != test.devices[0] {
					t.Fatalf("%s: a card is read with one of two layouts", time.Duration(f.now-start))
				}
			}
			kinds := make(map[string]int)
			for key := range f.bucket {
				kinds[key[:strings.Index(key, ".")]]++
			}
			t.Log(kinds, f.writes, "writes in", days, "days")
			if len(f.bucket) > test.most {
				t.Errorf("%d keys", len(f.bucket))
			}
		})
	}
}
