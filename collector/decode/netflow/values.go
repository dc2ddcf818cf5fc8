package netflow

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
)

// forwardingDropped is the forwarding status of a packet that was dropped for a reason that has no code (RFC 7270 section 4.12).
const forwardingDropped = 128

// forwardingStatus reads element 89, which has 8 bits: status and reason. Longer fields have them last where they are a number, and first
// where the bits behind them are left to extensions (RFC 7270 section 4.12).
func forwardingStatus(v []byte) uint32 {
	if n := number(v); n <= math.MaxUint8 {
		return uint32(n)
	}
	return uint32(v[0])
}

// isException reports whether Juniper's commonPropertiesId says that its packet was an exception: the upper six bits are the kind of a property,
// 2 is the code of an exception, and the rest is its value (Juniper, "Inline Monitoring Services").
func isException(v []byte) bool {
	const kind = 2
	return v[0]>>2 == kind && (v[0]&3 != 0 || !allZero(v[1:]))
}

// interfaceIndex reads the index of an interface, 0 where the value says that there is none: sFlow's word for the device itself,
// which some put into NetFlow too; all bits set; and what 32 bits cannot hold. Indices have 31 bits (RFC 2863 section 3.1.5,
// InterfaceIndex), but some exporters number interfaces of their own beyond them: NetScaler's 0x80000003 is one, and is kept.
func interfaceIndex(v []byte) uint32 {
	const itself, none = 0x3fffffff, 0xffffffff
	n := number(v)
	if n == itself || n >= none || len(v) == 2 && n == 0xffff || len(v) == 3 && n == 0xffffff {
		return 0
	}
	return uint32(n)
}

// atMost reads a number, 0 where it is more than there can be: longer fields may have all bits set for none.
func atMost(most uint64, v []byte) uint32 {
	if n := number(v); n <= most {
		return uint32(n)
	}
	return 0
}

// vlan reads a VLAN id, 0 where it is none: 4095 and what does not fit 12 bits are reserved (IEEE 802.1Q table 9-2).
func vlan(v []byte) uint32 {
	return atMost(4094, v)
}

// etherType is an EtherType, 0 for what is none but a length (IEEE 802.3 clause 3.2.6). VPP sends its bytes in the wrong order: those of the
// usual ones make up numbers that are nobody's.
func etherType(n uint16) uint32 {
	switch swapped := bits.ReverseBytes16(n); swapped {
	case packet.EtherTypeIPv4, packet.EtherTypeARP, packet.EtherTypeIPv6, packet.EtherTypeVLAN, packet.EtherTypeServiceVLAN, packet.EtherTypeMPLS:
		return uint32(swapped)
	}
	if n < packet.FirstEtherType {
		return 0
	}
	return uint32(n)
}

// longestPrefix is how many bits an address has at most.
const longestPrefix = 128

// prefixLength is the length of a prefix that a field says, 0 for none.
func prefixLength(v []byte) uint32 {
	if n := number(v); n <= longestPrefix {
		return uint32(n)
	}
	return maskLength(v)
}

// maskLength is the length of a prefix of which a field says more than an address has bits. Four bytes may be a mask, which says the same
// by its bits; all else is 0, none.
func maskLength(v []byte) uint32 {
	if mask := uint32(number(v)); len(v) == 4 && bits.LeadingZeros32(^mask) == bits.OnesCount32(mask) {
		return uint32(bits.OnesCount32(mask))
	}
	return 0
}

// prefixLength4 is the length of a prefix of IPv4 that has a byte for it, 0 where there can be none such.
func prefixLength4(b byte) uint32 {
	if b > 32 {
		return 0
	}
	return uint32(b)
}

// setHop4 and setHop16 take the address of a next hop; the unspecified one says that there is none (RFC 4291 section 2.5.2).
func setHop4(a *flow.Address, v []byte) {
	if binary.BigEndian.Uint32(v) != 0 {
		a.Set4(v)
	}
}

func setHop16(a *flow.Address, v []byte) {
	if binary.BigEndian.Uint64(v) != 0 || binary.BigEndian.Uint64(v[8:]) != 0 {
		a.Set16(v)
	}
}

// setLabel puts an entry at its place of the MPLS stack; labels missing above it are 0. A template has room for more labels than
// most packets have; what is not used has no bottom-of-stack bit either. Of 4 bytes the last is the TTL (RFC 3032 section 2.1).
func (d *Decoder) setLabel(r *flow.Record, index int, v []byte) {
	entry := uint32(number(v))
	if entry == 0 {
		return
	}
	if len(v) == 4 {
		for len(r.MPLSTTL) <= index {
			r.MPLSTTL = append(r.MPLSTTL, 0)
		}
		if ttl := entry & 0xff; r.MPLSTTL[index] == 0 {
			r.MPLSTTL[index] = ttl
		}
		entry >>= 8
	}
	for len(r.MPLSLabel) <= index {
		r.MPLSLabel = append(r.MPLSLabel, 0)
	}
	r.MPLSLabel[index] = entry >> 4
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.BigEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// isAddress reports whether an operation fills an address, of whichever family.
func (op operation) isAddress() bool {
	switch op.destination() {
	case opSrcIPv4, opDstIPv4, opNextHopIPv4, opBGPNextHopIPv4:
		return true
	}
	return false
}

// isSet reports whether another field of the record settled what op writes, so that its value v does not count.
func isSet(r *flow.Record, op operation, times *recordTimes, v []byte) bool {
	switch op.destination() {
	case opSrcIPv4:
		return !r.SrcAddr.IsZero() || r.SrcAddr.Len() != 0 && allZero(v)
	case opDstIPv4:
		return !r.DstAddr.IsZero() || r.DstAddr.Len() != 0 && allZero(v)
	case opNextHopIPv4:
		return !r.NextHop.IsZero()
	case opBGPNextHopIPv4:
		return !r.BGPNextHop.IsZero()
	case opBytes:
		return r.Bytes != 0
	case opPackets:
		return r.Packets != 0
	case opProto:
		return r.Proto != 0
	case opTOS:
		return r.IPTOS != 0
	case opTCPFlags:
		return r.TCPFlags != 0
	case opSrcPort:
		return r.SrcPort != 0
	case opDstPort:
		return r.DstPort != 0
	case opSrcNet:
		return r.SrcNet != 0
	case opDstNet:
		return r.DstNet != 0
	case opInIf:
		return r.InIf != 0
	case opOutIf:
		return r.OutIf != 0
	case opSrcAS:
		return r.SrcAS != 0
	case opDstAS:
		return r.DstAS != 0
	case opNextHopAS:
		return r.NextHopAS != 0
	case opFlowLabel:
		return r.IPv6FlowLabel != 0
	case opICMPTypeCode:
		return r.ICMPType != 0 || r.ICMPCode != 0
	case opICMPType:
		return r.ICMPType != 0
	case opICMPCode:
		return r.ICMPCode != 0
	case opTTL:
		return r.IPTTL != 0
	case opFragmentID:
		return r.FragmentID != 0
	case opFragmentOffset:
		return r.FragmentOffset != 0
	case opFragmentFlags:
		return r.IPFlags != 0
	case opForwardingStatus:
		return r.ForwardingStatus != 0
	case opSrcMAC:
		return r.SrcMAC != 0
	case opDstMAC:
		return r.DstMAC != 0
	case opSrcVLAN:
		return r.SrcVLAN != 0
	case opDstVLAN:
		return r.DstVLAN != 0
	case opObservationPoint:
		return r.ObservationPointID != 0
	case opCommunities:
		return len(r.BGPCommunities) != 0
	case opASPath:
		return len(r.ASPath) != 0
	case opSegmentList:
		return len(r.IPv6RoutingHeaderAddresses) != 0
	case opSegmentsLeft:
		return r.IPv6RoutingHeaderSegLeft != 0
	case opFrameSection:
		// A section beside the flow's own addresses may be of a tunnel, or of the other direction. What an IP header carries is of a packet
		// whose header stands in other fields.
		n := len(r.LayerStack)
		if !r.SrcAddr.IsZero() || !r.DstAddr.IsZero() {
			return op != opPayloadSection || n != 0 || r.Proto == 0 || r.SrcPort|r.DstPort|r.FragmentOffset != 0 || allZero(v)
		}
		// A label stack and what it carries may stand in two fields.
		return n != 0 && (op != opMPLSPayload || r.LayerStack[n-1] != flow.LayerMPLS)
	case opStartUptime:
		// Uptimes are read beside others: start and end together say how long the flow lasted.
		return op != opStartUptime && times.start != 0 || op == opStartUptime && times.hasStartUptime
	case opEndUptime:
		return op != opEndUptime && times.end != 0 || op == opEndUptime && times.hasEndUptime
	case opDurationMilliseconds:
		return times.durationNs != 0
	case opSystemInit:
		return times.systemInitMs != 0
	case opObserved:
		return times.observed != 0
	case opMPLSIPv4:
		return len(r.MPLSIP) >= flow.MaxMPLSLabels
	}
	return false
}
