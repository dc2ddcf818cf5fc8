package lives

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/names"
)

// after is a fleet of one collector that begins a while later, when all others have been away for that long.
func (f *fleet) after(d time.Duration) *collector {
	later := &fleet{t: f.t, now: f.now + int64(d), bucket: maps.Clone(f.bucket), keys: f.keys, limits: f.limits, mode: f.mode}
	maps.DeleteFunc(later.bucket, func(_ string, e entry) bool { return later.now-e.written > int64(f.limits.TTL) })
	later.begin(1)
	return later.collectors[0]
}

// A table stays in the bucket for half of the ttl and more after it was heard last, all of it: also the pages of which nothing changes while others do.
func TestATableStaysForTheTTLWhicheverOfItsPagesChange(t *testing.T) {
	const rows, day = 2000, 24 * time.Hour
	const away = 10 * day
	start := int64(1_700_000_000 * time.Second)
	for name, every := range map[string]time.Duration{"no change": 0, "a row each day": day, "a row each ten days": 10 * day, "a row each 16 days": 16 * day} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			changed, n := f.now, 0
			want := "if"
			for f.now-start < int64(50*day) {
				if every != 0 && f.now-changed >= int64(every) {
					changed, n = f.now, n+1
					want = fmt.Sprint("change ", n)
				}
				c := f.collectors[n%2]
				for first := uint32(1); first <= rows; first += 500 {
					var b []byte
					for number := first; number < first+500; number++ {
						text := "if"
						if number == 7 {
							text = want
						}
						b = append(b, u32(number)...)
						b = fmt.Appendf(b, "%-16s", text)
					}
					d.send(c, d.port, 1, set(3, u16(403, 2, 1, 10, 4, 82, 16)), set(403, b))
				}
				f.wait(day)
				late := f.after(away)
				for number, want := range map[uint64]string{7: want, 8: "if", rows: "if"} {
					row := late.names.Resolve(late.names.Find(d.address), names.Key{Scope: names.Scope{Exporter: d.address, Domain: 1}, Table: names.Interfaces, Number: number}, netip.Addr{})
					if row == nil || row.Name != want {
						t.Fatalf("%s: interface %d is %+v, not %q, %s later", time.Duration(f.now-start), number, row, want, away)
					}
				}
			}
			if most := 4*4 + n*2 + 50/2*3; f.writes > most {
				t.Errorf("%d writes, more than %d", f.writes, most)
			}
		})
	}
}
