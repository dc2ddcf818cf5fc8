package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Flow record formats of enterprise 0 (sFlow version 5, "opaque = flow_data").
const (
	recordRawHeader = 1
	recordEthernet  = 2
	recordIPv4      = 3
	recordIPv6      = 4
	recordSwitch    = 1001
	recordRouter    = 1002
	recordGateway   = 1003
)

// Lengths of a flow sample before its records, in bytes: the compact form packs source and interfaces into words of 32
// bits, the expanded form gives type and value each.
const (
	flowSampleLength     = 32
	expandedSampleLength = 44
)

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
	r := d.r
	r.Reset()
	r.Type = flow.TypeSFlow5
	r.TimeReceivedNs, r.TimeFlowStartNs, r.TimeFlowEndNs = d.received, d.received, d.received
	r.SequenceNum = d.header.Sequence
	r.SamplerAddress = d.header.Agent
	r.Packets = 1
	var records uint32
	if expanded {
		r.SamplingRate = uint64(binary.BigEndian.Uint32(b[12:]))
		r.InIf = binary.BigEndian.Uint32(b[28:])
		d.output(binary.BigEndian.Uint32(b[32:]), binary.BigEndian.Uint32(b[36:]))
		records = binary.BigEndian.Uint32(b[40:])
	} else {
		r.SamplingRate = uint64(binary.BigEndian.Uint32(b[8:]))
		r.InIf = binary.BigEndian.Uint32(b[20:])
		out := binary.BigEndian.Uint32(b[24:])
		d.output(out>>30, out&(1<<30-1))
		records = binary.BigEndian.Uint32(b[28:])
	}
	switch {
	case d.options.Override != 0:
		r.SamplingRate = d.options.Override
	case r.SamplingRate == 0:
		r.SamplingRate = d.options.Default
	}
	b = b[length:]
	for range records {
		if len(b) < 8 {
			break // what was announced is not there; what was, is in the record
		}
		format := binary.BigEndian.Uint32(b)
		size := binary.BigEndian.Uint32(b[4:])
		b = b[8:]
		if uint64(size) > uint64(len(b)) {
			d.counts.Inc(ledger.RecordsTruncated)
			break
		}
		d.flowRecord(format, b[:size])
		b = b[size:]
	}
	d.counts.Inc(ledger.SamplesFlow)
	d.counts.Inc(ledger.RecordsDecoded)
	d.sink.Record(r)
}

// Formats of an interface (sFlow version 5, "interface" and "interface_expanded"): the two top bits of the compact form.
const (
	interfaceSingle    = 0
	interfaceDiscarded = 1 // the value says why
	interfaceMultiple  = 2 // the value says how many
)

// output takes the interface that the packet left by. A reason and a number of interfaces must not pass for the index of one.
func (d *decoder) output(format, value uint32) {
	switch format {
	case interfaceSingle:
		d.r.OutIf = value
	case interfaceDiscarded:
		d.r.ForwardingStatus = discarded(value)
	case interfaceMultiple:
	}
}

// discarded is the forwarding status (element 89, RFC 7270 section 4.12) for a reason of sFlow's: an ICMP code of "destination
// unreachable", or one of sFlow's own from 256 on.
func discarded(reason uint32) uint32 {
	switch reason {
	case 0, 1: // network, host
		return 131 // unroutable
	case 4, 262: // larger than the next link takes
		return 133
	case 257: // lifetime exceeded
		return 137
	case 258: // access list
		return 129
	case 260: // random early detection
		return 139
	case 261: // traffic shaping
		return 138
	}
	return 128 // dropped, for an unknown reason
}

// flowRecord reads one part of a flow sample.
func (d *decoder) flowRecord(format uint32, b []byte) {
	known := false
	switch format {
	case recordRawHeader:
		known = d.rawHeader(b)
	case recordEthernet:
		known = d.ethernet(b)
	case recordIPv4:
		known = d.ipv4(b)
	case recordIPv6:
		known = d.ipv6(b)
	case recordSwitch:
		if known = len(b) >= 16; known {
			d.r.SrcVLAN = binary.BigEndian.Uint32(b)
			d.r.DstVLAN = binary.BigEndian.Uint32(b[8:])
		}
	case recordRouter:
		known = d.router(b)
	case recordGateway:
		known = d.gateway(b)
	default:
		d.counts.Inc(ledger.SampleRecordsUnknown)
		return
	}
	if !known {
		d.counts.Inc(ledger.RecordsTruncated)
	}
}

func (d *decoder) rawHeader(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	d.r.Bytes = uint64(binary.BigEndian.Uint32(b[4:]))
	length := binary.BigEndian.Uint32(b[12:])
	header := b[16:]
	whole := uint64(length) <= uint64(len(header))
	if whole {
		header = header[:length]
	}
	if packet.Dissect(d.r, protocolOf(binary.BigEndian.Uint32(b)), header, packet.Options{Inner: d.options.Inner}) ==
		packet.Truncated {
		d.counts.Inc(ledger.PacketsTruncated)
	}
	return whole
}

func mac(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

// ethernet reads "sampled_ethernet"; MAC addresses are padded to 8 bytes (XDR, RFC 4506 section 4.9).
func (d *decoder) ethernet(b []byte) bool {
	if len(b) < 24 {
		return false
	}
	if d.r.Bytes == 0 {
		d.r.Bytes = uint64(binary.BigEndian.Uint32(b))
	}
	d.r.SrcMAC, d.r.DstMAC = mac(b[4:]), mac(b[12:])
	if d.r.EType == 0 {
		d.r.EType = binary.BigEndian.Uint32(b[20:])
	}
	return true
}

func (d *decoder) ipv4(b []byte) bool {
	if len(b) < 32 {
		return false
	}
	r := d.r
	r.SrcAddr.Set4(b[8:])
	r.DstAddr.Set4(b[12:])
	r.EType = packet.EtherTypeIPv4
	d.ip(b, b[16:])
	return true
}

func (d *decoder) ipv6(b []byte) bool {
	if len(b) < 56 {
		return false
	}
	r := d.r
	r.SrcAddr.Set16(b[8:])
	r.DstAddr.Set16(b[24:])
	r.EType = packet.EtherTypeIPv6
	d.ip(b, b[40:])
	return true
}

// ip reads what sampled_ipv4 and sampled_ipv6 share: length and protocol before the addresses; ports, TCP flags and type
// of service (or priority) after them.
func (d *decoder) ip(head, tail []byte) {
	r := d.r
	r.Bytes = uint64(binary.BigEndian.Uint32(head))
	r.Proto = binary.BigEndian.Uint32(head[4:])
	r.SrcPort = binary.BigEndian.Uint32(tail)
	r.DstPort = binary.BigEndian.Uint32(tail[4:])
	r.TCPFlags = binary.BigEndian.Uint32(tail[8:])
	r.IPTOS = binary.BigEndian.Uint32(tail[12:])
}

func (d *decoder) router(b []byte) bool {
	n := address(b, &d.r.NextHop)
	if n == 0 || len(b) < n+8 {
		return false
	}
	d.r.SrcNet = binary.BigEndian.Uint32(b[n:])
	d.r.DstNet = binary.BigEndian.Uint32(b[n+4:])
	return true
}

// gateway reads "extended_gateway". The AS path comes in segments; all of them count, the flow's destination is the last
// AS, its next hop the first.
func (d *decoder) gateway(b []byte) bool {
	r := d.r
	n := address(b, &r.BGPNextHop)
	if n == 0 || len(b) < n+16 {
		return false
	}
	router := binary.BigEndian.Uint32(b[n:])
	if r.SrcAS = binary.BigEndian.Uint32(b[n+4:]); r.SrcAS == 0 {
		r.SrcAS = router
	}
	r.DstAS = router
	segments := binary.BigEndian.Uint32(b[n+12:])
	b = b[n+16:]
	last := router
	for range segments {
		if len(b) < 8 {
			return false
		}
		count := binary.BigEndian.Uint32(b[4:])
		b = b[8:]
		if uint64(count)*4 > uint64(len(b)) {
			return false
		}
		for i := range count {
			last = binary.BigEndian.Uint32(b[4*i:])
			if len(r.ASPath) < flow.MaxASPath {
				r.ASPath = append(r.ASPath, last)
			}
		}
		b = b[4*count:]
		if len(r.ASPath) > 0 { // also where what follows turns out to be damaged
			r.DstAS, r.NextHopAS = last, r.ASPath[0]
		}
	}
	if len(b) < 4 {
		return false
	}
	communities := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(communities)*4 > uint64(len(b)) {
		return false
	}
	for i := range min(communities, flow.MaxCommunities) {
		r.BGPCommunities = append(r.BGPCommunities, binary.BigEndian.Uint32(b[4*i:]))
	}
	return true
}
