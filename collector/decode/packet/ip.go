package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// forget empties what an outer header said of the flow, before an inner one says it.
func (d *dissector) forget() {
	r := d.r
	r.SrcPort, r.DstPort, r.TCPFlags, r.ICMPType, r.ICMPCode = 0, 0, 0, 0, 0
	r.IPv6FlowLabel, r.FragmentID, r.FragmentOffset, r.IPFlags = 0, 0, 0, 0
}

// beginIP notes that an IP header begins; one directly inside another is a tunnel.
func (d *dissector) beginIP() {
	if d.sawIP {
		d.enter()
	}
	d.sawIP = true
}

func (d *dissector) ipv4() next {
	const shortest = 20
	if len(d.b) < shortest {
		return d.short()
	}
	b := d.b
	length := int(b[0]&0x0f) * 4
	if length < shortest || b[0]>>4 != 4 {
		return nothing // not a header; nothing in it can be believed
	}
	d.beginIP()
	d.ip6, d.proto = false, b[9]
	flagsAndOffset := binary.BigEndian.Uint16(b[6:])
	d.fragment = flagsAndOffset&0x1fff != 0
	if d.counts() {
		r := d.r
		d.forget()
		d.ownFrame()
		r.EType = EtherTypeIPv4
		r.SrcAddr.Set4(b[12:])
		r.DstAddr.Set4(b[16:])
		r.IPTOS, r.IPTTL, r.Proto = uint32(b[1]), uint32(b[8]), uint32(b[9])
		r.FragmentID = uint32(binary.BigEndian.Uint16(b[4:]))
		r.FragmentOffset = uint32(flagsAndOffset & 0x1fff)
		r.IPFlags = uint32(flagsAndOffset >> 13)
	}
	if length > len(b) {
		d.take(flow.LayerIPv4, len(b))
		return d.short()
	}
	d.take(flow.LayerIPv4, length)
	return protocol
}

func (d *dissector) ipv6() next {
	const length = 40
	if len(d.b) < length {
		return d.short()
	}
	b := d.b
	if b[0]>>4 != 6 {
		return nothing // not a header, as above
	}
	d.beginIP()
	d.ip6, d.proto, d.fragment = true, b[6], false
	if d.counts() {
		r := d.r
		d.forget()
		d.ownFrame()
		first := binary.BigEndian.Uint32(b)
		r.EType = EtherTypeIPv6
		r.SrcAddr.Set16(b[8:])
		r.DstAddr.Set16(b[24:])
		r.IPTOS, r.IPTTL, r.Proto = first>>20&0xff, uint32(b[7]), uint32(b[6])
		r.IPv6FlowLabel = first & 0xfffff
	}
	d.take(flow.LayerIPv6, length)
	return protocol
}

// byProtocol reads what d.proto announces.
func (d *dissector) byProtocol() next {
	if d.fragment {
		return nothing // RFC 791 section 2.3: only the first fragment has the transport header
	}
	if d.ip6 {
		switch d.proto {
		case protoHopByHop, protoDestination:
			return d.extension(flow.LayerCustom, 8)
		case protoRouting:
			return d.routing()
		case protoFragment:
			return d.fragmentHeader()
		}
	}
	switch d.proto {
	case protoAH:
		return d.extension(flow.LayerCustom, 4)
	case protoTCP:
		return d.tcp()
	case protoUDP:
		return d.udp()
	case protoSCTP:
		return d.portsOnly(12) // RFC 9260 section 3.1
	case protoDCCP, protoUDPLite:
		return d.portsOnly(8) // RFC 4340 section 5.1, without what depends on its type; RFC 3828 section 3.1
	case protoICMP:
		return d.icmp(flow.LayerICMP)
	case protoICMPv6:
		return d.icmp(flow.LayerICMPv6)
	case protoGRE:
		return d.gre()
	case protoIPv4:
		return ipv4
	case protoIPv6:
		return ipv6
	case protoEtherIP:
		return d.etherIP()
	case protoMPLS:
		d.enter()
		return mpls
	case protoEthernet: // what SRv6 carries of layer 2
		d.enter()
		return ethernet
	}
	return nothing
}

// follow takes the next header's number; the flow's protocol is the last one of IPv6's chain, the transport's. IPv4 has no chain: the
// protocol is what its own header says (IANA, protocolIdentifier), also before AH.
func (d *dissector) follow(proto uint8) {
	d.proto = proto
	if d.counts() && d.ip6 {
		d.r.Proto = uint32(proto)
	}
}

// extension skips a header whose second byte is its length: in units of 8 bytes beyond the first 8 (RFC 8200 section 4.3),
// or of 4 bytes less 2 for AH (RFC 4302 section 2.2).
func (d *dissector) extension(layer flow.Layer, unit int) next {
	if len(d.b) < 8 {
		return d.short()
	}
	length := (int(d.b[1]) + 1) * 8
	if unit == 4 {
		length = (int(d.b[1]) + 2) * 4
	}
	d.follow(d.b[0])
	if length > len(d.b) {
		d.take(layer, len(d.b))
		return d.short()
	}
	d.take(layer, length)
	return protocol
}

// routing reads a routing header; type 4 carries segments (RFC 8754 section 2).
func (d *dissector) routing() next {
	if len(d.b) < 8 {
		return d.short()
	}
	b := d.b
	if length := (int(b[1]) + 1) * 8; length < len(b) {
		b = b[:length]
	}
	if d.counts() {
		segments := d.r.IPv6RoutingHeaderAddresses[:0] // a packet has one such header (RFC 8200 section 4.1), that inside another its own
		if b[2] == 4 {
			last := int(b[4])
			for i := 0; i <= last && 8+16*(i+1) <= len(b) && i < flow.MaxSegments; i++ {
				segments = append(segments, flow.Address{})
				segments[i].Set16(b[8+16*i:])
			}
		}
		d.r.IPv6RoutingHeaderSegLeft, d.r.IPv6RoutingHeaderAddresses = uint32(b[3]), segments
	}
	return d.extension(flow.LayerIPv6HeaderRouting, 8)
}

// fragmentHeader reads RFC 8200 section 4.5.
func (d *dissector) fragmentHeader() next {
	const length = 8
	if len(d.b) < length {
		return d.short()
	}
	offsetAndFlags := binary.BigEndian.Uint16(d.b[2:])
	d.fragment = offsetAndFlags>>3 != 0
	if d.counts() {
		d.r.FragmentID = binary.BigEndian.Uint32(d.b[4:])
		d.r.FragmentOffset = uint32(offsetAndFlags >> 3)
		d.r.IPFlags = uint32(offsetAndFlags & 7)
	}
	d.follow(d.b[0])
	d.take(flow.LayerIPv6HeaderFragment, length)
	return protocol
}
