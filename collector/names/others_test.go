package names

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/template"
)

// other is a row of another options table, whose single value is text.
func other(n uint64, text string) (Key, Row) {
	return Key{main0, Others, n}, Row{Name: fmt.Sprint("vlanId=", n), Attributes: []Attribute{{ID: 100, Text: text}}}
}

func (s *Store) hear(n uint64, text string, exported uint64, now int64) Result {
	k, row := other(n, text)
	return s.Learn(k, row, exported, now)
}

func TestOtherTablesAreShared(t *testing.T) {
	b := newBucket(2)
	for n := range uint64(300) {
		b.stores[0].hear(n, "gold", 1000, 0)
	}
	wide := Row{Name: "wide"}
	for i := range MaxFields {
		wide.Attributes = append(wide.Attributes, Attribute{9, uint16(i), "x"})
	}
	b.stores[0].Learn(Key{main0, Others, 1 << 60}, wide, 1000, 0)
	now := b.settle(0)
	if diff := cmp.Diff(b.stores[0].Rows(main0, Others), b.stores[1].Rows(main0, Others)); diff != "" || len(b.stores[1].Rows(main0, Others)) != 301 {
		t.Errorf("%d rows: %s", len(b.stores[1].Rows(main0, Others)), diff)
	}
	writes := b.writes
	for n := range uint64(300) {
		b.stores[1].hear(n, "gold", 1600, now)
	}
	b.settle(now)
	if b.writes != writes {
		t.Errorf("a table sent again, to another collector, caused %d writes", b.writes-writes)
	}
}

// A field may change with each record, such as a load that no list calls a counter. That is not to keep the bucket busy.
func TestAnotherTableThatKeepsChangingIsWrittenSeldom(t *testing.T) {
	b := newBucket(1)
	now := int64(0)
	for minute := range uint64(24 * 60) {
		now = int64(minute) * 60 * second
		b.stores[0].hear(5, fmt.Sprint(minute), 1000+minute*60, now)
		for range 6 {
			now += 10 * second
			b.stores[0].Tick(now)
		}
	}
	if b.writes < 24 || b.writes > 2*30 {
		t.Errorf("a table that changed each minute of a day caused %d writes, a page and a manifest each time", b.writes)
	}
	b.stores[0].Flush(now)
	if rows := b.stores[0].Rows(main0, Others); rows[0].Attributes[0].Text != "1439" {
		t.Errorf("it says %v", rows)
	}
}

func TestOtherTablesHaveNoFlowLookedUpAnew(t *testing.T) {
	s := newStore()
	s.Learn(at(1), Row{Name: "eth1"}, 1000, 0)
	generation := s.Find(router).Generation()
	for n := range uint64(5000) {
		s.hear(n, "gold", 1000, 0)
	}
	s.Tick(second)
	if s.Find(router).Generation() != generation {
		t.Error("a table that flows carry nothing of has them looked up anew")
	}
}

// A flood of other tables takes its own share, and none of what names of flows need, nor what others have.
func TestAFloodOfOtherTablesLeavesRoomForNames(t *testing.T) {
	limits := Limits{Exporters: 100, Tables: 10, Rows: 100, ExporterBytes: 1 << 20, Bytes: 8 << 20,
		Others: OtherLimits{Rows: 1000, ExporterBytes: 256 << 10, Bytes: 1 << 20}}
	b := newBucket(2)
	for _, s := range b.stores {
		s.SetLimits(limits)
	}
	s := b.stores[0]
	s.hear(5, "honest", 1000, 0)
	for i := range 50 {
		for n := range 2000 {
			k, row := other(uint64(n), strings.Repeat(string(rune('a'+i%26)), 200)+fmt.Sprint(i))
			k.Scope.Exporter = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			s.Learn(k, row, 1000, second)
		}
		b.settle(int64(i) * 100 * second)
	}
	for i, s := range b.stores {
		if bytes := s.chunks.others.Load(); bytes > 1<<20+64<<10 || bytes == 0 {
			t.Errorf("collector %d: other tables take %d bytes", i, bytes)
		}
		if got := s.Rows(main0, Others); len(got) != 1 || got[0].Attributes[0].Text != "honest" {
			t.Errorf("collector %d: a flood pushed out %v", i, got)
		}
		one := s.Find(netip.AddrFrom4([4]byte{10, 0, 0, 1}))
		if one.tables.others.bytes > 256<<10 || one.tables.others.rows > 1000 {
			t.Errorf("collector %d: one exporter has %+v", i, one.tables.others)
		}
	}
	if s.Refused()[RefusedFull.String()] == 0 {
		t.Error("nothing was counted as refused")
	}
	for n := range uint64(100) {
		if got := s.Learn(at(n+1), Row{Name: fmt.Sprint("if", n+1)}, 1000, second); got != Learned {
			t.Fatalf("interface %d: %d", n+1, got)
		}
	}
	if got := s.Learn(at(1000), Row{Name: "one more"}, 1000, second); got != RefusedRoom {
		t.Errorf("rows of names are not bounded any more: %d", got)
	}
	s.ttl = int64(time.Hour)
	s.Tick(int64(100 * time.Hour))
	if bytes := s.chunks.others.Load(); bytes != 0 {
		t.Errorf("nothing takes %d bytes", bytes)
	}
}

// An exporter that says its names once a day, and then what it says else is pushed out.
func TestOtherTablesThatMakeRoomTakeNoNamesWithThem(t *testing.T) {
	s := newStore()
	s.SetLimits(Limits{Exporters: 100, Tables: 10, Rows: 100, ExporterBytes: 1 << 20, Bytes: 8 << 20,
		Others: OtherLimits{Rows: 1000, ExporterBytes: 1 << 20, Bytes: 16 << 10}})
	s.Learn(at(1), Row{Name: "eth1"}, 1000, 0)
	for n := uint64(0); s.hear(n, strings.Repeat("x", 200), 1000, 0) == Learned; n++ {
		if n == 1000 {
			t.Fatal("there is no end of room")
		}
	}
	k, row := other(1, "later")
	k.Scope.Exporter = netip.MustParseAddr("10.9.9.9")
	if got := s.Learn(k, row, 1000, 2*silentLong); got != Learned {
		t.Errorf("a silent exporter's other tables make no room: %d", got)
	}
	if len(s.Rows(main0, Others)) != 0 || nameOf(s, at(1)) != "eth1" {
		t.Errorf("it has %d other rows, and interface 1 is %q", len(s.Rows(main0, Others)), nameOf(s, at(1)))
	}
	if s.Evicted() != 1 {
		t.Errorf("%d are counted", s.Evicted())
	}
}

// Where other tables find nobody who makes room, names are still looked after.
func TestAFloodOfOtherTablesDoesNotKeepNamesFromFindingRoom(t *testing.T) {
	s := newStore()
	now := 2 * silentLong
	if s.makeRoom(Others, now) {
		t.Fatal("nobody is there")
	}
	s.Learn(at(1), Row{Name: "eth1"}, 1000, now-silentLong)
	if !s.makeRoom(Interfaces, now) {
		t.Error("a silent exporter makes no room")
	}
}

// Pages of other tables have bounds of their own: a table of names cannot bring them in, nor the other way round.
func TestPagesOfOneKindServeNoTableOfTheOther(t *testing.T) {
	for from, to := range map[Table]Table{Interfaces: Others, Others: Interfaces} {
		rows := []Entry{{Number: 5, Row: Row{Name: "five"}, Stamp: template.StampOf(1000)}}
		pages := Pages(from, rows)
		m := NewManifest(rows, pages)
		s := newStore()
		page := template.Definition{Key: pageKey(pages[0].Hash), Record: pages[0].Content}
		restore(s, page, second)
		restore(s, template.Definition{Key: template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: router}, ID: uint64(to)},
			Stamp: m.Base, Record: m.Encode(), Heard: second}, second)
		if got := s.Rows(main0, to); len(got) != 0 {
			t.Errorf("a page of %s is %v of %s", from, got, to)
		}
		restore(s, page, second)
		restore(s, template.Definition{Key: template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: router}, ID: uint64(from)},
			Stamp: m.Base, Record: m.Encode(), Heard: second}, second)
		if got := s.Rows(main0, from); len(got) != 1 {
			t.Errorf("a page of %s is %v of it", from, got)
		}
	}
}
