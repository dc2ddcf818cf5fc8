package run

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// minute is what was counted since the ledger's last minute was closed.
type minute struct {
	streams map[minuteKey]*minuteStream
	// before is how the exporters' books were then.
	before map[exporterKey]ledger.Book
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
	lastSeen int64
}

func (s *minuteStream) add(o *minuteStream) {
	s.book.AddBook(&o.book)
	s.advance.Add(o.advance)
	s.lastSeen = max(s.lastSeen, o.lastSeen)
}

// takeMinute takes what a worker counted of its streams. It belongs to the look that takes the books, so that what streams have is in the
// books. There are no more of them than workers follow.
func (t *traffic) takeMinute(from *decode.Decoder) {
	m := &t.minute
	if m.streams == nil {
		m.streams = make(map[minuteKey]*minuteStream)
	}
	from.Take(func(p decode.Protocol, taken *decode.Taken) {
		key := minuteKey{taken.Source, streamKey{taken.Stream.Exporter, taken.Stream.Port, p, taken.Stream.Domain}}
		if m.streams[key] == nil {
			m.streams[key] = &minuteStream{}
		}
		m.streams[key].add(&minuteStream{taken.Book, taken.Advance, taken.Stream.LastSeen})
	})
}

// closeMinute returns what was counted since the last call, and begins anew. What the rest of a record is, others know.
func (t *traffic) closeMinute() []ledger.Minute {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.minute.close(t.sums(), t.limit)
}

// close makes records of what the exporters' books have more than before: of the streams with the most records, up to a limit, and of the
// rest.
func (m *minute) close(books map[exporterKey]*ledger.Book, limit int) (out []ledger.Minute) {
	streams, told := m.most(limit)
	for key, s := range streams {
		r := ledger.Minute{Kind: ledger.KindDomain, Exporter: address(key.exporter), Protocol: key.protocol.String(), Port: key.port,
			Domain: key.domain}
		r.Count(&s.book)
		r.Follow(s.advance, time.Unix(0, s.lastSeen))
		out = append(out, r)
	}
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
	for key, book := range books {
		m.before[key] = *book
		rest, gone := *book, less[key]
		rest.SubBook(&gone)
		if rest.Waiting = 0; rest == (ledger.Book{}) { // it is a level, and told by nobody
			continue
		}
		r := ledger.Minute{Kind: ledger.KindRest, Exporter: address(key.exporter), Protocol: key.protocol.String()}
		r.Count(&rest)
		out = append(out, r)
	}
	m.streams = nil
	slices.SortFunc(out, func(a, b ledger.Minute) int {
		return cmp.Or(cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// most are the streams with the most records, and what of the exporters' books they have: what floods of made-up addresses send comes last.
func (m *minute) most(limit int) (streams map[streamKey]*minuteStream, told map[exporterKey]ledger.Book) {
	records := func(key minuteKey) uint64 {
		c := m.streams[key].book.Counts()
		return c[ledger.RecordsDecoded]
	}
	order := slices.SortedFunc(maps.Keys(m.streams), func(a, b minuteKey) int { return cmp.Compare(records(b), records(a)) })
	streams, told = make(map[streamKey]*minuteStream), make(map[exporterKey]ledger.Book)
	for _, key := range order {
		s := streams[key.stream]
		if s == nil {
			if len(streams) >= limit {
				continue
			}
			s = &minuteStream{}
			streams[key.stream] = s
		}
		s.add(m.streams[key])
		exporter := exporterKey{key.source, key.stream.protocol}
		book := told[exporter]
		book.AddBook(&m.streams[key].book)
		told[exporter] = book
	}
	return streams, told
}

func address(exporter netip.Addr) string {
	if !exporter.IsValid() {
		return ledger.NoExporter
	}
	return exporter.String()
}
