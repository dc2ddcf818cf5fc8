package run

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// exporterKey names an exporter's own figures.
type exporterKey struct {
	exporter netip.Addr // invalid for all the others
	protocol decode.Protocol
}

// traffic sums up what came from each exporter. Exporters up to a limit have figures of their own, the others share some a protocol.
// As with the decoders' books, one of which no record was decoded makes room for whoever comes. No figure goes backwards: what was shown
// among the others stays there. Declared exporters have figures of their own whatever the limit.
type traffic struct {
	mu       sync.Mutex
	limit    int
	declared map[netip.Addr]struct{}
	// books are those of each worker at its last look.
	books map[*decode.Decoder]map[exporterKey]*counted
	// shown tells whether an exporter's figures are shown as its own, or among the others'; own is how many are, empty are those of
	// them that had no record, as far as it was looked at.
	shown map[exporterKey]bool
	own   int
	empty map[exporterKey]struct{}
	// streams were heard of lately; leftOut is how many of these found no room at the last look of each worker.
	streams map[streamKey]*stream
	leftOut map[*decode.Decoder]uint64
	looks   uint64
	minute  minute
}

// counted is what a worker counted of an exporter, and what of it is shown among the others whatever else is.
type counted struct{ all, among ledger.Book }

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
	said     netflow.Said
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
		found.said = said([]part{s.parts[i], found})
		found.lastSeen = max(found.lastSeen, s.parts[i].lastSeen)
		s.parts[i] = found
	default:
		s.parts[i] = found
	}
}

// sum is what all parts come to: what one worker has not, another may have.
func sum(parts []part) ledger.Span {
	all := make([]ledger.Part, len(parts))
	for i, p := range parts {
		all[i] = ledger.Part{Span: p.span, Heard: time.Unix(0, p.lastSeen)}
	}
	span, _ := ledger.Union(all)
	return span
}

// said is what the latest part says, and whether any has records with rates, or without.
func said(parts []part) (out netflow.Said) {
	latest := int64(0)
	rated, unrated := false, false
	var device *netflow.Device
	for _, p := range parts {
		if p.lastSeen >= latest {
			latest, out = p.lastSeen, p.said
		}
		if p.said.Device != nil && (device == nil || p.lastSeen >= latest) {
			device = p.said.Device // counter samples may have come to one worker only
		}
		rated, unrated = rated || p.said.Rated, unrated || p.said.Unrated
	}
	out.Rated, out.Unrated, out.Device = rated, unrated, device
	return out
}

// streamIdle is how long a stream is shown after its last datagram: one that moved to another collector ends here, and does
// not hold up the fleet's highest number for ever.
const streamIdle = 10 * time.Minute

func (t *traffic) setLimit(limit int, declared map[netip.Addr]struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit, t.declared = limit, declared
}

func (t *traffic) isDeclared(exporter netip.Addr) bool {
	_, ok := t.declared[exporter]
	return ok
}

func (t *traffic) take(from *decode.Decoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.books == nil {
		t.books, t.shown = make(map[*decode.Decoder]map[exporterKey]*counted), make(map[exporterKey]bool)
		t.empty = make(map[exporterKey]struct{})
	}
	before, now := t.books[from], make(map[exporterKey]*counted)
	from.Books(func(exporter netip.Addr, p decode.Protocol, b *ledger.Book) {
		key := exporterKey{exporter, p}
		c := &counted{all: *b}
		if was := before[key]; was != nil && was.all.Get(ledger.DatagramsReceived) <= b.Get(ledger.DatagramsReceived) {
			c.among = was.among
		} // else it is another book: what the former one had is in the others' by now
		now[key] = c
	})
	t.books[from] = now
	for key := range before {
		if now[key] == nil && !t.known(key) {
			t.forget(key)
		}
	}
	for key := range now {
		if key.exporter.IsValid() {
			t.show(key)
		}
	}
	t.takeStreams(from, clock.Steady()-int64(streamIdle))
	t.takeMinute(from)
}

// known reports whether a worker has a book of an exporter.
func (t *traffic) known(key exporterKey) bool {
	for _, books := range t.books {
		if books[key] != nil {
			return true
		}
	}
	return false
}

func (t *traffic) forget(key exporterKey) {
	if t.shown[key] {
		t.own--
	}
	delete(t.shown, key)
	delete(t.empty, key)
}

// show decides by which figures an exporter is shown. Among the others it stays until records come and nothing of it waits.
func (t *traffic) show(key exporterKey) {
	own, met := t.shown[key]
	if own || met && !t.mayChange(key) {
		return
	}
	if own = t.own < t.limit || t.isDeclared(key.exporter) || t.makeRoom(); own {
		t.own++
		t.empty[key] = struct{}{}
		if met {
			t.keepAmong(key)
		}
	}
	t.shown[key] = own
}

// mayChange reports whether the figures of one that is shown among the others are worth some of its own, and fit to go on as such.
func (t *traffic) mayChange(key exporterKey) bool {
	for _, books := range t.books {
		if c := books[key]; c != nil && c.all.Waiting != 0 {
			return false
		}
	}
	return t.records(key) > 0
}

// records is how many the workers decoded of an exporter.
func (t *traffic) records(key exporterKey) (n uint64) {
	for _, books := range t.books {
		if c := books[key]; c != nil {
			n += c.all.Get(ledger.RecordsDecoded)
		}
	}
	return n
}

// emptyStreams are those of exporters without records.
func (t *traffic) emptyStreams() (out []streamKey) {
	for key := range t.streams {
		if t.records(exporterKey{key.exporter, key.protocol}) == 0 && !t.isDeclared(key.exporter) {
			out = append(out, key)
		}
	}
	return out
}

// keepAmong leaves what was counted of an exporter so far with the others.
func (t *traffic) keepAmong(key exporterKey) {
	for _, books := range t.books {
		if c := books[key]; c != nil {
			c.among = c.all
		}
	}
}

// makeRoom shows one without records among the others, and reports whether there was one. Nothing is looked at more than once.
func (t *traffic) makeRoom() bool {
	for key := range t.empty {
		delete(t.empty, key)
		if t.records(key) == 0 && !t.isDeclared(key.exporter) {
			t.shown[key] = false
			t.own--
			return true
		}
	}
	return false
}

// sums are the figures as they are shown. t.mu is held.
func (t *traffic) sums() map[exporterKey]*ledger.Book {
	out := make(map[exporterKey]*ledger.Book)
	add := func(key exporterKey, b *ledger.Book) {
		if out[key] == nil {
			out[key] = &ledger.Book{}
		}
		out[key].AddBook(b)
	}
	for _, books := range t.books {
		for key, c := range books {
			others := exporterKey{protocol: key.protocol}
			if !t.shown[key] {
				add(others, &c.all)
				continue
			}
			own := c.all
			own.SubBook(&c.among)
			add(key, &own)
			if c.among != (ledger.Book{}) {
				add(others, &c.among)
			}
		}
	}
	return out
}

// takeStreams shows the streams that were heard of after a time, up to the limit. Those of exporters without records make room for others.
func (t *traffic) takeStreams(from *decode.Decoder, after int64) {
	if t.streams == nil {
		t.streams, t.leftOut = make(map[streamKey]*stream), make(map[*decode.Decoder]uint64)
	}
	maps.DeleteFunc(t.streams, func(_ streamKey, s *stream) bool { return s.lastSeen <= after })
	leftOut := uint64(0)
	t.looks++
	var empty []streamKey
	sought := false
	from.Streams(after, func(p decode.Protocol, s decode.Stream) {
		key := streamKey{s.Exporter, s.Port, p, s.Domain}
		if t.streams[key] == nil {
			if len(t.streams) >= t.limit && !t.roomForDeclared(s.Exporter) {
				if !sought {
					sought, empty = true, t.emptyStreams()
				}
				if len(empty) == 0 || t.records(exporterKey{s.Exporter, p}) == 0 {
					leftOut++
					return
				}
				delete(t.streams, empty[0])
				empty = empty[1:]
				leftOut++
			}
			t.streams[key] = &stream{}
		}
		t.streams[key].take(part{from, t.looks, s.LastSeen, s.Span, s.Said})
	})
	t.leftOut[from] = leftOut
}

// declaredStreams is how many streams of declared exporters find room beyond the limit, for each address.
const declaredStreams = 8

// roomForDeclared reports whether a stream is that of a declared exporter, for which there is room beyond the limit.
func (t *traffic) roomForDeclared(exporter netip.Addr) bool {
	return t.isDeclared(exporter) && len(t.streams) < t.limit+declaredStreams*len(t.declared)
}

// said is what the streams that are shown say beside flows.
func (t *traffic) said() map[streamKey]netflow.Said {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[streamKey]netflow.Said, len(t.streams))
	for key, s := range t.streams {
		out[key] = said(s.parts)
	}
	return out
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
			LastSeen:  clock.WallOf(s.lastSeen), Span: sum(s.parts),
		})
	}
	for _, n := range t.leftOut {
		leftOut += n
	}
	return exporters, streams, leftOut
}
