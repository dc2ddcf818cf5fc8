package template

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name      string
		version   Version
		kind      Kind
		record    []byte
		err       error
		length    int
		minLength int
		fixed     bool
		scope     int
	}{
		{"data", IPFIX, KindData, u16(256, 2, 8, 4, 1, 8), nil, 12, 12, true, 0},
		{"followed by another", IPFIX, KindData, u16(256, 1, 8, 4, 257, 1, 8, 4), nil, 8, 4, true, 0},
		{"enterprise field", IPFIX, KindData, u16(256, 1, 0x8001, 4, 0, 29305), nil, 12, 4, true, 0},
		{"the enterprise bit means nothing in NetFlow v9", NetFlow9, KindData, u16(256, 1, 0x8001, 4), nil, 8, 4, true, 0},
		{"variable length", IPFIX, KindData, u16(256, 2, 82, 65535, 1, 4), nil, 12, 5, false, 0},
		{"options of IPFIX", IPFIX, KindOptions, u16(256, 3, 1, 149, 4, 41, 8, 42, 8), nil, 18, 20, true, 1},
		{"options of NetFlow v9 count bytes", NetFlow9, KindOptions, u16(256, 4, 8, 1, 4, 34, 4, 35, 1), nil, 18, 9, true, 1},
		{"options of NetFlow v9, a byte too long, as pmacct sent them", NetFlow9, KindOptions, u16(256, 4, 9, 1, 4, 34, 4, 35, 1), nil, 18, 9, true, 1},
		{"options of NetFlow v9 with less than a field", NetFlow9, KindOptions, u16(256, 1, 2, 1, 4, 34, 4), ErrInvalid, 6, 0, false, 0},
		{"withdrawal", IPFIX, KindData, u16(256, 0), ErrWithdrawn, 4, 0, false, 0},
		{"withdrawal of all", IPFIX, KindData, u16(2, 0), ErrWithdrawn, 4, 0, false, 0},
		{"without fields in NetFlow v9", NetFlow9, KindData, u16(256, 0), ErrInvalid, 4, 0, false, 0},
		{"no bytes", IPFIX, KindData, u16(256, 1, 8, 0), ErrInvalid, 8, 0, false, 0},
		{"id below 256", IPFIX, KindData, u16(255, 1, 8, 4), ErrInvalid, 8, 0, false, 0},
		{"more scope than fields", IPFIX, KindOptions, u16(256, 1, 2, 8, 4), ErrInvalid, 10, 0, false, 0},
		{"too many fields", IPFIX, KindData, append(u16(256, 11), make([]byte, 44)...), ErrLimit, 48, 0, false, 0},
		{"cut short", IPFIX, KindData, u16(256, 2, 8, 4), ErrTruncated, 8, 0, false, 0},
		{"padding", IPFIX, KindData, u16(0, 0), ErrPadding, 4, 0, false, 0},
		{"padding of three bytes", IPFIX, KindData, []byte{0, 0, 0}, ErrPadding, 3, 0, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, length, err := Parse(test.version, test.kind, test.record, 10)
			if !errors.Is(err, test.err) || length != test.length {
				t.Fatalf("length %d, %v; want %d, %v", length, err, test.length, test.err)
			}
			if err != nil {
				return
			}
			if got.MinLength != test.minLength || got.Fixed != test.fixed || got.ScopeFields != test.scope {
				t.Errorf("%+v", got)
			}
			again, n, err := Parse(test.version, test.kind, got.Record, 10)
			if err != nil || n != len(got.Record) || !again.SameLayout(got) {
				t.Errorf("its record does not read back: %v", err)
			}
		})
	}
}

// observed notes what a Store tells.
type observed struct{ learned []Definition }

func (o *observed) Learned(d Definition) { o.learned = append(o.learned, d) }

var scope = Scope{Version: IPFIX, Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 1}

// memory is a Store under test; layouts are told apart by the length of their one field.
type memory struct {
	*Store
	observed
	totals ledger.Totals
	t      *testing.T
	now    int64
}

func newMemory(t *testing.T, mode Mode, limits Limits) *memory {
	m := &memory{t: t, now: int64(time.Hour)}
	m.Store = NewStore(mode, limits, &m.totals, &m.observed)
	return m
}

var roomy = Limits{Exporters: 100, Templates: 100, Fields: 10}

func layoutOf(t *testing.T, id, length uint16) *Template {
	t.Helper()
	parsed, _, err := Parse(IPFIX, KindData, u16(id, 1, 1, length), 10)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (m *memory) learn(port, id, length uint16, stamp uint64) {
	m.t.Helper()
	m.now += int64(time.Second)
	m.Exporter(scope, m.now).LearnTemplate(port, layoutOf(m.t, id, length), stamp, m.now)
}

// want asserts what an id means for a port, 0 for nothing.
func (m *memory) want(port, id, length uint16) {
	m.t.Helper()
	got := uint16(0)
	if e := m.Find(scope); e != nil {
		if found, _ := e.Template(port, id, m.now); found != nil {
			got = found.Fields[0].Length
		}
	}
	if got != length {
		m.t.Errorf("template %d means %d for port %d, want %d", id, got, port, length)
	}
}

func (m *memory) counted(c ledger.Counter, want uint64) {
	m.t.Helper()
	if all := m.totals.Load(); all[c] != want {
		m.t.Errorf("%v is %d, want %d", ledger.Infos[c], all[c], want)
	}
}

func TestAutoTakesThePortsOwnThenWhatAllAgreeOn(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	m.learn(1000, 256, 4, 10)
	m.want(1000, 256, 4)
	m.want(2000, 256, 4) // another port of the same exporter
	m.learn(2000, 256, 4, 11)
	if len(m.learned) != 1 {
		t.Errorf("%d definitions are stored for one layout", len(m.learned))
	}
	m.learn(3000, 256, 8, 12) // a neighbour behind the same address
	m.counted(ledger.TemplatesConflicting, 1)
	m.want(1000, 256, 4)
	m.want(3000, 256, 8)
	m.want(4000, 256, 0) // nobody knows whose it is
}

func TestPortsThatConfirmedALayoutKeepItWhenTheOwnerChanges(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	m.learn(1000, 256, 4, 10)
	m.learn(2000, 256, 4, 11)
	m.learn(1000, 256, 8, 12)
	m.want(1000, 256, 8)
	m.want(2000, 256, 4)
}

func TestAnExporterThatRestartedWithANewPortIsNotOutvotedForEver(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	m.learn(1000, 256, 4, 10)
	m.now += int64(2 * time.Hour)
	m.learn(2000, 256, 8, 8000)
	m.want(3000, 256, 0) // another collector may hear the first
	m.now += silence
	m.want(3000, 256, 8)
	if last := m.learned[len(m.learned)-1]; !last.Silent || last.Key.Port != 1000 {
		t.Errorf("the bucket is not told that the first is silent, but %+v", last)
	}
}

func TestAPortForEachDatagramStoresNothingNew(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	for port := uint16(1000); port < 5000; port++ {
		m.learn(port, 256, 4, uint64(port))
	}
	if _, templates := m.Size(); templates != 1 || len(m.learned) != 1 {
		t.Errorf("%d templates, %d told", templates, len(m.learned))
	}
}

func TestAddressIgnoresThePortAndAddressPortRequiresIt(t *testing.T) {
	m := newMemory(t, ModeAddress, roomy)
	m.learn(1000, 256, 4, 10)
	m.learn(2000, 256, 8, 11)
	m.want(1000, 256, 8)
	if got := m.learned[0].Key.Port; got != AnyPort {
		t.Errorf("the port is %d", got)
	}
	m = newMemory(t, ModeAddressPort, roomy)
	m.learn(1000, 256, 4, 10)
	m.want(1000, 256, 4)
	m.want(2000, 256, 0)
}

func TestALateDatagramDoesNotBringBackAnOldLayout(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	m.learn(1000, 256, 4, 100)
	m.learn(1000, 256, 8, 120)
	m.learn(1000, 256, 4, 100) // delayed
	m.want(1000, 256, 8)
	m.counted(ledger.TemplatesStale, 1)
	// An exporter whose clock went back says it again, later by its own clock.
	m.learn(1000, 256, 2, 90)
	m.learn(1000, 256, 2, 91)
	m.want(1000, 256, 2)
	if last := m.learned[len(m.learned)-1]; last.Stamp <= StampOf(120) {
		t.Errorf("its stamp is %d: others would not take it", last.Stamp)
	}
}

func TestSeveralChangesWithinASecondHoldInTheirOrder(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	other := newMemory(t, ModeAuto, roomy) // follows what the first tells, as through the bucket
	lengths := []uint16{4, 8, 2, 4, 8, 2, 4}
	for i, length := range lengths {
		from := m
		if i%3 == 2 {
			from = other // the exporter's flow moves to another collector for a while
		}
		from.learn(1000, 256, length, 100)
		told := from.learned[len(from.learned)-1]
		for _, to := range []*memory{m, other} {
			if to != from {
				to.Restore(told, to.now)
			}
			to.want(1000, 256, length)
		}
		if i > 0 && told.Stamp.Seconds() != 100 {
			t.Errorf("change %d is of second %d", i, told.Stamp.Seconds())
		}
	}
	m.counted(ledger.TemplatesStale, 0)
	other.counted(ledger.TemplatesStale, 0)
	m.learn(1000, 256, 8, 101)
	m.want(1000, 256, 8)
	m.learn(1000, 256, 4, 99) // overtaken
	m.want(1000, 256, 8)
}

func TestAnExporterWhoseClockStartsAnewIsBelievedAtOnce(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	m.learn(1000, 256, 4, 1_700_000_000)
	m.learn(1000, 256, 8, 30) // restarted without a time server
	m.want(1000, 256, 8)
	m.learn(1000, 256, 2, 40)
	m.want(1000, 256, 2)
	if last := m.learned[len(m.learned)-1]; last.Stamp <= StampOf(1_700_000_000) {
		t.Errorf("its stamp is %d: others would not take it", last.Stamp)
	}
}

func TestRestoreTakesTheNewerAndTellsWhereMemoryIs(t *testing.T) {
	m := newMemory(t, ModeAuto, roomy)
	definition := func(length uint16, exported uint64) Definition {
		return Definition{Key: Key{Scope: scope, Port: 1000, ID: 256}, Kind: KindData, Stamp: StampOf(exported),
			Record: layoutOf(t, 256, length).Record}
	}
	if !m.Restore(definition(4, 100), m.now) {
		t.Error("a first definition was not taken")
	}
	m.want(1000, 256, 4)
	m.counted(ledger.TemplatesRestored, 1)
	if m.Restore(definition(4, 101), m.now) || m.Restore(definition(8, 50), m.now) {
		t.Error("the same, or an older one, was taken")
	}
	if len(m.learned) != 1 || m.learned[0].Stamp < StampOf(100) {
		t.Errorf("the bucket was not told of the newer one: %v", m.learned)
	}
	if !m.Restore(definition(8, 200), m.now) {
		t.Error("a newer one was not taken")
	}
	m.want(1000, 256, 8)
	m.Forget(Key{Scope: scope, Port: 1000, ID: 256})
	m.want(1000, 256, 0)
	for name, d := range map[string]Definition{
		"no record":       {Key: Key{Scope: scope, ID: 256}, Kind: KindData},
		"another id":      {Key: Key{Scope: scope, ID: 257}, Kind: KindData, Record: layoutOf(t, 256, 4).Record},
		"bytes behind it": {Key: Key{Scope: scope, ID: 256}, Kind: KindData, Record: append(layoutOf(t, 256, 4).Record, 0)},
	} {
		if m.Restore(d, m.now) {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// Export times are the exporter's own: one whose clock is far ahead, or who says so on purpose, is heard of when it was heard of.
func TestAnExportTimeInTheFutureDoesNotCountAsHeardOfForEver(t *testing.T) {
	future := StampOf(1<<32 - 1)
	t.Run("among ports that disagree", func(t *testing.T) {
		m := newMemory(t, ModeAuto, roomy)
		ahead := Definition{Key: Key{Scope: scope, Port: 1000, ID: 256}, Kind: KindData, Stamp: future, Record: layoutOf(t, 256, 4).Record}
		m.Restore(ahead, m.now)
		m.learn(2000, 256, 8, 100)
		m.want(3000, 256, 0) // both were heard of lately, and differ
		m.now += 2 * silence
		m.learn(2000, 256, 8, 200)
		m.want(3000, 256, 8) // the first has been silent since
	})
	t.Run("against exporters that send", func(t *testing.T) {
		m := newMemory(t, ModeAuto, Limits{Exporters: 10, Templates: 10, Fields: 10})
		invent := func(first, last uint32) {
			for domain := first; domain < last; domain++ {
				m.Restore(Definition{Key: Key{Scope: Scope{IPFIX, scope.Exporter, domain}, ID: 256}, Kind: KindData, Stamp: future,
					Record: layoutOf(t, 256, 4).Record}, m.now)
			}
		}
		invent(100, 110)
		m.learn(1000, 256, 8, 100)
		invent(110, 119)
		m.want(1000, 256, 8)
	})
}

func TestLimitsHold(t *testing.T) {
	m := newMemory(t, ModeAuto, Limits{Exporters: 10, Templates: 20, Fields: 10})
	for id := uint16(256); id < 1256; id++ {
		m.learn(1000, id, 4, 10)
	}
	if _, templates := m.Size(); templates != 20 {
		t.Errorf("%d templates", templates)
	}
	m.counted(ledger.TemplatesEvicted, 980)
	m.want(1000, 1255, 4)
	for domain := range uint32(1000) {
		m.Exporter(Scope{Version: IPFIX, Exporter: scope.Exporter, Domain: domain}, m.now+int64(domain))
	}
	if exporters, _ := m.Size(); exporters != 10 {
		t.Errorf("%d exporters", exporters)
	}
}

// Exporters times templates would be more than any machine has: all together take no more than they may, whoever they are said to be
// of, and who takes little and was heard of lately stays.
func TestAllDefinitionsTogetherAreBounded(t *testing.T) {
	const bound = 1 << 20
	m := newMemory(t, ModeAuto, Limits{Exporters: 100_000, Templates: 1000, Fields: 100, Bytes: bound})
	m.learn(1000, 256, 4, 100) // an honest one
	for domain := range uint32(500) {
		m.now += int64(time.Millisecond)
		e := m.Exporter(Scope{IPFIX, scope.Exporter, 1000 + domain}, m.now)
		for id := range uint16(170) {
			e.LearnTemplate(1000, layoutOf(t, 256+id, 4), 100, m.now)
		}
		for id := range uint16(10) {
			e.LearnTemplate(1000, layoutOf(t, 256+id, 8), 101, m.now) // redefined
		}
		if taken := m.bytes.Load(); taken > bound {
			t.Fatalf("%d bytes after %d exporters", taken, domain)
		}
	}
	m.want(1000, 256, 4)
	if taken, counted := bytesOf(m.Store), m.bytes.Load(); taken != counted {
		t.Errorf("%d bytes are counted of %d", counted, taken)
	}
	if exporters, _ := m.Size(); exporters < 10 {
		t.Errorf("only %d exporters are left", exporters)
	}
}

// bytesOf adds up what a store's layouts take.
func bytesOf(s *Store) (taken int64) {
	for _, e := range s.exporters {
		taken += exporterBytes
		for _, m := range e.ids {
			for _, l := range m.layouts {
				taken += l.size()
			}
		}
	}
	return taken
}

func TestTheBoundOnAllDefinitionsHoldsForManyWorkers(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: 50, Templates: 30, Fields: 10, Bytes: 64 << 10}, &totals, nil)
	var workers sync.WaitGroup
	for worker := range int64(4) {
		workers.Go(func() {
			for i := range int64(5000) {
				e := s.Exporter(Scope{IPFIX, scope.Exporter, uint32(i*(worker+1)) % 100}, i)
				e.LearnTemplate(uint16(i%3), layoutOf(t, 256+uint16(i%50), uint16(1+i%7)), uint64(i), i)
			}
		})
	}
	workers.Wait()
	if taken, counted := bytesOf(s), s.bytes.Load(); taken != counted || taken > 64<<10 {
		t.Errorf("%d bytes are counted of %d", counted, taken)
	}
}

func TestTwinsAreToldFromAChangeThatIsTakenBack(t *testing.T) {
	for name, test := range map[string]struct {
		says  [][2]uint16 // ports and lengths
		later time.Duration
		want  bool
	}{
		"one layout":                  {[][2]uint16{{1, 4}, {1, 4}}, 0, false},
		"a change":                    {[][2]uint16{{1, 4}, {1, 8}, {1, 8}}, 0, false},
		"a change that is taken back": {[][2]uint16{{1, 4}, {1, 8}, {1, 4}, {1, 4}}, 0, false},
		"in turn":                     {[][2]uint16{{1, 4}, {1, 8}, {1, 4}, {1, 8}}, 0, true},
		"neighbours":                  {[][2]uint16{{1, 4}, {2, 8}, {1, 4}, {2, 8}}, 0, false},
		"in turn, long ago":           {[][2]uint16{{1, 4}, {1, 8}, {1, 4}, {1, 8}}, 2 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, ModeAuto, roomy)
			for i, s := range test.says {
				m.learn(s[0], 256, s[1], uint64(10+60*i))
			}
			f := m.Find(scope).Figures(m.now + int64(test.later))
			if f.Twins != test.want || f.Templates != 1 || f.Changed == 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}
