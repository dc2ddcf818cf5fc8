package names

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// newsOf takes all news of a Store, as "number name@second".
func newsOf(s *Store, now int64) (out []string) {
	s.Tick(now)
	for n := s.News(1000); len(n.Rows) > 0; n = s.News(1000) {
		for i := range n.Rows {
			r := NewRecord(n.Scope, n.Table, &n.Rows[i], now)
			out = append(out, r.Number+" "+r.Name+" "+time.Unix(r.ValidFrom, 0).UTC().Format("15:04:05"))
		}
	}
	return out
}

func newsStore() *Store {
	s := newStore()
	s.KeepNews()
	return s
}

const noon = 1_700_049_600 // 12:00 UTC

func TestWhatAnExporterSaysAnewIsNewsOnce(t *testing.T) {
	s := newsStore()
	now := int64(noon) * second
	expect := func(want ...string) {
		t.Helper()
		now += 40 * second
		if got := newsOf(s, now); !slices.Equal(got, want) {
			t.Errorf("the news are %q, want %q", got, want)
		}
	}
	say := func(number uint64, name string, exported uint64) {
		s.Learn(Key{main0, Interfaces, number}, Row{Name: name}, exported, now)
	}
	say(6, "xe-0/0/6", noon)
	say(5, "xe-0/0/5", noon)
	expect("5 xe-0/0/5 12:00:00", "6 xe-0/0/6 12:00:00")
	say(5, "xe-0/0/5", noon+40)
	expect()
	say(5, "uplink", noon+60)
	expect("5 uplink 12:01:00")
	s.Learn(Key{main0, Others, 5}, Row{Name: "class", Attributes: []Attribute{{0, 1, "x"}}}, noon, now)
	expect()
	if lost := s.NewsLost(); lost["replaced"] != 0 || lost["forgotten"] != 0 || s.NewsWaiting() != 0 {
		t.Errorf("lost are %v, %d wait", lost, s.NewsWaiting())
	}
}

// While nobody takes them, as when NATS is away, the last name of each number waits, and what it replaced is counted.
func TestNewsThatNobodyTakesAreNoMoreThanTheRows(t *testing.T) {
	s := newsStore()
	now := int64(noon) * second
	for i := range uint64(10) {
		now += 40 * second
		s.Learn(Key{main0, Interfaces, 5}, Row{Name: string(rune('a' + i))}, noon+40*i, now)
		s.Tick(now)
	}
	if s.NewsWaiting() != 1 || s.NewsLost()["replaced"] != 9 {
		t.Errorf("%d wait, lost are %v", s.NewsWaiting(), s.NewsLost())
	}
	if got := newsOf(s, now+40*second); !slices.Equal(got, []string{"5 j 12:06:00"}) {
		t.Errorf("the news are %q", got)
	}
	s.Learn(Key{main0, Interfaces, 6}, Row{Name: "gone"}, noon, now)
	Manifests{s}.Forget(manifestDefinition(where{main0, Interfaces}, &Manifest{}, &tableRows{}).Key)
	if got := newsOf(s, now+80*second); len(got) != 0 || s.NewsLost()["forgotten"] != 1 || s.NewsWaiting() != 0 {
		t.Errorf("of a table that is deleted: %q, lost are %v, %d wait", got, s.NewsLost(), s.NewsWaiting())
	}
}

func TestLargeTablesAreHandedOnInPartsThatAreInOrder(t *testing.T) {
	s := newsStore()
	now := int64(noon) * second
	for i := range uint64(2500) {
		s.Learn(Key{main0, Interfaces, 2500 - i}, Row{Name: "x"}, noon, now)
	}
	s.Learn(Key{card1, VRFs, 1}, Row{Name: "red"}, noon, now)
	s.Tick(now + second)
	seen, parts, vrfs := make(map[uint64]bool), 0, 0
	for n := s.News(1000); len(n.Rows) > 0; n = s.News(1000) {
		if n.Table == VRFs {
			vrfs++
			continue
		}
		parts++
		before := uint64(0)
		for _, e := range n.Rows {
			if e.Number <= before || e.Number > 2500 || seen[e.Number] {
				t.Fatalf("behind %d comes %d", before, e.Number)
			}
			before, seen[e.Number] = e.Number, true
		}
	}
	if parts != 3 || len(seen) != 2500 || vrfs != 1 || s.NewsWaiting() != 0 {
		t.Errorf("%d parts of %d, %d of the other table, and %d wait", parts, len(seen), vrfs, s.NewsWaiting())
	}
}

// The exporter's flows wait meanwhile: what is taken is paid for, and not all that waits.
func TestAPartOfALargeTableTakesMemoryForItselfOnly(t *testing.T) {
	const rows = 20_000
	s := NewStore(Limits{Exporters: 10, Tables: 10, Rows: rows, ExporterBytes: 64 << 20, Bytes: 64 << 20}, 0)
	s.KeepNews()
	now := int64(noon) * second
	for i := range uint64(rows) {
		s.Learn(Key{main0, Interfaces, i}, Row{Name: "x"}, noon, now)
	}
	s.Tick(now + second)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := s.News(10)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; len(n.Rows) != 10 || took >= 8*rows {
		t.Errorf("%d of %d rows took %d bytes", len(n.Rows), rows, took)
	}
}

// With what another collector heard, a table may have more rows than there is room for: the highest numbers go, and were news.
func TestNewsForWhichTheBucketLeftNoRoomAreCounted(t *testing.T) {
	limits := Limits{Exporters: 10, Tables: 10, Rows: 3, ExporterBytes: 1 << 20, Bytes: 1 << 20}
	a, b := NewStore(limits, 0), NewStore(limits, 0)
	b.KeepNews()
	now := int64(noon) * second
	for i := range uint64(2) {
		a.Learn(Key{main0, Interfaces, 1 + i}, Row{Name: "theirs"}, noon, now)
		b.Learn(Key{main0, Interfaces, 3 + i}, Row{Name: "ours"}, noon, now)
	}
	a.Flush(now)
	for d := range (BucketPages{a}).Definitions(now) {
		BucketPages{b}.Restore(d, now)
	}
	for d := range (Manifests{a}).Definitions(now) {
		Manifests{b}.Restore(d, now)
	}
	if got := newsOf(b, now+second); !slices.Equal(got, []string{"3 ours 12:00:00"}) {
		t.Errorf("the news are %q", got)
	}
	if lost := b.NewsLost(); lost["forgotten"] != 1 || b.NewsWaiting() != 0 {
		t.Errorf("lost are %v, %d wait", lost, b.NewsWaiting())
	}
}

// What comes from the bucket is the news of who wrote it. What was heard while the bucket was not read yet, and stands there, is none at all.
func TestWhatTheBucketKnewIsNoNews(t *testing.T) {
	a, b := newsStore(), newsStore()
	now := int64(noon) * second
	five, six := Key{main0, Interfaces, 5}, Key{main0, Interfaces, 6}
	a.Learn(five, Row{Name: "xe-0/0/5"}, noon, now)
	a.Learn(six, Row{Name: "xe-0/0/6"}, noon, now)
	a.Flush(now)
	b.Learn(five, Row{Name: "xe-0/0/5"}, noon+600, now) // says the same later
	b.Learn(six, Row{Name: "moved"}, noon+600, now)
	for d := range (BucketPages{a}).Definitions(now) {
		BucketPages{b}.Restore(d, now)
	}
	for d := range (Manifests{a}).Definitions(now) {
		Manifests{b}.Restore(d, now)
	}
	if got := newsOf(b, now+second); !slices.Equal(got, []string{"6 moved 12:00:01"}) {
		t.Errorf("the news are %q", got)
	}
	if got := newsOf(newsStore(), now); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

func TestFromWhenANameHoldsIsWhatTheExporterSaysWithinReason(t *testing.T) {
	for name, test := range map[string]struct{ exported, want uint64 }{
		"it is as exported":                    {noon - 30, noon - 30},
		"long ago, as on the way from a spool": {noon - 86400, noon - 86400},
		"half a minute ahead":                  {noon + 30, noon + 30},
		"a day ahead":                          {noon + 86400, noon},
		"a clock that was never set":           {86400, noon},
		"no time that there is":                {1<<64 - 1, noon},
	} {
		if got := ValidFrom(template.StampOf(test.exported), noon*second); got != int64(test.want) {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
