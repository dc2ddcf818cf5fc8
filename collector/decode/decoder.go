// Package decode turns datagrams into flow records: it checks who sent them, tells the protocols apart and hands them to
// packages netflow and sflow.
//
// A Decoder belongs to one goroutine. It does no I/O, logs nothing and reads no clock.
package decode

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/collector/template"
)

// What sFlow and NetFlow have in common.
type (
	// Datagram is one UDP payload.
	Datagram = netflow.Datagram
	// Problem is something that could not be decoded.
	Problem = netflow.Problem
	// Sink receives records.
	Sink = netflow.Sink
	// Stream is a sequence that an exporter counts.
	Stream = netflow.Stream
	// Taken is what was counted of a stream since it was taken before.
	Taken = netflow.Taken
)

// Settings can change while a Decoder runs. A Settings is immutable once handed over.
type Settings struct {
	netflow.Settings
	// Allowed are the networks that may send; nil allows all.
	Allowed *network.Table[struct{}]
	// Names are those that flows carry. None with Settings.Settings.Names false.
	Names NameSet
	// Exporters bounds those that have figures of their own.
	Exporters int
	// Declared exporters have figures of their own beyond that bound, one for each protocol: a flood of addresses keeps none of them out.
	Declared map[netip.Addr]struct{}
	// MaxSamples bounds the samples of an sFlow datagram.
	MaxSamples int
}

// Protocol names a datagram's protocol in metrics and on the wire; Records of one protocol share a subject.
type Protocol uint8

// The protocols.
const (
	Unknown Protocol = iota
	NetFlow1
	NetFlow5
	NetFlow6
	NetFlow7
	NetFlow8
	NetFlow9
	IPFIX
	SFlow
)

// Detect tells the protocol of a datagram by its first bytes; Unknown where nobody here knows the version.
func Detect(b []byte) Protocol {
	if len(b) < 4 {
		return Unknown
	}
	switch binary.BigEndian.Uint16(b) {
	case 0:
		switch binary.BigEndian.Uint32(b) { // sFlow's version has 32 bits
		case 2, 4, 5:
			return SFlow
		}
	case 1:
		return NetFlow1
	case 5:
		return NetFlow5
	case 6:
		return NetFlow6
	case 7:
		return NetFlow7
	case 8:
		return NetFlow8
	case 9:
		return NetFlow9
	case 10:
		return IPFIX
	}
	return Unknown
}

// accepts reports whether a listener for want takes datagrams of p.
func accepts(want config.Protocol, p Protocol) bool {
	switch want {
	case config.ProtocolNetFlow:
		return p == NetFlow1 || p == NetFlow5 || p == NetFlow6 || p == NetFlow7 || p == NetFlow8 || p == NetFlow9
	case config.ProtocolIPFIX:
		return p == IPFIX
	case config.ProtocolSFlow:
		return p == SFlow
	}
	return true
}

// Decoder decodes the datagrams of one worker.
type Decoder struct {
	protocol config.Protocol
	store    *template.Store
	early    early
	settings *Settings
	counts   *ledger.Counts
	sink     Sink
	report   func(Problem)
	netflow  *netflow.Decoder
	record   flow.Record
	agents   agents
	meter    meter // of sFlow
	books    books
	namer    namer
	// now and received are Datagram.Moment and Received of the latest of sFlow.
	now, received int64
	sender        netip.Addr
	port          uint16 // of its sender
	// rated are the rates that are configured for an agent, overridden whether one was for that of the datagram at hand.
	rated      func(agent netip.Addr) (override, standIn uint64)
	overridden bool
	// out is the sink, behind the namer where flows carry names.
	out Sink
	// heard is what learns of sFlow's interfaces; nil where nobody does.
	heard func(agent netip.Addr, i sflow.Interface)
	// heardHost is told of the host that an agent runs on, and host is that of the datagram at hand; as heard.
	heardHost func(sflow.Host)
	// counters is shown sFlow's counter samples; nil where nobody asks.
	counters func(sflow.CounterSample)
	host     sflow.Host
}

// New returns a Decoder for datagrams of the given protocol that counts into counts and hands records to sink. report is
// told of what could not be decoded; it may be nil.
func New(protocol config.Protocol, store *template.Store, settings *Settings, counts *ledger.Counts, sink Sink,
	report func(Problem)) *Decoder {
	d := &Decoder{
		protocol: protocol,
		store:    store,
		counts:   counts,
		sink:     sink,
		report:   report,
		namer:    namer{sink: sink},
	}
	book := func(exporter netip.Addr, version template.Version) *ledger.Holder {
		return d.books.of(exporter, protocolOf(version))
	}
	d.netflow = netflow.New(store, &settings.Settings, counts, book, sink, report)
	d.Share(netflow.OwnShared())
	d.Configure(settings)
	return d
}

// Configure puts other settings in force.
func (d *Decoder) Configure(settings *Settings) {
	d.settings = settings
	d.namer.configure(settings.Names, settings.Sessions)
	d.out, d.heard, d.heardHost, d.rated = d.sink, nil, nil, nil
	if settings.Overrides != nil || settings.Defaults != nil {
		d.rated = d.ratesOf
	}
	var naming func(*ledger.Naming)
	if settings.Settings.Names {
		d.out, d.heard, naming = &d.namer, d.learnInterface, d.namer.give
		d.heardHost = func(h sflow.Host) { d.host = h }
	}
	d.netflow.To(d.out, naming)
	d.netflow.Configure(&settings.Settings)
	d.agents.limit = max(settings.Sessions, 1)
	d.books.limit, d.books.declared = settings.Exporters, settings.Declared
}

// Shared is what exporters taught beside templates, see netflow.Shared.
type Shared = netflow.Shared

// Share has the Decoder know what others learn, and the other way round. It is to be called before anything is decoded.
func (d *Decoder) Share(s Shared) {
	d.netflow.Share(s)
	d.namer.store = s.Names
}

// OptionsRecord is a record of an options table, see netflow.OptionsRecord.
type OptionsRecord = netflow.OptionsRecord

// ShowOptions has f shown each options record of NetFlow v9 and IPFIX.
func (d *Decoder) ShowOptions(f func(OptionsRecord)) { d.netflow.ShowOptions(f) }

// ShowCounters has f shown each counter sample of sFlow.
func (d *Decoder) ShowCounters(f func(sflow.CounterSample)) { d.counters = f }

// Decode decodes one datagram and counts it: received, and decoded or refused. One of sFlow that comes before the bucket is loaded is decoded
// and counted later, by Tick or Close at the latest.
func (d *Decoder) Decode(in Datagram) {
	if d.waits(in) || !d.admit(in) {
		return
	}
	switch protocol := Detect(in.Payload); {
	case protocol == Unknown && len(in.Payload) < 4:
		d.refuse(ledger.RefusedTooShort, in)
	case protocol == Unknown:
		d.refuse(ledger.RefusedVersion, in)
	case !accepts(d.protocol, protocol):
		d.refuse(ledger.RefusedProtocol, in)
	case protocol == SFlow:
		d.decodeSFlow(in)
	default:
		d.namer.begin(flow.Address{})
		if refusal := d.netflow.Decode(in); refusal != ledger.DatagramsDecoded {
			bookRefusal(d.books.of(in.Source.Addr(), protocol).Book, refusal)
		}
		d.leaveRoom()
	}
}

// admit counts a datagram as received, and refuses it where its sender is not allowed: that is no exporter, and takes no book
// from one.
func (d *Decoder) admit(in Datagram) bool {
	d.counts.Inc(ledger.DatagramsReceived)
	d.counts.Add(ledger.BytesReceived, uint64(len(in.Payload)))
	if d.allows(in) {
		return true
	}
	d.counts.Inc(ledger.RefusedNotAllowed)
	d.problem(ledger.RefusedNotAllowed, in)
	bookRefusal(&d.books.others[Detect(in.Payload)], ledger.RefusedNotAllowed)
	return false
}

func (d *Decoder) allows(in Datagram) bool {
	if d.settings.Allowed == nil {
		return true
	}
	_, allowed := d.settings.Allowed.Lookup(in.Source.Addr())
	return allowed
}

// Oversized counts a datagram that the receive slot could not hold.
func (d *Decoder) Oversized(in Datagram) {
	if d.admit(in) {
		d.refuse(ledger.RefusedOversized, in)
	}
}

// refuse counts a datagram of a sender that is allowed.
func (d *Decoder) refuse(reason ledger.Counter, in Datagram) {
	d.counts.Inc(reason)
	d.problem(reason, in)
	bookRefusal(d.books.of(in.Source.Addr(), Detect(in.Payload)).Book, reason)
}

func bookRefusal(book *ledger.Book, reason ledger.Counter) {
	book.Inc(ledger.DatagramsReceived)
	book.Inc(reason)
}

func (d *Decoder) problem(reason ledger.Counter, in Datagram) {
	if d.report != nil {
		p := Problem{Reason: reason, Source: in.Source, Tag: in.Tag}
		if reason == ledger.RefusedVersion {
			p.Err = versionError(binary.BigEndian.Uint32(in.Payload))
		}
		d.report(p)
	}
}

// versionError names the version that the first four bytes of a datagram say: 16 bits, or all 32 where those are zero, as of sFlow.
type versionError uint32

func (v versionError) Error() string {
	if v>>16 == 0 {
		return fmt.Sprintf("sFlow version %d", uint32(v))
	}
	return fmt.Sprintf("version %d", uint32(v)>>16)
}

// Tick does what time and other workers bring about, see netflow.Decoder.Tick.
func (d *Decoder) Tick(now int64) {
	d.readEarly(now)
	d.namer.begin(flow.Address{})
	d.netflow.Tick(now)
	d.namer.report()
}

// Close reads datagrams of sFlow that wait, and drops sets that are still held, counted as expired.
func (d *Decoder) Close() {
	d.endEarly()
	d.netflow.Close()
	d.namer.report()
}

// Held is how many sets wait for their template, and their bytes with overhead and those of datagrams that wait for the bucket.
func (d *Decoder) Held() (sets, bytes int) {
	sets, bytes = d.netflow.Held()
	return sets, bytes + d.early.bytes
}

// Streams calls yield for each stream that was heard of after a time in nanoseconds and has sequence numbers: an exporter's
// port and observation domain (engine for NetFlow v5), or an sFlow agent with its sub-agent as domain.
func (d *Decoder) Streams(after int64, yield func(p Protocol, s Stream)) {
	d.netflow.Streams(after, func(version template.Version, s Stream) { yield(protocolOf(version), s) })
	d.agents.streams(after, func(s Stream) { yield(SFlow, s) })
}

// Take calls yield for each stream, with or without sequence numbers, of which something was counted since the last call. t is valid
// during the call only.
func (d *Decoder) Take(yield func(p Protocol, t *Taken)) {
	d.netflow.Take(func(version template.Version, t *Taken) { yield(protocolOf(version), t) })
	d.agents.take(func(t *Taken) { yield(SFlow, t) })
}

func protocolOf(version template.Version) Protocol {
	switch version {
	case 1:
		return NetFlow1
	case 5:
		return NetFlow5
	case 6:
		return NetFlow6
	case 7:
		return NetFlow7
	case 8:
		return NetFlow8
	case template.NetFlow9:
		return NetFlow9
	case template.IPFIX:
		return IPFIX
	}
	return Unknown
}
