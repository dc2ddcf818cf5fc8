package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Lengths of samples before their records, in bytes: the compact form packs source and interfaces into words of 32 bits, the
// expanded form gives type and value each.
const (
	flowSampleLength      = 32
	expandedSampleLength  = 44
	discardedPacketLength = 32
)

// begin empties the record and fills in what all samples of the datagram have in common.
func (d *decoder) begin() {
	r := d.r
	r.Reset()
	r.Type = flow.TypeSFlow5
	r.TimeReceivedNs, r.TimeFlowStartNs, r.TimeFlowEndNs = d.received, d.received, d.received
	r.SequenceNum = d.header.Sequence
	r.SamplerAddress = d.header.Agent
	r.Packets = 1
	d.parts.clear()
}

// rate takes what the sample says, unless something else is configured.
func (d *decoder) rate(rate uint32) {
	if d.chosen = AtSaidRate; rate == 0 {
		d.chosen = AtUnsaidRate
	}
	switch {
	case d.override != 0:
		d.r.SamplingRate = d.override
	case rate == 0:
		d.r.SamplingRate = d.standIn
	default:
		d.r.SamplingRate = uint64(rate)
	}
}

// flowSample reads one flow sample into one record.
func (d *decoder) flowSample(b []byte, expanded bool) {
	length := flowSampleLength
	if expanded {
		length = expandedSampleLength
	}
	if len(b) < length {
		d.counts.Inc(ledger.SamplesDroppedMalformed)
		return
	}
	d.begin()
	var records uint32
	if d.options.Extra {
		d.keepSample(b, expanded)
	}
	if expanded {
		d.rate(binary.BigEndian.Uint32(b[12:]))
		d.input(binary.BigEndian.Uint32(b[24:]), b[28:32])
		d.output(binary.BigEndian.Uint32(b[32:]), b[36:40])
		records = binary.BigEndian.Uint32(b[40:])
	} else {
		d.rate(binary.BigEndian.Uint32(b[8:]))
		d.input(uint32(b[20])>>6, b[20:24])
		d.output(uint32(b[24])>>6, b[24:28])
		records = binary.BigEndian.Uint32(b[28:])
	}
	d.counts.Inc(ledger.SamplesFlow)
	d.records(records, b[length:])
	d.deliver()
}

// keepSample keeps what a sample says of itself.
func (d *decoder) keepSample(b []byte, expanded bool) {
	source := 4
	if expanded {
		source = 8
	}
	d.keep(element.SFlowSample, element.SampleSequence, b[:4])
	d.keep(element.SFlowSample, element.SampleSource, b[4:4+source])
	d.keep(element.SFlowSample, element.SamplePool, b[8+source:12+source])
	d.keep(element.SFlowSample, element.SampleDrops, b[12+source:16+source])
}

// discardedPacket reads a notification of a packet that the device dropped (sflow.org, "sFlow Dropped Packet Notification
// Structures", discarded_packet). Each is an event and not a sample, and the same packet may be in a flow sample as well: it
// becomes a flow only where extra fields are kept, with the reason among them.
func (d *decoder) discardedPacket(b []byte) {
	if len(b) < discardedPacketLength {
		d.counts.Inc(ledger.SamplesDroppedMalformed)
		return
	}
	d.counts.Inc(ledger.SamplesDiscard)
	if !d.options.Extra {
		return
	}
	d.begin()
	d.r.SamplingRate, d.chosen = 1, AsDropped
	d.keep(element.SFlowSample, element.SampleSequence, b[:4])
	d.keep(element.SFlowSample, element.SampleSource, b[4:12])
	d.keep(element.SFlowSample, element.SampleDrops, b[12:16])
	d.input(interfaceSingle, b[16:20])
	d.output(interfaceSingle, b[20:24])
	d.discard(b[24:28])
	d.records(binary.BigEndian.Uint32(b[28:]), b[discardedPacketLength:])
	d.deliver()
}

// records reads the parts of a sample. Where fewer are there than it announces, those that are count. b's capacity says how far the last
// one may reach beyond the sample's length.
func (d *decoder) records(announced uint32, b []byte) {
	d.parts.some = announced == 0
	for range announced {
		if len(b) < 8 {
			d.counts.Inc(ledger.RecordsTruncated)
			return
		}
		format := binary.BigEndian.Uint32(b)
		size := binary.BigEndian.Uint32(b[4:])
		if b = b[8:]; uint64(size) > uint64(len(b)) {
			if uint64(size) > uint64(cap(b)) {
				d.counts.Inc(ledger.RecordsTruncated)
				if format == recordRawHeader {
					d.cutHeader(b, size)
				}
				return
			}
			d.once(ledger.DatagramsTrailing)
			b = b[:size]
		}
		d.flowRecord(format, b[:size])
		b = behind(b, size)
	}
}

// behind is what follows data of size bytes at the front of b.
func behind(b []byte, size uint32) []byte {
	if size%4 == 0 {
		return b[size:]
	}
	return behindPadding(b, size)
}

// behindPadding is what follows opaque data of size bytes, not a multiple of four, at the front of b. XDR fills it up with zeros (RFC 4506
// section 4.10), which the size does not count; where no record or sample could begin behind them, the agent left them out. Others fill it
// up with what was in their memory: then one begins behind it only.
func behindPadding(b []byte, size uint32) []byte {
	unpadded := b[size:]
	padding := int(-size & 3)
	if len(unpadded) <= padding {
		return nil
	}
	padded := unpadded[padding:]
	isZero := true
	for _, c := range unpadded[:padding] {
		isZero = isZero && c == 0
	}
	if isZero && (begins(padded) || !begins(unpadded)) || !isZero && begins(padded) && !begins(unpadded) {
		return padded
	}
	return unpadded
}

// begins reports whether b begins with a record or sample that it holds in full.
func begins(b []byte) bool {
	return len(b) >= 8 && uint64(binary.BigEndian.Uint32(b[4:])) <= uint64(len(b)-8)
}

// deliver hands the record over, unless the sample announced parts and none that is whole says anything of a packet: then there is
// nothing to tell of.
func (d *decoder) deliver() {
	d.combine()
	if !d.parts.some && !d.parts.packet {
		d.counts.Inc(ledger.SamplesDroppedNoPacket)
		return
	}
	d.counts.Inc(ledger.RecordsDecoded)
	d.sink.Record(d.r, d.chosen)
}

// Formats of an interface (sFlow version 5, "interface" and "interface_expanded"): the two top bits of the compact form.
const (
	interfaceSingle    = 0
	interfaceDiscarded = 1 // the value says why
	interfaceMultiple  = 2 // the value says how many
)

// The device itself: the packet came from it or was for it, and no interface is said (sFlow version 5, "interface" and
// "interface_expanded"). Agents send the one for the other.
const (
	internalCompact  = 1<<30 - 1
	internalExpanded = 1<<32 - 1
)

// index is the interface that a value of format interfaceSingle says, 0 for none. compact values have 30 bits.
func index(value []byte, format uint32) uint32 {
	if format != interfaceSingle {
		return 0
	}
	switch n := binary.BigEndian.Uint32(value); n {
	case internalCompact, internalExpanded:
		return 0
	default:
		return n
	}
}

// input takes the interface that the packet came by.
func (d *decoder) input(format uint32, value []byte) { d.r.InIf = index(value, format) }

// output takes the interface that the packet left by. A reason and a number of interfaces must not pass for the index of one.
func (d *decoder) output(format uint32, value []byte) {
	d.r.OutIf = index(value, format)
	switch format {
	case interfaceDiscarded:
		d.discard(value)
	case interfaceMultiple:
		d.keep(element.SFlowSample, element.SampleOutputs, value)
	}
}

// discard takes the reason for which the packet was dropped, the low 30 bits of value.
func (d *decoder) discard(value []byte) {
	reason := binary.BigEndian.Uint32(value) & (1<<30 - 1)
	d.r.ForwardingStatus = discarded(reason)
	d.keep(element.SFlowSample, element.SampleDropReason, value)
	d.keep(element.SFlowSample, element.SampleDropReasonName, reasonName(reason))
}
