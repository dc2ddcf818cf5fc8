// Package netflow decodes NetFlow v1, v5 to v9 and IPFIX into flow records.
//
// Templates are compiled once into plans; records of a set are then read field by field into one reused flow.Record.
// A Decoder belongs to one goroutine. What exporters taught is shared through a template.Store, which a Decoder asks only
// when something changed: the packet path takes no lock and allocates nothing.
package netflow

import (
	"cmp"
	"encoding/binary"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Sink receives records. A record and what it points to are valid during the call only.
type Sink interface {
	// Record takes one flow.
	Record(r *flow.Record)
}

// Settings can change while a Decoder runs. A Settings is immutable once handed over.
type Settings struct {
	// Overrides and Defaults are sampling rates by the exporter's address.
	Overrides, Defaults *network.Table[uint32]
	// Hold keeps data sets whose template is unknown, within the bounds below.
	Hold bool
	// HeldBytes bounds held sets of this Decoder in all, HeldBytesPerExporter those of one exporter's port and domain. An address with
	// more than that in all makes room for others.
	HeldBytes, HeldBytesPerExporter int
	// HeldAge is how long a set is held, in nanoseconds.
	HeldAge int64
	// Sessions bounds the streams (exporter, port, domain) that are followed.
	Sessions int
	// StandInCounters takes bytes and packets from other counters where a template has no delta counts, and flags of TCP from YAF's elements.
	StandInCounters bool
	// Extra keeps fields that FlowMessage has no place for.
	Extra bool
	// Biflows makes two flows of a record that counts both directions (RFC 5103, and firewalls' initiator and responder).
	Biflows bool
	// Names learns what exporters say their numbers mean, and fills Record.Numbers.
	Names bool
	// Inner reports the inner headers of tunnels in sampled packets.
	Inner bool
}

// Datagram is one UDP payload.
type Datagram struct {
	Payload []byte
	// Source is the exporter's address, unmapped, and port.
	Source netip.AddrPort
	// Received is nanoseconds since 1970, as records tell it.
	Received int64
	// Steady is the same moment by a clock that is never set, for what waits or ages; 0 for Received, as in captures.
	Steady int64
	// Tag comes back with what is reported about the datagram, also when its sets are decoded later.
	Tag uint64
}

// Moment is Steady where it is given, else Received.
func (d Datagram) Moment() int64 { return cmp.Or(d.Steady, d.Received) }

// Problem is something that could not be decoded.
type Problem struct {
	// Reason is the counter that counts it.
	Reason ledger.Counter
	Source netip.AddrPort
	Domain uint32
	// Set is the id of the set, or template, 0 where there is none.
	Set uint16
	// Tag of the datagram.
	Tag uint64
	// Err says more where there is more to say.
	Err error
}

// Decoder decodes the datagrams of one worker.
type Decoder struct {
	store    *template.Store
	settings *Settings
	counts   *ledger.Counts
	sink     Sink
	// volume of the records that were handed over and are not counted yet.
	volume ledger.Volume
	// naming adds to a book what the sink counted of names since the last call; nil where flows carry none.
	naming func(*ledger.Naming)
	// report is told of what could not be decoded; nil where nobody asks.
	report func(Problem)
	// options is shown each options record; nil where nobody asks.
	options func(OptionsRecord)
	// book gives the one of an exporter.
	book func(exporter netip.Addr, version template.Version) *ledger.Holder

	sessions map[sessionKey]*session
	last     *session
	cached   int // bytes that all sessions have cached
	held     heldSets
	shared   Shared
	now      int64 // Datagram.Moment of the latest
	tag      uint64
	record   flow.Record
	found    sampling
	times    recordTimes
	about    about
	placed   bool // the rate of the record at hand is that of where it was metered
	spans    []span
	lists    []list
	within   []nestedFlows // lists of the record at hand
	turned   []nestedFlows // records within these that say something of its other direction
	values   [][]byte      // of a record that is read for names
	shown    []byte        // of a value that is kept for people
	later    []laterSet
	taught   []taught // by the message at hand
	mends    int      // of its sets, see setSize
	// reversed is the other direction of a biflow, nested a flow within a list.
	reversed, nested flow.Record
	dissector        packet.Options
}

// New returns a Decoder that counts into counts, and into the exporters' books what became of their decoded datagrams, and hands
// records to sink. book is asked when a stream is met for the first time, and again while it gives a shared one. report may be nil.
func New(store *template.Store, settings *Settings, counts *ledger.Counts, book func(netip.Addr, template.Version) *ledger.Holder,
	sink Sink, report func(Problem)) *Decoder {
	d := &Decoder{store: store, counts: counts, book: book, sink: sink, report: report, sessions: make(map[sessionKey]*session)}
	d.Share(OwnShared())
	d.Configure(settings)
	return d
}

// Configure puts other settings in force.
func (d *Decoder) Configure(settings *Settings) {
	d.settings = settings
	d.dissector = packet.Options{Inner: settings.Inner}
	for _, s := range d.sessions {
		s.stale()
	}
	d.held.shrink(d, settings.HeldBytes)
}

// To hands records to another sink. naming adds to a book what names the sink gave since the last call; nil where it gives none.
func (d *Decoder) To(sink Sink, naming func(*ledger.Naming)) { d.sink, d.naming = sink, naming }

// Decode decodes a datagram whose first two bytes are version 1 or 5 to 10. It counts one of the datagram counters
// (decoded or refused) and returns the refusal, or DatagramsDecoded.
func (d *Decoder) Decode(in Datagram) ledger.Counter {
	d.now, d.tag = in.Moment(), in.Tag
	b := in.Payload
	var outcome ledger.Counter
	switch version := binary.BigEndian.Uint16(b); version {
	case 9:
		outcome = d.decode9(in)
	case 10:
		outcome = d.decodeIPFIX(in)
	case 8:
		outcome = d.decode8(in)
	default:
		outcome = d.decodeLegacy(in, version)
	}
	d.counts.Inc(outcome)
	if outcome != ledger.DatagramsDecoded {
		d.problem(outcome, in.Source, 0, 0, nil)
		return outcome
	}
	for _, c := range [...]ledger.Counter{ledger.DatagramsReceived, outcome} { // once, however many messages it had
		d.last.book.Inc(c)
		d.last.own.Inc(c)
	}
	return outcome
}

// problem reports what was counted as reason.
func (d *Decoder) problem(reason ledger.Counter, source netip.AddrPort, domain uint32, set uint16, err error) {
	if d.report != nil {
		d.report(Problem{Reason: reason, Source: source, Domain: domain, Set: set, Tag: d.tag, Err: err})
	}
}

// count counts something of a session.
func (d *Decoder) count(c ledger.Counter, s *session, n uint64) {
	d.counts.Add(c, n)
	s.book.Add(c, n)
	s.own.Add(c, n)
}

// give hands a record over.
func (d *Decoder) give(r *flow.Record) {
	d.volume.Record(r.Bytes, r.SamplingRate)
	d.sink.Record(r)
}

// countRecords counts the records of a session that were handed over.
func (d *Decoder) countRecords(s *session, n int) {
	d.count(ledger.RecordsDecoded, s, uint64(n))
	s.book.Volume.Add(d.volume)
	d.volume = ledger.Volume{}
	if d.naming != nil {
		d.naming(&s.book.Naming)
	}
}

// drop counts and reports something of a session that could not be decoded.
func (d *Decoder) drop(reason ledger.Counter, s *session, set uint16, err error) {
	d.count(reason, s, 1)
	d.problem(reason, netip.AddrPortFrom(s.key.scope.Exporter, s.key.port), s.key.scope.Domain, set, err)
}

// dissect reads a section of a sampled packet into r, and reports whether it could. offset is how many bytes of the packet come before it.
func (d *Decoder) dissect(r *flow.Record, section packet.Section, offset uint64, b []byte) bool {
	if n := d.about.length; n != 0 && n < uint64(len(b)) {
		b = b[:n]
	}
	layers := len(r.LayerStack)
	switch packet.DissectSection(r, section, offset, b, d.dissector) {
	case packet.Truncated:
		d.counts.Inc(ledger.PacketsTruncated)
	case packet.Unsupported:
		return false
	}
	if r.Packets == 0 {
		r.Packets = 1
	}
	switch {
	case section == packet.SectionMPLSPayload && d.about.labels != 0:
		r.Bytes = d.about.labels + packetLength(r, layers, b)
	case r.Bytes == 0:
		r.Bytes = packetLength(r, layers, b)
		if section == packet.SectionMPLSLabels {
			d.about.labels = r.Bytes
		}
	}
	return true
}

// packetLength is the length of a sampled packet of which b is the beginning: what its IP header says, with the layers
// before it, since a section may be cut, or padded; b's own where there is no IP header. The first layers of r were not in b.
func packetLength(r *flow.Record, layers int, b []byte) uint64 {
	before := 0
	for i := layers; i < len(r.LayerStack); i++ {
		switch layer := r.LayerStack[i]; {
		case layer == flow.LayerIPv4 && len(b) >= before+4:
			return uint64(before) + uint64(binary.BigEndian.Uint16(b[before+2:]))
		case layer == flow.LayerIPv6 && len(b) >= before+6:
			const header = 40 // which the payload length does not count (RFC 8200 section 3)
			return uint64(before) + header + uint64(binary.BigEndian.Uint16(b[before+4:]))
		}
		before += int(r.LayerSize[i])
	}
	return uint64(len(b))
}
