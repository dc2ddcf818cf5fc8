// Package sflow decodes sFlow version 5 (sflow.org, "sFlow Version 5", July 2004), and versions 2 and 4 (RFC 3176), into flow records:
// one for each flow sample. Counter samples are counted.
//
// Every length in a datagram is checked against the bytes that are there before it is believed: a sample that contradicts
// itself is dropped and counted, and the next one is read.
package sflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Options of decoding.
type Options struct {
	// MaxSamples bounds the samples that are read of one datagram; 0 and less are no bound.
	MaxSamples int
	// Inner reports the inner headers of tunnels.
	Inner bool
	// Rates gives, for an agent, the rate to report whatever the sample says, and the one to report where it says 0; 0 for none. nil where
	// there are none for any.
	Rates func(agent netip.Addr) (override, standIn uint64)
	// Extra keeps fields that FlowMessage has no place for, see package element's SFlowLayout, and makes flows of notifications of
	// discarded packets.
	Extra bool
	// Interfaces is told what counter samples say of the agent's interfaces; nil where nobody asks.
	Interfaces func(agent netip.Addr, i Interface)
	// Host is told what counter samples say of the machine that the agent runs on; nil where nobody asks.
	Host func(Host)
	// Counters is shown each counter sample; nil where nobody asks.
	Counters func(CounterSample)
}

// Header is a datagram's own.
type Header struct {
	Agent    flow.Address
	SubAgent uint32 // 0 in versions 2 and 4, which have none
	Sequence uint32
	// Uptime of the agent in milliseconds.
	Uptime uint32
	// Samples that the datagram announces.
	Samples uint32
}

// Sink receives records, which are valid during the call only.
type Sink interface {
	Record(r *flow.Record, c Chosen)
}

// Chosen is how the packet of a record was chosen.
type Chosen uint8

// The ways.
const (
	// AtSaidRate: the sample says the sampling rate.
	AtSaidRate Chosen = iota
	// AtUnsaidRate: it says 0. The record has the rate that stands in, or none.
	AtUnsaidRate
	// AsDropped: it is no sample. The device tells of each packet that it drops, or of as many as it may; the same packet may be in a sample.
	AsDropped
)

// decoder is one call's state.
type decoder struct {
	version  uint32
	header   Header
	received uint64
	options  Options
	r        *flow.Record
	counts   *ledger.Counts
	sink     Sink
	source   flow.Address
	// override and standIn are what Options.Rates gives for the agent.
	override, standIn uint64
	// parts of the sample that is being read, and how its packet was chosen.
	parts  parts
	chosen Chosen
	// trailing and truncated: the datagram was counted as such.
	trailing, truncated bool
}

// Decode decodes a datagram whose first four bytes are version 2, 4 or 5. It returns ledger.DatagramsDecoded, or why it was
// refused; either is left to the caller to count. received is nanoseconds since 1970. source stands in for an agent
// address that the datagram does not give. r is overwritten with each record.
func Decode(b []byte, received uint64, source flow.Address, options Options, r *flow.Record, counts *ledger.Counts,
	sink Sink) (Header, ledger.Counter) {
	d := decoder{received: received, options: options, r: r, counts: counts, sink: sink, source: source}
	rest, refusal := d.readHeader(b[:len(b):len(b)]) // what else is in its buffer is an earlier datagram's
	if refusal != ledger.DatagramsDecoded {
		return d.header, refusal
	}
	if options.Rates != nil {
		d.override, d.standIn = options.Rates(d.header.Agent.Addr())
	}
	if d.version < 5 {
		d.oldSamples(rest)
	} else {
		d.samples(rest)
	}
	return d.header, ledger.DatagramsDecoded
}

// Address types (sFlow version 5, "enum address_type").
const (
	addressUnknown = 0
	addressIPv4    = 1
	addressIPv6    = 2
)

func (d *decoder) readHeader(b []byte) (rest []byte, refusal ledger.Counter) {
	c := cursor{b: b}
	d.version = c.word()
	kind := addressUnknown
	if len(c.b) >= 4 {
		kind = int(binary.BigEndian.Uint32(c.b))
	}
	c.address(&d.header.Agent)
	if kind > addressIPv6 {
		return nil, ledger.RefusedHeader
	}
	if d.header.Agent.IsZero() { // none, or the unspecified one of an agent that was not given any
		d.header.Agent = d.source
	}
	if d.header.Agent.Len() == 16 { // an IPv4-mapped one is IPv4's (RFC 4291 section 2.5.5.2), as that of a sender is
		d.header.Agent = flow.AddressFrom(d.header.Agent.Addr())
	}
	if d.version == 5 {
		d.header.SubAgent = c.word()
	}
	d.header.Sequence, d.header.Uptime, d.header.Samples = c.word(), c.word(), c.word()
	if c.bad {
		return nil, ledger.RefusedTooShort
	}
	return c.b, ledger.DatagramsDecoded
}

// Sample formats of enterprise 0 (sFlow version 5, "data_format").
const (
	formatFlow            = 1
	formatCounter         = 2
	formatExpandedFlow    = 3
	formatExpandedCounter = 4
	formatDiscarded       = 5
)

func (d *decoder) samples(b []byte) {
	limit := uint32(max(d.options.MaxSamples, 0))
	for n := range d.header.Samples {
		if len(b) < 8 {
			// The announced number may be four billion: the first that is missing ends it.
			d.once(ledger.DatagramsTruncated)
			return
		}
		if limit != 0 && n >= limit {
			d.counts.Add(ledger.SamplesDroppedLimit, uint64(countSamples(b, d.header.Samples-n)))
			return
		}
		format := binary.BigEndian.Uint32(b)
		length := binary.BigEndian.Uint32(b[4:])
		body, rest, cut := d.split(format, length, b[8:], n+1 == d.header.Samples)
		b = rest
		switch format {
		case formatFlow:
			d.flowSample(body, false)
		case formatExpandedFlow:
			d.flowSample(body, true)
		case formatCounter, formatExpandedCounter:
			d.counts.Inc(ledger.SamplesCounter)
			d.counterSample(body, format == formatExpandedCounter)
		case formatDiscarded:
			d.discardedPacket(body)
		default:
			d.counts.Inc(ledger.SamplesUnknown)
		}
		if cut {
			d.once(ledger.DatagramsTruncated)
			return
		}
	}
	if begins(b) && binary.BigEndian.Uint32(b) != 0 {
		d.once(ledger.DatagramsTrailing) // samples that the datagram does not announce; zeros are padding
	}
}

// countSamples is how many of the announced samples b holds at most; it walks over their lengths only.
func countSamples(b []byte, announced uint32) (n uint32) {
	for n < announced && len(b) >= 8 {
		length := binary.BigEndian.Uint32(b[4:])
		n++
		if uint64(length) > uint64(len(b)-8) {
			break
		}
		b = behind(b[8:], length)
	}
	return n
}

// protocolOf maps sFlow's header_protocol to what package packet reads.
func protocolOf(p uint32) packet.Protocol { return packet.Protocol(min(p, 1<<15)) }
