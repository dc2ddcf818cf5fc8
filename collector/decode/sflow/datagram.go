// Package sflow decodes sFlow version 5 (sflow.org, "sFlow Version 5", July 2004) into flow records: one for each flow
// sample. Counter samples are counted.
//
// Every length in a datagram is checked against the bytes that are there before it is believed: a sample that contradicts
// itself is dropped and counted, and the next one is read.
package sflow

import (
	"encoding/binary"

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
	// Override is the rate to report whatever the sample says, Default the one to report where it says 0. 0 for none.
	Override, Default uint64
}

// Header is a datagram's own.
type Header struct {
	Agent    flow.Address
	SubAgent uint32
	Sequence uint32
	// Uptime of the agent in milliseconds.
	Uptime uint32
	// Samples that the datagram announces.
	Samples uint32
}

// Sink receives records, which are valid during the call only.
type Sink interface {
	Record(r *flow.Record)
}

// decoder is one call's state.
type decoder struct {
	header   Header
	received uint64
	options  Options
	r        *flow.Record
	counts   *ledger.Counts
	sink     Sink
	source   flow.Address
}

// Decode decodes a datagram whose first four bytes are version 5. It returns ledger.DatagramsDecoded, or why it was
// refused; either is left to the caller to count. received is nanoseconds since 1970. source stands in for an agent
// address that the datagram does not give. r is overwritten with each record.
func Decode(b []byte, received uint64, source flow.Address, options Options, r *flow.Record, counts *ledger.Counts,
	sink Sink) (Header, ledger.Counter) {
	d := decoder{received: received, options: options, r: r, counts: counts, sink: sink, source: source}
	rest, refusal := d.readHeader(b)
	if refusal != ledger.DatagramsDecoded {
		return d.header, refusal
	}
	d.samples(rest)
	return d.header, ledger.DatagramsDecoded
}

// Address types (sFlow version 5, "enum address_type").
const (
	addressUnknown = 0
	addressIPv4    = 1
	addressIPv6    = 2
)

// address reads an address union from the front of b and returns its length with its type, 0 where it is cut short or of
// an unknown type.
func address(b []byte, a *flow.Address) int {
	if len(b) < 4 {
		return 0
	}
	switch binary.BigEndian.Uint32(b) {
	case addressUnknown:
		a.Clear()
		return 4
	case addressIPv4:
		if len(b) < 8 {
			return 0
		}
		a.Set4(b[4:])
		return 8
	case addressIPv6:
		if len(b) < 20 {
			return 0
		}
		a.Set16(b[4:])
		return 20
	}
	return 0
}

func (d *decoder) readHeader(b []byte) (rest []byte, refusal ledger.Counter) {
	if len(b) < 8 {
		return nil, ledger.RefusedTooShort
	}
	n := address(b[4:], &d.header.Agent)
	if n == 0 {
		if kind := binary.BigEndian.Uint32(b[4:]); kind > addressIPv6 {
			return nil, ledger.RefusedHeader
		}
		return nil, ledger.RefusedTooShort
	}
	if b = b[4+n:]; len(b) < 16 {
		return nil, ledger.RefusedTooShort
	}
	if d.header.Agent.Len() == 0 {
		d.header.Agent = d.source
	}
	d.header.SubAgent = binary.BigEndian.Uint32(b)
	d.header.Sequence = binary.BigEndian.Uint32(b[4:])
	d.header.Uptime = binary.BigEndian.Uint32(b[8:])
	d.header.Samples = binary.BigEndian.Uint32(b[12:])
	return b[16:], ledger.DatagramsDecoded
}

// Sample formats of enterprise 0 (sFlow version 5, "data_format").
const (
	formatFlow            = 1
	formatCounter         = 2
	formatExpandedFlow    = 3
	formatExpandedCounter = 4
)

func (d *decoder) samples(b []byte) {
	limit := uint32(max(d.options.MaxSamples, 0))
	for n := range d.header.Samples {
		if len(b) < 8 {
			// The announced number may be four billion: the first that is missing ends it.
			d.counts.Inc(ledger.DatagramsTruncated)
			return
		}
		if limit != 0 && n >= limit {
			d.counts.Add(ledger.SamplesDroppedLimit, uint64(countSamples(b, d.header.Samples-n)))
			return
		}
		format := binary.BigEndian.Uint32(b)
		length := binary.BigEndian.Uint32(b[4:])
		b = b[8:]
		if uint64(length) > uint64(len(b)) {
			d.counts.Inc(ledger.SamplesDroppedMalformed)
			d.counts.Inc(ledger.DatagramsTruncated)
			return
		}
		body := b[:length]
		b = b[length:]
		switch format {
		case formatFlow:
			d.flowSample(body, false)
		case formatExpandedFlow:
			d.flowSample(body, true)
		case formatCounter, formatExpandedCounter:
			d.counts.Inc(ledger.SamplesCounter)
		default:
			d.counts.Inc(ledger.SamplesUnknown)
		}
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
		b = b[8+length:]
	}
	return n
}

// protocolOf maps sFlow's header_protocol to what package packet reads.
func protocolOf(p uint32) packet.Protocol { return packet.Protocol(min(p, 1<<15)) }
