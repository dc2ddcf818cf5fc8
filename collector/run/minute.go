package run

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// minute is what was counted since the ledger's last minute was closed.
type minute struct {
	streams map[streamKey]*minuteStream
	// told is what of the exporters' books stands in streams; before is how the books were.
	told, before map[exporterKey]ledger.Book
}

// minuteStream is what the workers had of a stream.
type minuteStream struct {
	book     ledger.Book
	advance  ledger.Advance
	lastSeen int64
}

// takeMinute takes what a worker counted of its streams. It belongs to the look that takes the books, so that what streams have is in the
// books. What finds no room is left to them: streams beyond the limit, and those of exporters without figures of their own.
func (t *traffic) takeMinute(from *decode.Decoder) {
	m := &t.minute
	if m.streams == nil {
		m.streams, m.told = make(map[streamKey]*minuteStream), make(map[exporterKey]ledger.Book)
	}
	from.Take(func(p decode.Protocol, taken *decode.Taken) {
		exporter := exporterKey{taken.Source, p}
		if t.shown[exporter] != exporter {
			return
		}
		key := streamKey{taken.Stream.Exporter, taken.Stream.Port, p, taken.Stream.Domain}
		s := m.streams[key]
		if s == nil {
			if len(m.streams) >= t.limit {
				return
			}
			s = &minuteStream{}
			m.streams[key] = s
		}
		s.book.AddBook(&taken.Book)
		s.advance.Add(taken.Advance)
		s.lastSeen = max(s.lastSeen, taken.Stream.LastSeen)
		told := m.told[exporter]
		told.AddBook(&taken.Book)
		m.told[exporter] = told
	})
}

// closeMinute returns what was counted since the last call, and begins anew. What the rest of a record is, others know.
func (t *traffic) closeMinute() []ledger.Minute {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.minute.close(t.sums())
}

// close makes records of what the exporters' books have more than before: of streams, and of the rest.
func (m *minute) close(books map[exporterKey]*ledger.Book) []ledger.Minute {
	var out []ledger.Minute
	for key, s := range m.streams {
		r := ledger.Minute{Kind: ledger.KindDomain, Exporter: address(key.exporter), Protocol: key.protocol.String(), Port: key.port,
			Domain: key.domain}
		r.Count(&s.book)
		r.Follow(s.advance, time.Unix(0, s.lastSeen))
		out = append(out, r)
	}
	before := make(map[exporterKey]ledger.Book, len(books))
	for key, book := range books {
		before[key] = *book
		rest, counted, told := *book, m.before[key], m.told[key]
		rest.Subtract(&counted)
		rest.Subtract(&told)
		if rest.Waiting = 0; rest == (ledger.Book{}) { // it is a level, and told by nobody
			continue
		}
		r := ledger.Minute{Kind: ledger.KindRest, Exporter: address(key.exporter), Protocol: key.protocol.String()}
		r.Count(&rest)
		out = append(out, r)
	}
	*m = minute{before: before}
	slices.SortFunc(out, func(a, b ledger.Minute) int {
		return cmp.Or(cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func address(exporter netip.Addr) string {
	if !exporter.IsValid() {
		return ledger.NoExporter
	}
	return exporter.String()
}
