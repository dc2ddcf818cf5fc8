package run

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

func bookOf(records, refused uint64) (b ledger.Book) {
	b.Add(ledger.RecordsDecoded, records)
	b.Add(ledger.RefusedHeader, refused)
	b.Add(ledger.DatagramsReceived, records+refused)
	b.Add(ledger.DatagramsDecoded, records)
	return b
}

// tellingBook is an exporter's, which has what streams' have not: what the records tell of, and how many got names.
func tellingBook(records uint64) ledger.Book {
	b := bookOf(records, 0)
	b.Volume.Record(1500, 100)
	b.Naming.Interfaces.Count(true)
	b.Naming.VRFs.Count(false)
	return b
}

func noRate(streamKey) uint64 { return 0 }

func TestAMinuteHasStreamsAndTheRestOfTheBooks(t *testing.T) {
	router, flood := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	own := exporterKey{router, decode.IPFIX}
	others := exporterKey{protocol: decode.IPFIX}
	stream := func(domain uint32) minuteKey { return minuteKey{router, streamKey{router, 4000, decode.IPFIX, domain}} }
	numbered := ledger.Advance{Numbered: true, From: 7, Next: 12, Units: 5, Run: 5}
	row := func(kind ledger.Kind, exporter string, records, refused uint64) ledger.Minute {
		m := ledger.Minute{Kind: kind, Exporter: exporter, Protocol: "ipfix"}
		b := bookOf(records, refused)
		m.Count(&b)
		return m
	}
	streamRow := func(domain uint32, records uint64, a ledger.Advance) ledger.Minute {
		m := row(ledger.KindDomain, "192.0.2.1", records, 0)
		m.Port, m.Domain, m.LastSeen = 4000, domain, 2000
		if a.Numbered {
			m.Kind, m.SequenceFrom, m.SequenceNext, m.Units, m.UnitsOfRun = ledger.KindStream, a.From, a.Next, a.Units, a.Run
		}
		return m
	}
	told := ledger.Minute{Kind: ledger.KindExporter, Exporter: "192.0.2.1", Protocol: "ipfix", Bytes: 1500, ScaledBytes: 150_000,
		Named: map[string]uint64{"interfaces": 1}, Unnamed: map[string]uint64{"vrfs": 1}}
	for name, test := range map[string]struct {
		before, books map[exporterKey]ledger.Book
		streams       map[minuteKey]*minuteStream
		limit         int
		want          []ledger.Minute
	}{
		"nothing was counted": {before: map[exporterKey]ledger.Book{own: bookOf(5, 5)}, books: map[exporterKey]ledger.Book{own: bookOf(5, 5)}, limit: 9},
		"what is told by stream is not told twice": {
			before:  map[exporterKey]ledger.Book{own: bookOf(10, 1)},
			books:   map[exporterKey]ledger.Book{own: bookOf(15, 1)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(5, 0), advance: numbered, lastSeen: 2e9}}, limit: 9,
			want: []ledger.Minute{streamRow(1, 5, numbered)},
		},
		"what records say is told by exporter": {
			books:   map[exporterKey]ledger.Book{own: tellingBook(5), others: tellingBook(0)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(5, 0), advance: numbered, lastSeen: 2e9}}, limit: 9,
			want: []ledger.Minute{told, streamRow(1, 5, numbered)},
		},
		"refused datagrams are of no stream": {
			books:   map[exporterKey]ledger.Book{own: bookOf(5, 3)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(5, 0), advance: ledger.Advance{}, lastSeen: 2e9}}, limit: 9,
			want: []ledger.Minute{row(ledger.KindRest, "192.0.2.1", 0, 3), streamRow(1, 5, ledger.Advance{})},
		},
		"beyond the limit those with the most records have rows": {
			books: map[exporterKey]ledger.Book{own: bookOf(9, 0)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(2, 0), advance: numbered, lastSeen: 2e9}, stream(2): {book: bookOf(4, 0), advance: numbered, lastSeen: 2e9},
				stream(3): {book: bookOf(3, 0), advance: numbered, lastSeen: 2e9}}, limit: 1,
			want: []ledger.Minute{row(ledger.KindRest, "192.0.2.1", 5, 0), streamRow(2, 4, numbered)},
		},
		"an exporter without a book of its own is among the others": {
			books:   map[exporterKey]ledger.Book{others: bookOf(8, 0)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(5, 0), advance: numbered, lastSeen: 2e9}}, limit: 9,
			want: []ledger.Minute{streamRow(1, 5, numbered), row(ledger.KindRest, "::", 3, 0)},
		},
		"a book that went to the others is not told again": {
			before: map[exporterKey]ledger.Book{own: bookOf(0, 6), others: bookOf(1, 0)},
			books:  map[exporterKey]ledger.Book{others: bookOf(1, 8)}, limit: 9,
			want: []ledger.Minute{row(ledger.KindRest, "::", 0, 2)},
		},
		"nor one that began anew": {
			before: map[exporterKey]ledger.Book{own: bookOf(0, 6), others: bookOf(1, 0)},
			books:  map[exporterKey]ledger.Book{own: bookOf(4, 0), others: bookOf(1, 6)}, limit: 9,
			want: []ledger.Minute{row(ledger.KindRest, "192.0.2.1", 4, 0)},
		},
		"an agent that two addresses send is one stream": {
			books: map[exporterKey]ledger.Book{own: bookOf(2, 0), {flood, decode.IPFIX}: bookOf(3, 0)},
			streams: map[minuteKey]*minuteStream{stream(1): {book: bookOf(2, 0), advance: ledger.Advance{}, lastSeen: 2e9},
				{flood, stream(1).stream}: {book: bookOf(3, 0), advance: ledger.Advance{}, lastSeen: 1e9}}, limit: 9,
			want: []ledger.Minute{streamRow(1, 5, ledger.Advance{})},
		},
	} {
		m := minute{streams: test.streams, before: test.before}
		books := make(map[exporterKey]*ledger.Book)
		for key, b := range test.books {
			books[key] = &b
		}
		if diff := cmp.Diff(test.want, m.close(books, test.limit, noRate)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if again := m.close(books, test.limit, noRate); again != nil {
			t.Errorf("%s: it is told again: %+v", name, again)
		}
	}
}

func TestWhatTheCollectorDropsIsToldOnce(t *testing.T) {
	var m minutes
	now := ledger.Minute{Kind: ledger.KindCollector, KernelDropped: 3, RecordsDropped: map[string]uint64{"oldest": 2, "newest": 0}}
	if more, any := m.since(now); !any || more.KernelDropped != 3 || more.RecordsDropped["oldest"] != 2 || len(more.RecordsDropped) != 1 {
		t.Errorf("it is %+v", more)
	}
	now.RecordsDropped = map[string]uint64{"oldest": 5}
	if more, any := m.since(now); !any || more.KernelDropped != 0 || more.RecordsDropped["oldest"] != 3 {
		t.Errorf("then it is %+v", more)
	}
	if more, any := m.since(now); any {
		t.Errorf("at last it is %+v", more)
	}
}

// A sequence goes on while its stream has no record: the next one has the units since the last.
func TestAStreamThatHadNoRecordForAMinuteHasItsUnitsInTheNext(t *testing.T) {
	router := netip.MustParseAddr("192.0.2.1")
	key := func(domain uint32) minuteKey { return minuteKey{router, streamKey{router, 4000, decode.IPFIX, domain}} }
	var m minute
	sent, units := map[uint32]uint32{}, map[uint32]uint64{}
	for i := range 20 {
		told := uint32(i % 2) // has more records, and takes the only place
		for domain := range uint32(2) {
			n := uint64(5)
			if domain == told {
				n = 9
			}
			next := sent[domain] + uint32(n)
			a := ledger.Advance{Numbered: true, From: sent[domain], Next: next, Units: n, Run: n}
			if i == 11 && domain != told {
				a.Restarts, a.From, a.Next, next = 1, 1<<30, 1<<30+5, 1<<30+5
			}
			m.take(key(domain), &minuteStream{book: bookOf(n, 0), advance: a})
			sent[domain] = next
		}
		for _, r := range m.close(nil, 1, noRate) {
			if r.Kind != ledger.KindStream {
				continue
			}
			if r.Domain != told || r.SequenceNext != sent[told] {
				t.Errorf("minute %d: it is %+v", i, r)
			}
			if restarted := i == 12; restarted != (r.Restarts > 0) {
				t.Errorf("minute %d: it has %d restarts", i, r.Restarts)
			}
			units[r.Domain] += r.Units
		}
	}
	if units[0] != 10*5+10*9-5 || units[1] != 10*5+10*9 { // the last minute had no record of 0
		t.Errorf("%d units are told", units)
	}
	for i := range uint32(3 * maxMinuteStreams) {
		m.owe(key(i).stream, ledger.Advance{Numbered: true, Units: 1})
	}
	m.forget()
	if n := len(m.untold); n != maxMinuteStreams {
		t.Errorf("%d sequences are owed their units", n)
	}
}

// madeUp is a stream of a flood of addresses.
func madeUp(i int) minuteKey {
	a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return minuteKey{a, streamKey{a, 4000, decode.IPFIX, 0}}
}

// Streams beyond those that are owed their units lose what is oldest, but not those that have a record in this very minute.
func TestAFloodOfStreamsThatAreOwedTheirUnitsTakesNoneFromARecord(t *testing.T) {
	var m minute
	numbered := func(from uint32) ledger.Advance {
		return ledger.Advance{Numbered: true, From: from, Next: from + 5, Units: 5, Run: 5}
	}
	m.take(madeUp(0), &minuteStream{book: bookOf(5, 0), advance: numbered(0)})
	m.close(nil, 0, noRate)
	m.take(madeUp(0), &minuteStream{book: bookOf(5, 0), advance: numbered(5)})
	for i := range maxMinuteStreams + 10 {
		m.take(madeUp(1+i), &minuteStream{book: bookOf(1, 0), advance: numbered(0)})
	}
	for i := range maxMinuteStreams + 10 { // in another order, those beyond the bound on a minute's streams
		m.take(madeUp(1+2*maxMinuteStreams+i), &minuteStream{book: bookOf(1, 0), advance: numbered(0)})
	}
	var got uint64
	for _, r := range m.close(nil, 1, noRate) {
		if r.Kind == ledger.KindStream {
			got = r.Units
		}
	}
	if got != 10 {
		t.Errorf("the record has %d units, want those of two minutes: 10", got)
	}
	if n := len(m.untold); n > maxMinuteStreams {
		t.Errorf("%d sequences are owed their units", n)
	}
}

// A flood of streams takes no place from those that had records in the minute before, and no more memory than is allowed.
func TestAFloodOfStreamsLeavesTheOthersTheirRecords(t *testing.T) {
	var m minute
	router := minuteKey{netip.MustParseAddr("192.0.2.1"), streamKey{netip.MustParseAddr("192.0.2.1"), 4000, decode.IPFIX, 7}}
	m.take(router, &minuteStream{book: bookOf(5, 0)})
	m.close(nil, 10, noRate)
	for i := range 2 * maxMinuteStreams {
		m.take(madeUp(i), &minuteStream{book: bookOf(1, 0)})
	}
	m.take(router, &minuteStream{book: bookOf(3, 0)})
	if len(m.streams) != maxMinuteStreams {
		t.Errorf("%d streams are kept", len(m.streams))
	}
	others, own := bookOf(2*maxMinuteStreams, 0), bookOf(3, 0)
	var sum uint64
	told := false
	for _, r := range m.close(map[exporterKey]*ledger.Book{{protocol: decode.IPFIX}: &others, {router.source, decode.IPFIX}: &own}, 10, noRate) {
		sum += r.Records
		told = told || r.Domain == 7 && r.Records == 3
	}
	if sum != 2*maxMinuteStreams+3 || !told {
		t.Errorf("%d records are told, of the router's: %t", sum, told)
	}
	m.close(nil, 10, noRate)
	if n := len(m.streams); n != 0 {
		t.Errorf("%d streams are kept that are silent", n)
	}
}
