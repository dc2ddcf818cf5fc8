package names

import (
	"fmt"
	"testing"
	"time"
)

// Two collectors hear one device each, and their clocks are apart. The number stays contested for as long as both devices name it, and no longer than
// docs/names-details.md says.
func TestANumberStaysContestedThoughClocksOfCollectorsAreApart(t *testing.T) {
	const minute = int64(time.Minute)
	for _, apart := range []int64{-60 * minute, -5 * minute, 0, 45 * minute, 60 * minute} {
		t.Run(time.Duration(apart).String(), func(t *testing.T) {
			b := newBucket(2)
			ahead := [2]int64{0, apart}
			begin := int64(1_700_000_000) * second
			deliver := func(now int64) {
				for i, s := range b.stores {
					s.Tick(now + ahead[i] + 31*second)
				}
				for _, d := range b.pending {
					for i, s := range b.stores {
						d.Heard = now
						restore(s, d, now+ahead[i])
					}
				}
				b.pending = nil
				for i, s := range b.stores {
					for _, key := range (BucketPages{s}).Wants(100, now+ahead[i]) {
						restore(s, b.values[key], now+ahead[i])
					}
				}
			}
			const both = 10 * 60
			for n := int64(0); n < both+4*60; n++ {
				now := begin + n*minute
				if n%5 == 0 {
					b.stores[0].LearnFrom(1000, at(5), Row{Name: "xe-0/0/5"}, uint64(now/second), now)
				}
				deliver(now)
				if n%5 == 2 && n < both {
					b.stores[1].LearnFrom(2000, at(5), Row{Name: "Ethernet5"}, uint64(now/second), now+apart)
				}
				deliver(now + second)
				for i, s := range b.stores {
					row := s.Find(router).Row(main0.Domain, Interfaces, 5)
					switch {
					case n > 30 && n < both && row.Name != "":
						t.Fatalf("minute %d: store %d has %q", n, i, row.Name)
					case n > both+220 && row.Name != "xe-0/0/5":
						t.Fatalf("minute %d: store %d has %q, %v, of a device that is alone", n, i, row.Name, row.Attributes)
					}
				}
			}
		})
	}
}

// Whoever forges names of a device in turn makes its numbers contested, and takes no more memory than the limits have room for.
func TestContestedNumbersAreBounded(t *testing.T) {
	s := NewStore(Limits{Exporters: 100, Tables: 10, Rows: 10_000, ExporterBytes: 8 << 20, Bytes: 8 << 20}, 0)
	for round := range 6 {
		for n := range uint64(9000) {
			s.LearnFrom(uint16(1000+round%2), at(n+1), Row{Name: fmt.Sprint(round%2, "/", n)}, uint64(1000+100*round), int64(100*round)*second)
		}
	}
	tracked := len(s.Find(router).tables.get(place{main0.Domain, Interfaces}).turns)
	if tracked == 0 || tracked > maxTurns {
		t.Errorf("%d numbers with several names are known", tracked)
	}
	if row := s.Find(router).Row(main0.Domain, Interfaces, 5); row.Name != "" {
		t.Errorf("a contested number is %q", row.Name)
	}
	_, before := s.Size()
	s.expire(int64(5 * time.Hour))
	if _, after := s.Size(); before-after != int64(tracked)*turnsBytes {
		t.Errorf("%d bytes are free after hours of silence, of %d numbers", before-after, tracked)
	}
}
