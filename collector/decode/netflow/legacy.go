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
	case 6: // as version 5, and four more bytes about encapsulations
		return layout{headerLength: 24, recordLength: 52, tcpFlags: 37, protocol: 38, tos: 39, asNumbers: 40, masks: 44,
			hasSequence: true}, true
	case 7:
		return layout{headerLength: 24, recordLength: 52, tcpFlags: 37, protocol: 38, tos: 39, asNumbers: 40, masks: 44,
			hasSequence: true}, true
	}
	return layout{}, false
}

// longRecord1 is the length of NetFlow v1's records with four more reserved bytes at their end, as some exporters send them.
const longRecord1 = 52

// decodeLegacy decodes NetFlow v1 and v5 to v7. Records that the header promises but the datagram does not carry are not
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
	if isOther(len(b)-l.headerLength, l.recordLength, count) || version == 1 && isSTUN(b, count) {
		return ledger.RefusedHeader
	}
	var sequence, engine uint32
	if l.hasSequence {
		sequence = binary.BigEndian.Uint32(b[16:])
	}
	if version == 5 || version == 6 {
		engine = uint32(binary.BigEndian.Uint16(b[20:]))
	}
	c := legacyClock(in)
	s := d.session(template.Version(version), in.Source, engine)
	s.skew = c.skew(in.Received)
	rate, source := s.rates.override, RateConfigured
	if rate == 0 && (version == 5 || version == 6) {
		rate, source = uint64(binary.BigEndian.Uint16(b[22:])&0x3fff), RateRecord // the two bits above are the sampling mode
	}
	if rate == 0 {
		rate, source = s.rates.standard, s.rates.standardSource
	}
	if count > 0 {
		s.sampled.Note(rate, source, d.now)
	}
	if l.hasSequence {
		d.follow(s, &header{clock: c, exportTime: uint32(c.exportNs / nanosPerSecond), sequence: sequence, received: uint64(in.Received)}, uint32(count), 0)
	}
	records := b[l.headerLength:]
	count = d.carried(s, records, l.recordLength, count)
	r, none := &d.record, 0
	for range count {
		v := records[:l.recordLength:l.recordLength]
		records = records[l.recordLength:]
		if allZero(v) {
			none++
			continue
		}
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
			icmpFromPorts(r)
		}
		if l.asNumbers != 0 {
			r.SrcAS = uint32(binary.BigEndian.Uint16(v[l.asNumbers:]))
			r.DstAS = uint32(binary.BigEndian.Uint16(v[l.asNumbers+2:]))
			r.SrcNet = prefixLength4(v[l.masks])
			r.DstNet = prefixLength4(v[l.masks+1])
		}
		d.give(r)
	}
	d.countLegacy(s, count-none, none)
	return ledger.DatagramsDecoded
}

// icmpFromPorts takes type and code from the destination port, or from the source port, whose lower byte is the type where some of Cisco's routers put
// them there. Others have an identifier there beside the 0 of an answer to an echo: what is no error, nor a request, with its codes, is one
// (RFC 792).
func icmpFromPorts(r *flow.Record) {
	if r.DstPort != 0 {
		icmpFromPort(r)
		return
	}
	codes := [...]uint32{3: 16, 4: 1, 5: 4, 8: 1, 11: 2, 12: 3, 13: 1, 17: 1}
	if kind, code := r.SrcPort&0xff, r.SrcPort>>8; kind < uint32(len(codes)) && code < codes[kind] {
		r.ICMPType, r.ICMPCode = kind, code
	}
}

// countLegacy counts the records of a datagram that were flows, and those that were not: exporters fill their datagrams with zeros.
func (d *Decoder) countLegacy(s *session, flows, none int) {
	d.countRecords(s, flows)
	if none != 0 {
		d.counts.Add(ledger.RecordsNotFlows, uint64(none))
	}
}

// legacyClock is what the headers of versions 1 to 8 tell about the time, in the same places.
func legacyClock(in Datagram) clock {
	b := in.Payload
	exportNs := uint64(binary.BigEndian.Uint32(b[8:])) * nanosPerSecond
	if nanos := binary.BigEndian.Uint32(b[12:]); nanos < nanosPerSecond {
		exportNs += uint64(nanos)
	}
	return newClock(exportNs, uint64(in.Received), binary.BigEndian.Uint32(b[4:]))
}

// ethernetPayload is how much of UDP a frame of Ethernet carries.
const ethernetPayload = 1500 - 20 - 8

// isOther reports whether a datagram only looks like one of these versions, as some of DNS and STUN do: it announces more records than a frame
// of Ethernet has room for, as no exporter does, and has no whole number of them.
func isOther(carried, length, announced int) bool {
	return announced > ethernetPayload/length && carried%length != 0
}

// isSTUN reports whether a datagram is a binding request of STUN (RFC 8489 section 5), which begins as NetFlow v1 does: its type, its length
// without the header, and its cookie.
func isSTUN(b []byte, length int) bool {
	const header, cookie = 20, 0x2112a442
	return len(b) == header+length && binary.BigEndian.Uint32(b[4:]) == cookie
}

// carried is how many of the records that a header announces are there; it counts where that is fewer, or where more follows.
func (d *Decoder) carried(s *session, records []byte, length, announced int) int {
	if carried := len(records) / length; carried < announced {
		d.drop(ledger.DatagramsTruncated, s, 0, nil)
		return carried
	}
	d.trailing(s, records[announced*length:])
	return announced
}
