package run

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// exporterKey names an exporter's own figures.
type exporterKey struct {
	exporter netip.Addr // invalid for all the others
	protocol decode.Protocol
}

// traffic sums up what came from each exporter. The first exporters up to a limit have figures of their own, for as long as
// the collector runs, so that no counter goes backwards; the others share some a protocol.
type traffic struct {
	mu    sync.Mutex
	limit int
	// books are those of each worker at its last look, under the keys that they are shown by.
	books map[*decode.Decoder]map[exporterKey]ledger.Book
	// shown is the key that an exporter's figures are shown by: its own, or the others'.
	shown map[exporterKey]exporterKey
	own   int
	// streams were heard of lately; leftOut is how many of these found no room at the last look of each worker.
	streams map[streamKey]*stream
	leftOut map[*decode.Decoder]uint64
	looks   uint64
	minute  minute
}

// streamKey tells the sequences of exporters apart.
type streamKey struct {
	exporter netip.Addr
	port     uint16
	protocol decode.Protocol
	domain   uint32
}

// stream is what the workers have of one. Most are with one worker; an sFlow agent whose port changed, or that sends from several,
// is with more.
type stream struct {
	lastSeen int64
	// parts stay as long as the stream is shown, so that no figure goes backwards.
	parts []part
}

type part struct {
	worker   *decode.Decoder
	look     uint64 // at the worker that brought it
	lastSeen int64
	span     ledger.Span
}

// take notes what a worker has of the stream by now. One look may bring several parts: agents that share an address.
func (s *stream) take(found part) {
	s.lastSeen = max(s.lastSeen, found.lastSeen)
	i := slices.IndexFunc(s.parts, func(p part) bool { return p.worker == found.worker })
	switch {
	case i < 0:
		s.parts = append(s.parts, found)
	case s.parts[i].look == found.look:
		found.span = sum([]part{s.parts[i], found})
		found.lastSeen = max(found.lastSeen, s.parts[i].lastSeen)
		s.parts[i] = found
	default:
		s.parts[i] = found
	}
}

// sum is what all parts come to: what one worker has not, another may have.
func sum(parts []part) ledger.Span {
	latestFirst := slices.SortedFunc(slices.Values(parts), func(a, b part) int { return cmp.Compare(b.lastSeen, a.lastSeen) })
	spans := make([]ledger.Span, len(parts))
	for i, p := range latestFirst {
		spans[i] = p.span
	}
	span, _ := ledger.Union(spans)
	return span
}

// streamIdle is how long a stream is shown after its last datagram: one that moved to another collector ends here, and does
// not hold up the fleet's highest number for ever.
const streamIdle = 10 * time.Minute

func (t *traffic) setLimit(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = limit
}

func (t *traffic) take(from *decode.Decoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.books == nil {
		t.books, t.shown = make(map[*decode.Decoder]map[exporterKey]ledger.Book), make(map[exporterKey]exporterKey)
	}
	books := t.books[from]
	if books == nil {
		books = make(map[exporterKey]ledger.Book)
		t.books[from] = books
	}
	clear(books)
	from.Books(func(exporter netip.Addr, p decode.Protocol, b *ledger.Book) {
		key := t.showAs(exporterKey{exporter, p})
		book := books[key]
		book.AddBook(b)
		books[key] = book
	})
	t.takeStreams(from, clock.Steady()-int64(streamIdle))
	t.takeMinute(from)
}

// showAs decides once by which key an exporter's figures are shown.
func (t *traffic) showAs(key exporterKey) exporterKey {
	if !key.exporter.IsValid() {
		return key
	}
	shown, ok := t.shown[key]
	if !ok {
		shown = key
		if t.own >= t.limit {
			shown.exporter = netip.Addr{}
		} else {
			t.own++
		}
		t.shown[key] = shown
	}
	return shown
}

// takeStreams shows the streams that were heard of after a time, up to the limit.
func (t *traffic) takeStreams(from *decode.Decoder, after int64) {
	if t.streams == nil {
		t.streams, t.leftOut = make(map[streamKey]*stream), make(map[*decode.Decoder]uint64)
	}
	maps.DeleteFunc(t.streams, func(_ streamKey, s *stream) bool { return s.lastSeen <= after })
	leftOut := uint64(0)
	t.looks++
	from.Streams(after, func(p decode.Protocol, s decode.Stream) {
		key := streamKey{s.Exporter, s.Port, p, s.Domain}
		if t.streams[key] == nil {
			if len(t.streams) >= t.limit {
				leftOut++
				return
			}
			t.streams[key] = &stream{}
		}
		t.streams[key].take(part{from, t.looks, s.LastSeen, s.Span})
	})
	t.leftOut[from] = leftOut
}

// sums are the books of all workers, by the keys that they are shown by.
func (t *traffic) sums() map[exporterKey]*ledger.Book {
	sums := make(map[exporterKey]*ledger.Book)
	for _, books := range t.books {
		for key, book := range books {
			if sums[key] == nil {
				sums[key] = &ledger.Book{}
			}
			sums[key].AddBook(&book)
		}
	}
	return sums
}

// account is what is known of exporters and their streams.
func (t *traffic) account() (exporters []ledger.Exporter, streams []ledger.Stream, leftOut uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, book := range t.sums() {
		address := ""
		if key.exporter.IsValid() {
			address = key.exporter.String()
		}
		exporters = append(exporters, ledger.NewExporter(address, key.protocol.String(), book))
	}
	for key, s := range t.streams {
		streams = append(streams, ledger.Stream{
			StreamKey: ledger.StreamKey{Exporter: key.exporter.String(), Port: key.port, Protocol: key.protocol.String(), Domain: key.domain},
			LastSeen:  time.Unix(0, s.lastSeen), Span: sum(s.parts),
		})
	}
	for _, n := range t.leftOut {
		leftOut += n
	}
	return exporters, streams, leftOut
}
