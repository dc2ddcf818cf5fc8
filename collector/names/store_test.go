package names

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	router = netip.MustParseAddr("192.0.2.1")
	main0  = Scope{Exporter: router}
	card1  = Scope{Exporter: router, Domain: 1}
)

const second = int64(1e9)

func newStore() *Store { return NewStore(LimitsFor(1000), 0) }

func rowOf(s *Store, k Key) Row {
	if row := s.Resolve(s.Find(k.Scope.Exporter), k, netip.Addr{}); row != nil {
		return *row
	}
	return Row{}
}

func nameOf(s *Store, k Key) string { return rowOf(s, k).Name }

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
	if got := rowOf(s, k); got.Name != "eth5" || got.Speed != 10 || got.Description != "uplink" {
		t.Errorf("%+v", got)
	}
	s.Learn(k, Row{Name: "eth6"}, 1001, 0)
	if got := rowOf(s, k); got.Description != "" {
		t.Errorf("eth6 is described as %q, which was said of eth5", got.Description)
	}
}

// A record that waited for its template is read behind what was heard since: that it is older by far is no clock that went back.
func TestARecordThatWaitedTakesNoNameBack(t *testing.T) {
	s, k := newStore(), Key{main0, Interfaces, 5}
	s.LearnFrom(1, k, Row{Name: "long ago"}, 900, 900*second)
	s.LearnFrom(2, k, Row{Name: "later"}, 1090, 1090*second)
	if got := s.LearnFrom(1, k, Row{Name: "former"}, 1000, 1000*second); got != Stale || nameOf(s, k) != "later" {
		t.Errorf("%v: %q", got, nameOf(s, k))
	}
	if got := s.LearnFrom(2, k, Row{Name: "set back"}, 1000, 1100*second); got != Reassigned || nameOf(s, k) != "set back" {
		t.Errorf("a clock that went back: %v, %q", got, nameOf(s, k))
	}
}

func TestALookUpHoldsUntilTheGenerationChanges(t *testing.T) {
	s, k := newStore(), Key{main0, Interfaces, 5}
	s.Learn(k, Row{Name: "old"}, 1000, 0)
	e := s.Find(router)
	generation := e.Generation()
	s.Learn(k, Row{Name: "old"}, 1600, 0)
	if e.Generation() != generation {
		t.Error("a row that was sent again changed something")
	}
	s.Learn(k, Row{Name: "new"}, 1601, 0)
	if e.Generation() == generation || nameOf(s, k) != "new" {
		t.Errorf("the row is %q in generation %d", nameOf(s, k), e.Generation())
	}
}

func TestManyRowsThatComeInAnyOrderAreAllFound(t *testing.T) {
	s := newStore()
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(65_535) {
		if got := s.Learn(Key{main0, Interfaces, uint64(n + 1)}, Row{Name: fmt.Sprint("if", n+1)}, 1000, 0); got != Learned {
			t.Fatalf("row %d: %d", n, got)
		}
	}
	s.Tick(second * 60)
	for n := uint64(1); n <= 65_535; n++ {
		if got := nameOf(s, Key{main0, Interfaces, n}); got != fmt.Sprint("if", n) {
			t.Fatalf("row %d is %q", n, got)
		}
	}
}

func TestRoutersThatSendTheSameTableHaveItOnce(t *testing.T) {
	s := newStore()
	for i := range 100 {
		for n := range 1500 {
			k := Key{Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}, Applications, 13<<24 | uint64(n)}
			s.Learn(k, Row{Name: fmt.Sprint("application-", n)}, uint64(1000+i), 0)
		}
		s.Tick(second * int64(i))
	}
	s.Tick(second * 1000)
	one := newStore()
	for n := range 1500 {
		one.Learn(Key{main0, Applications, 13<<24 | uint64(n)}, Row{Name: fmt.Sprint("application-", n)}, 1000, 0)
	}
	one.Tick(second * 1000)
	_, all := s.Size()
	if _, single := one.Size(); all != single {
		t.Errorf("100 routers take %d bytes, one takes %d", all, single)
	}
}

func TestAFloodTakesNoMoreThanItsExporterMay(t *testing.T) {
	s := NewStore(Limits{Exporters: 10, Tables: 10, Rows: 100, ExporterBytes: 1 << 20, Bytes: 4 << 20}, 0)
	refused := 0
	for i := range 1000 {
		if s.Learn(Key{main0, Interfaces, uint64(i)}, Row{Name: "x"}, 1000, 0) == RefusedRoom {
			refused++
		}
	}
	if rows := len(s.Rows(main0, Interfaces)); rows != 100 || refused != 900 {
		t.Errorf("%d rows, %d refused", rows, refused)
	}
	for i := range 1000 {
		for n := range 100 {
			long := strings.Repeat(string(rune('a'+i%26)), MaxText-8) + fmt.Sprintf("%04d%04d", i, n)
			k := Key{Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, Interfaces, uint64(n)}
			s.Learn(k, Row{Name: long, Description: long}, 1000, second)
		}
		s.Tick(second * 100)
	}
	if exporters, bytes := s.Size(); exporters > 10 || bytes > 4<<20 {
		t.Errorf("%d exporters, %d bytes", exporters, bytes)
	}
	if nameOf(s, Key{main0, Interfaces, 5}) != "x" {
		t.Error("a flood of invented exporters pushed out one that sends")
	}
	if s.Learn(Key{Scope{Exporter: netip.MustParseAddr("10.9.9.9")}, Interfaces, 1}, Row{Name: "later"}, 1000, 2*silentLong) != Learned {
		t.Error("exporters that fell silent make no room")
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
		"Gi0/1\x00\x80et0/0/12\x1b\x00":  {"Gi0/1", Accepted}, // what was there before
		"Gi0/1\x00   ":                   {"Gi0/1", Accepted},
		"Gi0/1   \x00":                   {"Gi0/1", Accepted},
		"\x00Gi0/1":                      {"", Accepted},
		"\x1b[2J\x00Gi0/1":               {"", RefusedControl},
		"G\x00i\x000\x00":                {"", RefusedEncoding},
		"\x00G\x00i\x000":                {"", RefusedEncoding}, // the other order of bytes
		"7\x00\x00\x00":                  {"7", Accepted},
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

func TestATableThatNobodySaysAnyMoreIsForgottenAfterTheTTL(t *testing.T) {
	s := NewStore(LimitsFor(10), time.Hour)
	k := Key{Scope: Scope{Exporter: netip.MustParseAddr("192.0.2.1")}, Table: Interfaces, Number: 5}
	s.Learn(k, Row{Name: "five"}, 1000, int64(time.Hour))
	s.Tick(int64(2 * time.Hour))
	if s.Find(k.Scope.Exporter).Row(0, Interfaces, 5) == nil {
		t.Error("the table went before its age ended")
	}
	s.Tick(int64(2*time.Hour + 2*time.Minute))
	if s.Find(k.Scope.Exporter).Row(0, Interfaces, 5) != nil {
		t.Error("the table is still there")
	}
	if _, bytes := s.Size(); bytes != 0 {
		t.Errorf("nothing takes %d bytes", bytes)
	}
}

func TestRowsThatAreNotInPagesYetCountForTheBound(t *testing.T) {
	s := NewStore(Limits{Exporters: 1000, Tables: 10, Rows: 1000, ExporterBytes: 1 << 20, Bytes: 100_000}, 0)
	refused := false
	for i := range 1000 {
		k := Key{Scope: Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, Table: Interfaces, Number: uint64(i)}
		refused = s.Learn(k, Row{Name: strings.Repeat("x", 200)}, 1000, 1) == RefusedRoom || refused
	}
	if _, bytes := s.Size(); !refused || bytes > 100_000 {
		t.Errorf("%d bytes are kept of 100000 that may be", bytes)
	}
}

// Whoever sends a table for each of ever other domains may not make every further row, and every flow, cost a walk over all of them.
func TestInventedDomainsTakeNoMoreThanTheirExporterMay(t *testing.T) {
	s := newStore()
	for i := range uint32(20_000) {
		s.Learn(Key{Scope{router, i + 1}, Interfaces, 5}, Row{Name: "five"}, 1000, 0)
	}
	if count := s.Find(router).tables.count; count > s.limits.Load().Tables {
		t.Errorf("one exporter has %d tables", count)
	}
	if n := s.Refused()[RefusedFull.String()]; n != 20_000-1024 {
		t.Errorf("%d rows were counted as refused", n)
	}
	if s.Learn(Key{Scope{router, 7}, Interfaces, 6}, Row{Name: "six"}, 1000, 0) != Learned {
		t.Error("a table that is there takes no row more")
	}
	if got := nameOf(s, Key{Scope{router, 1 << 20}, Interfaces, 5}); got != "" {
		t.Errorf("all of %d tables were asked for a name of another domain's, and said %q", s.Find(router).tables.count, got)
	}
	if got := nameOf(s, Key{Scope{router, 7}, Interfaces, 5}); got != "five" {
		t.Errorf("a domain's own table says %q", got)
	}
}

// What an exporter has is counted as it changes, and comes out at nothing when all is gone.
func TestAnExportersRowsAreCountedToTheLast(t *testing.T) {
	s := NewStore(LimitsFor(10), time.Hour)
	for i := range uint64(500) {
		for round := range uint64(3) {
			s.Learn(Key{Scope{router, uint32(i % 7)}, Tables[i%5], i}, Row{Name: strings.Repeat("x", int(i%50+round+1))}, 1000+round, second)
		}
	}
	check := func() {
		t.Helper()
		e := s.Find(router)
		count, rows, bytes := 0, 0, int64(0)
		for _, table := range e.tables.all() {
			count, rows, bytes = count+1, rows+table.count, bytes+table.bytes
		}
		if count != e.tables.count || rows != e.tables.names.rows || bytes != e.tables.names.bytes {
			t.Errorf("%d tables, %d rows and %d bytes are counted as %d, %d and %d", count, rows, bytes, e.tables.count, e.tables.names.rows, e.tables.names.bytes)
		}
	}
	check()
	s.Tick(60 * second)
	check()
	s.Tick(int64(2 * time.Hour))
	check()
	if e := s.Find(router); e.tables.count != 0 {
		t.Errorf("%d tables are left", e.tables.count)
	}
}

// Rows of invented exporters are kept until these have been silent for an hour, not until the ttl: then those that send come first.
func TestExportersThatFellSilentMakeRoomForThoseThatSend(t *testing.T) {
	for _, table := range []Table{Interfaces, Others} {
		s := NewStore(Limits{Exporters: 1000, Tables: 10, Rows: 1000, ExporterBytes: 1 << 20, Bytes: 1 << 20,
			Others: OtherLimits{Rows: 1000, ExporterBytes: 1 << 20, Bytes: 512 << 10}}, 24*time.Hour)
		honest, known := Key{main0, table, 1}, Key{Scope{Exporter: netip.MustParseAddr("192.0.2.2")}, table, 1}
		s.Learn(honest, Row{Name: "one"}, 1000, 0)
		s.Learn(known, Row{Name: "two"}, 1000, 0)
		s.Learn(Key{known.Scope, Domains, 1}, Row{Name: "domain"}, 1000, 0) // it has rows of tables that do not help
		flood := func(now int64) (learned int) {
			for i := range 5000 {
				k := Key{Scope{Exporter: netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 200)})}, table, uint64(i / 200)}
				if s.Learn(k, Row{Name: strings.Repeat("x", 240) + fmt.Sprint(i)}, 1000, now) == Learned {
					learned++
				}
			}
			s.Tick(now + int64(time.Minute))
			return learned
		}
		if n := flood(second); n == 5000 {
			t.Fatal("the flood has room")
		}
		more := Key{main0, table, 2}
		if got := s.Learn(more, Row{Name: strings.Repeat("n", MaxText)}, 1001, int64(30*time.Minute)); got != RefusedRoom {
			t.Errorf("%s: while all send there is no room: %d", table, got)
		}
		now := silentLong + int64(10*time.Minute)
		s.Learn(honest, Row{Name: "one"}, 1002, now)
		s.Learn(known, Row{Name: "two"}, 1002, now)
		for i := range uint64(100) {
			if got := s.Learn(Key{main0, table, 2 + i}, Row{Name: strings.Repeat("n", 250) + fmt.Sprint(i)}, 1003, now+second); got != Learned {
				t.Fatalf("%s: row %d has no room, though those that fill it are silent: %d", table, i, got)
			}
		}
		if s.Find(known.Scope.Exporter) == nil || s.Find(router) == nil {
			t.Errorf("%s: one that sends made room", table)
		}
		if s.Evicted() == 0 {
			t.Errorf("%s: those that made room are not counted", table)
		}
		if n := flood(now + 2*second); n == 5000 {
			t.Errorf("%s: the second flood has room", table)
		}
		if _, bytes := s.Size(); bytes > 1<<20 {
			t.Errorf("%s: %d bytes", table, bytes)
		}
	}
}
