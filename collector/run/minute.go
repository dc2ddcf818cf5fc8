package run

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// maxMinuteStreams bounds what a minute keeps: a flood of made-up addresses brings new streams all the time.
const maxMinuteStreams = 16384

// minute is what was counted since the ledger's last minute was closed.
type minute struct {
	// on is set where somebody closes minutes.
	on bool
	// streams are at most maxMinuteStreams; those of the last minute's records are there from its beginning, so that a flood keeps none of
	// them out. What the others have is in the rest.
	streams map[minuteKey]*minuteStream
	// before is how the exporters' books were then.
	before map[exporterKey]ledger.Book
	// untold are how far sequences went on since they were told last: see owe. At most maxMinuteStreams are kept from minute to minute.
	untold map[streamKey]*untold
	closed uint64 // minutes
}

// untold is how far a sequence went on in minutes that had no room for a record of it.
type untold struct {
	advance ledger.Advance
	closed  uint64 // the last minute in which it went on
}

// owe keeps how far the sequence of a stream without a record went on, for its next record. What a minute's record lacks is in the rest, but no
// sequence: its numbers go on since its last record, and the units between the two would seem missed.
func (m *minute) owe(key streamKey, more ledger.Advance) {
	if !more.Numbered || more.Units == 0 && more.Restarts == 0 {
		return
	}
	if m.untold == nil {
		m.untold = make(map[streamKey]*untold)
	}
	u := m.untold[key]
	if u == nil {
		if len(m.untold) >= 2*maxMinuteStreams { // until the minute is closed
			return
		}
		u = &untold{}
		m.untold[key] = u
	}
	u.advance.Add(more)
	u.closed = m.closed
}

// settle returns how far the sequence of a stream that has a record went on since its last one, of which now is what came in this minute.
func (m *minute) settle(key streamKey, now ledger.Advance) ledger.Advance {
	if u := m.untold[key]; u != nil && now.Numbered {
		u.advance.Add(now)
		now = u.advance
		delete(m.untold, key)
	}
	return now
}

// forget bounds what is owed: what went on last stays.
func (m *minute) forget() {
	if len(m.untold) <= maxMinuteStreams {
		return
	}
	order := slices.SortedFunc(maps.Keys(m.untold), func(a, b streamKey) int { return cmp.Compare(m.untold[b].closed, m.untold[a].closed) })
	for _, key := range order[maxMinuteStreams:] {
		delete(m.untold, key)
	}
}

// minuteKey tells streams apart by whose book they are in, too.
type minuteKey struct {
	source netip.Addr
	stream streamKey
}

// minuteStream is what the workers had of a stream.
type minuteStream struct {
	book     ledger.Book
	advance  ledger.Advance
	lastSeen int64 // in nanoseconds since 1970, by the clock as others have it
	// rate of the latest flow, 0 where it is not known; filled in when the minute is closed.
	rate uint64
}

func (s *minuteStream) add(o *minuteStream) {
	s.book.AddBook(&o.book)
	s.advance.Add(o.advance)
	s.lastSeen = max(s.lastSeen, o.lastSeen)
}

// takeMinute takes what a worker counted of its streams. It belongs to the look that takes the books, so that what streams have is in the
// books.
func (t *traffic) takeMinute(from *decode.Decoder) {
	m := &t.minute
	if !m.on {
		return
	}
	from.Take(func(p decode.Protocol, taken *decode.Taken) {
		key := minuteKey{taken.Source, streamKey{taken.Stream.Exporter, taken.Stream.Port, p, taken.Stream.Domain}}
		m.take(key, &minuteStream{book: taken.Book, advance: taken.Advance,
			lastSeen: clock.WallOf(taken.Stream.LastSeen).UnixNano()})
	})
}

func (m *minute) take(key minuteKey, more *minuteStream) {
	s := m.streams[key]
	switch {
	case s != nil:
		s.add(more)
	case len(m.streams) < maxMinuteStreams:
		if m.streams == nil {
			m.streams = make(map[minuteKey]*minuteStream)
		}
		m.streams[key] = more
	default:
		m.owe(key.stream.withoutZone(), more.advance)
	}
}

// keepMinutes is called where minutes will be closed.
func (t *traffic) keepMinutes() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.minute.on = true
}

// closeMinute returns what was counted since the last call, and begins anew. What the rest of a record is, others know.
func (t *traffic) closeMinute() []ledger.Minute {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.minute.close(t.sums(), t.limit, func(key streamKey) uint64 {
		if s := t.streams[key]; s != nil {
			return said(s.parts).Rate
		}
		return 0
	})
}

// close makes records of what the exporters' books have more than before: of the streams with the most records, up to a limit, and of the
// rest. rate is a stream's sampling rate, 0 where it is not known.
func (m *minute) close(books map[exporterKey]*ledger.Book, limit int, rate func(streamKey) uint64) (out []ledger.Minute) {
	m.closed++
	streams, told := m.most(limit, rate)
	for key, s := range streams {
		r := ledger.Minute{Kind: ledger.KindDomain, Exporter: address(key.exporter), Protocol: key.protocol.String(), Port: key.port,
			Domain: key.domain, SamplingRate: s.rate}
		r.Count(&s.book)
		r.Follow(m.settle(key, s.advance), time.Unix(0, s.lastSeen))
		out = append(out, r)
	}
	m.forget() // after those that have a record now got what they were owed
	less := told
	for key, before := range m.before {
		book := less[key]
		book.AddBook(&before)
		less[key] = book
	}
	for key, gone := range less {
		if key.exporter.IsValid() && (books[key] == nil || !books[key].Covers(&gone)) {
			// It has no book of its own any more, or another one: what the former one had is with the others.
			others := exporterKey{protocol: key.protocol}
			book := less[others]
			book.AddBook(&gone)
			less[others] = book
			delete(less, key)
		}
	}
	m.before = make(map[exporterKey]ledger.Book, len(books))
	rests := make(map[exporterKey]ledger.Book, len(books))
	for key, book := range books {
		m.before[key] = *book
		rest, gone := rests[key.withoutZone()], less[key]
		rest.AddBook(book)
		rest.SubBook(&gone)
		rests[key.withoutZone()] = rest
	}
	for key, rest := range rests {
		// An exporter that got a book of its own within the minute has records in both, and streams do not tell which.
		others := exporterKey{protocol: key.protocol}
		if short, is := rests[others]; is && key != others {
			short.Borrow(&rest)
			rests[others], rests[key] = short, rest
		}
	}
	for key, rest := range rests {
		// Streams' books have no volumes and names. What all the others have of them is not told: exporters join and leave these.
		if r := (ledger.Minute{Exporter: address(key.exporter), Protocol: key.protocol.String()}); key.exporter.IsValid() && r.Say(rest.Volume, rest.Naming) {
			out = append(out, r)
		}
		// Waiting is a level. Nobody tells it.
		rest.Waiting, rest.Volume, rest.Naming = 0, ledger.Volume{}, ledger.Naming{}
		if rest == (ledger.Book{}) {
			continue
		}
		r := ledger.Minute{Kind: ledger.KindRest, Exporter: address(key.exporter), Protocol: key.protocol.String()}
		r.Count(&rest)
		out = append(out, r)
	}
	before := m.streams
	m.streams = make(map[minuteKey]*minuteStream)
	for key, s := range before {
		if s.book != (ledger.Book{}) && streams[key.stream.withoutZone()] != nil {
			m.streams[key] = &minuteStream{}
		}
	}
	slices.SortFunc(out, func(a, b ledger.Minute) int {
		return cmp.Or(cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// most are the streams with the most records, and what of the exporters' books they have: what floods of made-up addresses send comes last.
func (m *minute) most(limit int, rate func(streamKey) uint64) (streams map[streamKey]*minuteStream, told map[exporterKey]ledger.Book) {
	records := func(key minuteKey) uint64 {
		c := m.streams[key].book.Counts()
		return c[ledger.RecordsDecoded]
	}
	order := slices.SortedFunc(maps.Keys(m.streams), func(a, b minuteKey) int { return cmp.Compare(records(b), records(a)) })
	streams, told = make(map[streamKey]*minuteStream), make(map[exporterKey]ledger.Book)
	for _, key := range order {
		if *m.streams[key] == (minuteStream{}) { // it had records in the last minute, and nothing in this one
			continue
		}
		stream := key.stream.withoutZone()
		s := streams[stream]
		if s == nil {
			if len(streams) >= limit {
				m.owe(stream, m.streams[key].advance)
				continue
			}
			s = &minuteStream{}
			streams[stream] = s
		}
		s.add(m.streams[key])
		s.rate = cmp.Or(rate(key.stream), s.rate)
		exporter := exporterKey{key.source, key.stream.protocol}
		book := told[exporter]
		book.AddBook(&m.streams[key].book)
		told[exporter] = book
	}
	return streams, told
}

// withoutZone is the key as records have it: flows and tables have no zones, and two link-local addresses that differ in nothing else are one.
func (k exporterKey) withoutZone() exporterKey {
	k.exporter = k.exporter.WithZone("")
	return k
}

func (k streamKey) withoutZone() streamKey {
	k.exporter = k.exporter.WithZone("")
	return k
}

func address(exporter netip.Addr) string {
	if !exporter.IsValid() {
		return ledger.NoExporter
	}
	return exporter.String()
}
