package names

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// A table that waits for pages that the bucket does not have is not waited for, and counted, for ever.
func TestAManifestWhosePagesDoNotComeIsForgotten(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"with a ttl": 30 * 24 * time.Hour, "without": 0} {
		s := NewStore(LimitsFor(10), ttl)
		now := int64(time.Hour)
		list := func(missing int) {
			for domain := range uint32(1024) {
				m := Manifest{Pages: []Hash{{byte(missing), byte(domain), byte(domain >> 8)}}}
				Manifests{s}.Restore(template.Definition{Key: template.Key{Scope: template.Scope{Exporter: router, Domain: 100 + domain},
					Family: template.FamilyNames, ID: uint64(Interfaces)}, Kind: template.KindNames, Record: m.Encode(), Heard: now - second}, now)
			}
		}
		list(1)
		list(2)
		if n := len(s.chunks.waiting); n != 1024 {
			t.Errorf("%s: %d pages are waited for, want those of the newer manifests", name, n)
		}
		own := Key{main0, Interfaces, 5}
		if got := s.Learn(own, Row{Name: "five"}, 1000, now); got != RefusedRoom {
			t.Fatalf("%s: the tables left room: %d", name, got)
		}
		for range 70 {
			now += int64(time.Minute)
			s.Tick(now)
		}
		if got := s.Learn(own, Row{Name: "five"}, 1000, now); got != Learned {
			t.Errorf("%s: an hour later there is no room: %d", name, got)
		}
		if e := s.Find(router); e.tables.count != 1 || len(s.chunks.waiting) != 0 {
			t.Errorf("%s: %d tables are left, %d pages are waited for", name, e.tables.count, len(s.chunks.waiting))
		}
	}
}

// Among thousands that send, the few that fell silent, and have what makes room, are found.
func TestTheOneThatFellSilentIsFoundAmongThousands(t *testing.T) {
	for _, table := range []Table{Interfaces, Others} {
		s := NewStore(Limits{Exporters: 5000, Tables: 10, Rows: 10_000, ExporterBytes: 1 << 20, Bytes: 2 << 20,
			Others: OtherLimits{Rows: 10_000, ExporterBytes: 1 << 20, Bytes: 1 << 20}}, 24*time.Hour)
		helps := map[Table]Table{Interfaces: Others, Others: Interfaces}[table] // what the others have is of no help
		silent := netip.MustParseAddr("192.0.2.9")
		for i := range uint64(5000) {
			if s.Learn(Key{Scope{Exporter: silent}, table, i}, Row{Name: strings.Repeat("x", 240) + fmt.Sprint(i)}, 1000, 0) != Learned {
				break
			}
		}
		now := 2 * silentLong
		for i := range uint64(3000) {
			s.Learn(Key{Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, helps, i}, Row{Name: "n"}, 1000, now)
		}
		if got := s.Learn(Key{main0, table, 1}, Row{Name: strings.Repeat("n", MaxText)}, 1000, now+second); got != Learned {
			t.Errorf("%s: no room, though one that is silent has it all: %d", table, got)
		}
	}
}

// A flood of exporters that nobody makes room for, from datagrams or from the bucket, costs one look a second and not one each.
func TestAFruitlessLookForRoomRests(t *testing.T) {
	invented := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	now := 2 * silentLong
	m := Manifest{Pages: []Hash{{1}}}
	for name, flood := range map[string]func(s *Store, from netip.Addr, now int64){
		"datagrams": func(s *Store, from netip.Addr, now int64) {
			s.Learn(Key{Scope{Exporter: from}, Interfaces, 1}, Row{Name: "x"}, 1000, now)
		},
		"the bucket": func(s *Store, from netip.Addr, now int64) {
			Manifests{s}.Restore(template.Definition{Key: template.Key{Scope: template.Scope{Exporter: from}, Family: template.FamilyNames,
				ID: uint64(Interfaces)}, Kind: template.KindNames, Record: m.Encode(), Heard: now - second}, now)
		},
	} {
		s := NewStore(LimitsFor(1000), 0)
		for i := range 1000 {
			s.Learn(Key{Scope{Exporter: invented(i)}, Interfaces, 1}, Row{Name: "x"}, 1000, now)
		}
		for second := range int64(3) {
			for i := range 10_000 {
				flood(s, invented(100_000+i), now+second*int64(time.Second))
			}
		}
		if s.looked > 3*1000 {
			t.Errorf("%s: 30000 refusals in 3 s looked at %d exporters", name, s.looked)
		}
		later := now + silentLong + second
		flood(s, invented(200_000), later)
		if s.Find(invented(200_000)) == nil {
			t.Errorf("%s: the next look, when others are silent, finds no room", name)
		}
	}
}

// Who may write to the bucket can fill it with pages that no table has. They keep no name out, and what is no page at all is counted.
func TestPagesThatNoTableHasMakeRoomForNames(t *testing.T) {
	s := NewStore(Limits{Exporters: 100, Tables: 10, Rows: 1000, ExporterBytes: 1 << 20, Bytes: 256 << 10}, 0)
	now := int64(time.Hour)
	for n := uint64(0); s.chunks.size() < 256<<10; n++ {
		page := Pages(Interfaces, []Entry{{Number: n, Row: Row{Name: strings.Repeat("x", MaxText)}}})[0]
		BucketPages{s}.Restore(template.Definition{Key: pageKey(page.Hash), Record: page.Content}, now)
	}
	five := Key{main0, Interfaces, 5}
	if got := s.Learn(five, Row{Name: "five"}, 1000, now+second); got != RefusedRoom {
		t.Errorf("while the bucket may still be loading: %d", got)
	}
	now += 2 * strayCrowded
	if got := s.Learn(five, Row{Name: "five"}, 1000, now); got != Learned {
		t.Errorf("later: %d", got)
	}
	if s.Refused()["unused_page"] == 0 {
		t.Error("they are not counted")
	}
	for i, content := range [][]byte{nil, {pageSchema, 1}, {pageSchema, 0xff}, {otherSchema + 1}} {
		BucketPages{s}.Restore(template.Definition{Key: pageKey(HashOf(content)), Record: content}, now)
		if got := s.Refused()["invalid_page"]; got != uint64(min(i+1, 3)) {
			t.Errorf("after page %d, %d are counted", i, got)
		}
	}
	page := Pages(Interfaces, []Entry{{Number: 1, Row: Row{Name: "x"}}})[0]
	BucketPages{s}.Restore(template.Definition{Key: pageKey(Hash{1}), Record: page.Content}, now)
	Manifests{s}.Restore(template.Definition{Key: template.Key{Scope: template.Scope{Exporter: router}, Family: template.FamilyNames, ID: 1},
		Record: []byte{1, 2, 3}, Heard: now}, now)
	if got := s.Refused()["invalid_page"]; got != 5 {
		t.Errorf("with another's key, and a table that is none: %d", got)
	}
}

// Where there is no room for more rows, a number that gets another name has that one: the former is not true any more. So it is where one exporter has
// all the room that it may have, and where all have.
func TestWithoutRoomForMoreANumberStillGetsItsNewName(t *testing.T) {
	wide := OtherLimits{Rows: 10, ExporterBytes: 1 << 10, Bytes: 1 << 10}
	for name, limits := range map[string]Limits{
		"of an exporter": {Exporters: 100, Tables: 10, Rows: 1 << 20, ExporterBytes: 1 << 18, Bytes: 1 << 26, Others: wide},
		"of all":         {Exporters: 100, Tables: 10, Rows: 1 << 20, ExporterBytes: 1 << 26, Bytes: 1 << 20, Others: wide},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(limits, 0)
			now, known := second, uint64(0)
			for s.Learn(at(known+1), Row{Name: fmt.Sprintf("old%06d", known+1)}, 1000, now) == Learned {
				known++
				if known%100 == 0 {
					s.Flush(now)
				}
			}
			s.Flush(now)
			for n := uint64(1); n <= known; n++ {
				if got := s.Learn(at(n), Row{Name: fmt.Sprintf("new%06d", n)}, 2000, now); got != Reassigned {
					t.Fatalf("number %d of %d is %q: %d", n, known, nameOf(s, at(n)), got)
				}
				if n%50 == 0 { // as the Ticks of a collector
					s.Flush(now)
				}
			}
			if got := s.Learn(at(known+1), Row{Name: "one more"}, 2000, now); got != RefusedRoom {
				t.Errorf("there is room for more: %d", got)
			}
			if _, bytes := s.Size(); bytes > limits.Bytes {
				t.Errorf("%d bytes", bytes)
			}
		})
	}
}
