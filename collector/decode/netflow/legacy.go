package netflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// layout is a NetFlow version without templates: Cisco's "NetFlow Export Datagram Format" describes them.
type layout struct {
	headerLength, recordLength int
	// Offsets in a record that differ between versions; 0 where a version has no such field.
	tcpFlags, protocol, tos, asNumbers, masks int
	hasSequence                               bool
}

// legacyLayout returns the layout of a version, or false.
func legacyLayout(version uint16) (layout, bool) {
	switch version {
	case 1:
		return layout{headerLength: 16, recordLength: 48, protocol: 38, tos: 39, tcpFlags: 40}, true
	case 5:
		return layout{headerLength: 24, recordLength: 48, tcpFlags: 37, protocol: 38, tos: 39, asNumbers: 40, masks: 44,
			hasSequence: true}, true
	case 7:
		return layout{headerLength: 24, recordLength: 52, tcpFlags: 37, protocol: 38, tos: 39, asNumbers: 40, masks: 44,
			hasSequence: true}, true
	}
	return layout{}, false
}

// longRecord1 is the length of NetFlow v1's records with four more reserved bytes at their end, as some exporters send them.
const longRecord1 = 52

// decodeLegacy decodes NetFlow v1, v5 and v7. Records that the header promises but the datagram does not carry are not
// made up: the datagram counts as truncated.
func (d *Decoder) decodeLegacy(in Datagram, version uint16) ledger.Counter {
	b := in.Payload
	l, ok := legacyLayout(version)
	if !ok {
		return ledger.RefusedVersion
	}
	if len(b) < l.headerLength {
		return ledger.RefusedTooShort
	}
	count := int(binary.BigEndian.Uint16(b[2:]))
	if version == 1 && len(b)-l.headerLength == count*longRecord1 {
		l.recordLength = longRecord1
	}
	uptime := binary.BigEndian.Uint32(b[4:])
	exportNs := uint64(binary.BigEndian.Uint32(b[8:])) * nanosPerSecond
	if nanos := binary.BigEndian.Uint32(b[12:]); nanos < nanosPerSecond {
		exportNs += uint64(nanos)
	}
	var sequence, engine uint32
	if l.hasSequence {
		sequence = binary.BigEndian.Uint32(b[16:])
	}
	if version == 5 {
		engine = uint32(binary.BigEndian.Uint16(b[20:]))
	}
	c := newClock(exportNs, uint64(in.Received), uptime)
	s := d.session(template.Version(version), in.Source, engine)
	rate := s.rates.override
	if rate == 0 && version == 5 {
		rate = uint64(binary.BigEndian.Uint16(b[22:]) & 0x3fff) // the two bits above are the sampling mode
	}
	if rate == 0 {
		rate = s.rates.standard
	}
	if l.hasSequence {
		s.sequence.Observe(sequence, uint32(count), d.counts)
	}
	records := b[l.headerLength:]
	if carried := len(records) / l.recordLength; carried < count {
		d.drop(ledger.DatagramsTruncated, s, 0, nil)
		count = carried
	} else {
		d.trailing(s, records[count*l.recordLength:])
	}
	r := &d.record
	for range count {
		v := records[:l.recordLength:l.recordLength]
		records = records[l.recordLength:]
		r.Reset()
		r.Type = flow.TypeNetFlowV5
		r.TimeReceivedNs = uint64(in.Received)
		r.SequenceNum = sequence
		r.SamplingRate = rate
		r.SamplerAddress = s.address
		r.EType = packet.EtherTypeIPv4
		r.SrcAddr.Set4(v[0:])
		r.DstAddr.Set4(v[4:])
		setHop4(&r.NextHop, v[8:])
		r.InIf = interfaceIndex(v[12:14])
		r.OutIf = interfaceIndex(v[14:16])
		r.Packets = uint64(binary.BigEndian.Uint32(v[16:]))
		r.Bytes = uint64(binary.BigEndian.Uint32(v[20:]))
		r.TimeFlowStartNs, r.TimeFlowEndNs = c.between(binary.BigEndian.Uint32(v[24:]), binary.BigEndian.Uint32(v[28:]))
		r.SrcPort = uint32(binary.BigEndian.Uint16(v[32:]))
		r.DstPort = uint32(binary.BigEndian.Uint16(v[34:]))
		r.TCPFlags = uint32(v[l.tcpFlags])
		r.Proto = uint32(v[l.protocol])
		r.IPTOS = uint32(v[l.tos])
		if r.Proto == protocolICMP || r.Proto == protocolICMPv6 {
			icmpFromPort(r)
		}
		if l.asNumbers != 0 {
			r.SrcAS = uint32(binary.BigEndian.Uint16(v[l.asNumbers:]))
			r.DstAS = uint32(binary.BigEndian.Uint16(v[l.asNumbers+2:]))
			r.SrcNet = uint32(v[l.masks])
			r.DstNet = uint32(v[l.masks+1])
		}
		d.sink.Record(r)
	}
	d.count(ledger.RecordsDecoded, s, uint64(count))
	return ledger.DatagramsDecoded
}
