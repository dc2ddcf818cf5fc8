package names

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var fixed = time.Unix(1_700_000_000, 0)

var (
	router = netip.MustParseAddr("192.0.2.1")
	main0  = Scope{Exporter: router}
	card1  = Scope{Exporter: router, Domain: 1}
)

const second = int64(1e9)

func newStore() *Store { return NewStore(DefaultLimits, nil) }

func nameOf(s *Store, k Key) string {
	slot := s.Find(k)
	if slot == nil {
		return ""
	}
	return slot.Row().Name
}

func TestRows(t *testing.T) {
	five := Key{Scope: main0, Table: Interfaces, Number: 5}
	type step struct {
		key      Key
		row      Row
		exported uint64
		want     Result
	}
	for name, test := range map[string]struct {
		steps []step
		want  string
		asked Key
	}{
		"a row is found": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}}, "Gi0/5", five},
		"sent again it is no change": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}, {five, Row{Name: "Gi0/5"}, 1600, Refreshed}}, "Gi0/5", five},
		"a number given to another is right at once": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}, {five, Row{Name: "Gi0/6"}, 1000, Reassigned}}, "Gi0/6", five},
		"a datagram that was overtaken changes nothing": {
			[]step{{five, Row{Name: "new"}, 1000, Learned}, {five, Row{Name: "old"}, 990, Stale}}, "new", five},
		"a clock that went back is believed": {
			[]step{{five, Row{Name: "old"}, 1_000_000, Learned}, {five, Row{Name: "new"}, 100, Reassigned}}, "new", five},
		"a row that is not repeated stays": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned},
				{Key{main0, Interfaces, 6}, Row{Name: "Gi0/6"}, 9000, Learned}}, "Gi0/5", five},
		"a row that says nothing is none": {
			[]step{{five, Row{}, 1000, RefusedEmpty}}, "", five},
		"another domain's row serves where one's own has none": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}}, "Gi0/5", Key{card1, Interfaces, 5}},
		"one's own domain's row goes first": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}, {Key{card1, Interfaces, 5}, Row{Name: "Te1/5"}, 1000, Learned}},
			"Te1/5", Key{card1, Interfaces, 5}},
		"domains that differ name nothing of a third": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}, {Key{card1, Interfaces, 5}, Row{Name: "Te1/5"}, 1000, Learned}},
			"", Key{Scope{router, 2}, Interfaces, 5}},
		"tables are apart": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}}, "", Key{main0, VRFs, 5}},
		"exporters are apart": {
			[]step{{five, Row{Name: "Gi0/5"}, 1000, Learned}}, "",
			Key{Scope{Exporter: netip.MustParseAddr("192.0.2.2")}, Interfaces, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			for i, step := range test.steps {
				if got := s.Learn(step.key, step.row, step.exported, int64(i)*second); got != step.want {
					t.Errorf("step %d: %d, want %d", i, got, step.want)
				}
			}
			if got := nameOf(s, test.asked); got != test.want {
				t.Errorf("named %q, want %q", got, test.want)
			}
		})
	}
}

func TestNameAndSpeedComeInDifferentRecords(t *testing.T) {
	s, k := newStore(), Key{main0, Interfaces, 5}
	s.Learn(k, Row{Name: "eth5", Description: "uplink"}, 1000, 0)
	s.Learn(k, Row{Speed: 10}, 1000, 0)
	if got := *s.Find(k).Row(); got.Name != "eth5" || got.Speed != 10 || got.Description != "uplink" {
		t.Errorf("%+v", got)
	}
	s.Learn(k, Row{Name: "eth6"}, 1001, 0)
	if got := *s.Find(k).Row(); got.Description != "" {
		t.Errorf("eth6 is described as %q, which was said of eth5", got.Description)
	}
}

func TestASlotThatWasLookedUpFollowsItsRow(t *testing.T) {
	s, k := newStore(), Key{main0, Interfaces, 5}
	s.Learn(k, Row{Name: "old"}, 1000, 0)
	slot, generation := s.Find(k), s.Generation()
	s.Learn(k, Row{Name: "new"}, 1001, 0)
	if slot.Row().Name != "new" || s.Generation() != generation {
		t.Errorf("a slot shows %q, generation %d then %d", slot.Row().Name, generation, s.Generation())
	}
}

func TestTwoCollectorsAgreeRowByRow(t *testing.T) {
	a, b := newStore(), newStore()
	at := func(n uint64) Key { return Key{main0, Interfaces, n} }
	a.Learn(at(1), Row{Name: "a1"}, 1000, 0)
	a.Learn(at(2), Row{Name: "a2"}, 1005, 0)
	b.Learn(at(1), Row{Name: "b1"}, 1003, 0)
	b.Learn(at(2), Row{Name: "b2"}, 1001, 0)
	b.Learn(at(3), Row{Name: "same second, b"}, 1001, 0)
	a.Learn(at(3), Row{Name: "same second, a"}, 1001, 0)
	exchange := func(from, to *Store) (int, bool) {
		rows := from.Rows(main0, Interfaces)
		m := NewManifest(rows, Pages(rows), "", fixed)
		var read []Entry
		for _, p := range Pages(rows) {
			more, err := DecodePage(p.Content)
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, more...)
		}
		m.Stamps(read)
		return to.Restore(main0, Interfaces, read, 0)
	}
	if changed, ahead := exchange(a, b); changed != 1 || !ahead {
		t.Errorf("b took %d rows of a and is ahead: %v", changed, ahead)
	}
	if changed, ahead := exchange(b, a); changed != 2 || ahead {
		t.Errorf("a took %d rows of b and is ahead: %v", changed, ahead)
	}
	for n, want := range map[uint64]string{1: "b1", 2: "a2", 3: "same second, b"} {
		if nameOf(a, at(n)) != want || nameOf(b, at(n)) != want {
			t.Errorf("row %d: %q and %q, want %q", n, nameOf(a, at(n)), nameOf(b, at(n)), want)
		}
	}
}

func TestAFloodTakesNoMoreThanItsExporterMay(t *testing.T) {
	s := NewStore(Limits{Exporters: 10, Rows: 100, ExporterBytes: 1 << 20, Bytes: 4 << 20}, nil)
	refused := 0
	for i := range 1000 {
		if s.Learn(Key{main0, Interfaces, uint64(i)}, Row{Name: "x"}, 1000, 0) == RefusedRows {
			refused++
		}
	}
	if _, rows, _ := s.Size(); rows != 100 || refused != 900 {
		t.Errorf("%d rows, %d refused", rows, refused)
	}
	long := strings.Repeat("x", MaxText)
	for i := range 1000 {
		for n := range 100 {
			k := Key{Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, Interfaces, uint64(n)}
			s.Learn(k, Row{Name: long, Description: long}, 1000, int64(i)*second)
		}
	}
	exporters, rows, bytes := s.Size()
	if exporters > 10 || bytes > 4<<20 || rows > 1000 {
		t.Errorf("%d exporters, %d rows, %d bytes", exporters, rows, bytes)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]struct {
		text    string
		refusal Refusal
	}{
		"GigabitEthernet0/0/1":           {"GigabitEthernet0/0/1", Accepted},
		"Gi0/1\x00\x00\x00":              {"Gi0/1", Accepted},
		" Büro 3. Stock ":                {"Büro 3. Stock", Accepted},
		"":                               {"", Accepted},
		"\x00\x00":                       {"", Accepted},
		"Gi0/1\x00secret":                {"", RefusedControl},
		"\x1b[2Jowned":                   {"", RefusedControl},
		"line\nfeed":                     {"", RefusedControl},
		"\u202egpj.exe":                  {"", RefusedControl},
		"\xff\xfe":                       {"", RefusedEncoding},
		strings.Repeat("x", MaxText):     {strings.Repeat("x", MaxText), Accepted},
		strings.Repeat("x", MaxText+1):   {"", RefusedLength},
		strings.Repeat("\x00", 1000):     {"", Accepted},
		"bad \xc3\x28 sequence":          {"", RefusedEncoding},
		"private \ue000 use":             {"", RefusedControl},
		"the replacement \ufffd is none": {"", RefusedControl},
	} {
		if text, refusal := Clean([]byte(in)); text != want.text || refusal != want.refusal {
			t.Errorf("%q gave %q (%s), want %q (%s)", in, text, refusal, want.text, want.refusal)
		}
	}
}

func BenchmarkSlot(b *testing.B) {
	s, k := newStore(), Key{main0, Interfaces, 5}
	s.Learn(k, Row{Name: "GigabitEthernet0/0/1"}, 1000, 0)
	slot := s.Find(k)
	for b.Loop() {
		_ = slot.Row().Name
	}
}
