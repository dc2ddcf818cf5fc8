package capture

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
)

// tunnel reads what an IP protocol other than UDP, TCP and SCTP carries: switches and clouds mirror traffic within GRE, ERSPAN, VXLAN or
// Geneve. Tunnels in fragments are left alone, but for those over UDP. Every header takes some of the frame's bytes, which
// bounds how deep tunnels lie within each other.
func (r *Reader) tunnel(f *frame, protocol byte, b []byte) bool {
	switch protocol {
	case protocolIPv4:
		return r.network(f, etherIPv4, b)
	case protocolIPv6:
		return r.network(f, etherIPv6, b)
	case protocolGRE:
		return r.gre(f, b)
	}
	r.passProtocol(protocol)
	return false
}

// carried reads what a tunnel says that it carries.
func (r *Reader) carried(f *frame, etherType uint16, b []byte) bool {
	if etherType == packet.EtherTypeBridging {
		var ok bool
		if etherType, b, ok = link(linkEthernet, b); !ok {
			return false
		}
	}
	return r.network(f, etherType, b)
}

// gre strips RFC 2784 section 2.1 with RFC 2890's key and sequence number, and the headers of ERSPAN within it.
func (r *Reader) gre(f *frame, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	flags, etherType := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&packet.GREVersion != 0 { // PPTP's
		return false
	}
	length := packet.GRELength(flags)
	if len(b) < length {
		return false
	}
	if n := packet.ERSPANLength(flags, etherType, b[length:]); n >= 0 {
		length, etherType = length+n, packet.EtherTypeBridging
	}
	if len(b) < length {
		return false
	}
	return r.carried(f, etherType, b[length:])
}

// overlay strips the header of VXLAN (RFC 7348 section 5), of its extension for other protocols, or of Geneve (RFC 8926 section 3.4). It
// returns what is within, and its EtherType. None of them begins as NetFlow, IPFIX or sFlow do.
func overlay(port uint16, b []byte) (etherType uint16, inner []byte, ok bool) {
	const head, valid = 8, 0x08
	if len(b) < head {
		return 0, nil, false
	}
	switch {
	case (port == packet.PortVXLAN || port == packet.PortVXLANOld) && packet.IsVXLAN(b):
		return packet.EtherTypeBridging, b[head:], true
	case port == packet.PortVXLANGPE && b[0]&valid != 0 && b[7] == 0:
		etherType = packet.VXLANCarries(b)
		return etherType, b[head:], etherType != 0
	case port == packet.PortGeneve && b[0]>>6 == 0 && b[1]&0x3f == 0:
		switch etherType = binary.BigEndian.Uint16(b[2:]); etherType {
		case packet.EtherTypeBridging, etherIPv4, etherIPv6:
			if length := head + int(b[0])*4; length <= len(b) {
				return etherType, b[length:], true
			}
		}
	}
	return 0, nil, false
}
