package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
)

// Link types ("Link-Layer Header Types", tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9
	linkRawOld   = 12
	linkRawBSD   = 14
	linkPPPHDLC  = 50
	linkRaw      = 101
	linkCHDLC    = 104
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// dissect finds the UDP datagram of a frame, or a message over TCP or SCTP, and reports whether there is one to be had now.
func (r *Reader) dissect(f *frame) bool {
	switch f.linkType {
	case linkPayload:
		return r.payload(f)
	case linkExported:
		return r.exported(f)
	}
	etherType, b, ok := link(f.linkType, f.data)
	if !ok {
		if !knownLink(f.linkType) {
			r.problem(r.frame, fmt.Sprintf("link type %d is not supported", f.linkType))
		}
		r.pass(fmt.Sprintf("frames of link type %d", f.linkType))
		return false
	}
	return r.network(f, etherType, b)
}

// network reads what an EtherType announces.
func (r *Reader) network(f *frame, etherType uint16, b []byte) bool {
	switch etherType, b = untag(etherType, b); etherType {
	case etherIPv4:
		return r.ipv4(f, b)
	case etherIPv6:
		return r.ipv6(f, b)
	}
	r.passEtherType(etherType)
	return false
}

func knownLink(linkType uint32) bool {
	switch linkType {
	case linkNull, linkEthernet, linkPPP, linkRawOld, linkRawBSD, linkPPPHDLC, linkRaw, linkCHDLC, linkLoop, linkSLL,
		linkIPv4, linkIPv6, linkSLL2, linkPPPoE, linkFrameRelay, linkEncapsulation, linkFirewall, linkJuniperEthernet, linkNetfilter, linkPacketTap,
		linkATM, linkATMHeader, linkRecord, linkMPLS:
		return true
	}
	return false
}

// link strips the link layer, but for what untag does.
func link(linkType uint32, b []byte) (etherType uint16, rest []byte, ok bool) {
	strip := func(n, at int) (uint16, []byte, bool) {
		if len(b) < n {
			return 0, nil, false
		}
		return binary.BigEndian.Uint16(b[at:]), b[n:], true
	}
	switch linkType {
	case linkEthernet:
		return strip(14, 12)
	case linkSLL:
		return strip(16, 14)
	case linkSLL2:
		return strip(20, 0)
	case linkCHDLC:
		return strip(4, 2)
	case linkPPP:
		if len(b) >= 2 && b[0] == 0xff { // address and control (RFC 1662 section 3.1)
			b = b[2:]
		}
		etherType, b, ok = strip(2, 0)
		return etherOfPPP(etherType), b, ok
	case linkPPPHDLC:
		etherType, b, ok = strip(4, 2)
		return etherOfPPP(etherType), b, ok
	case linkNull, linkLoop:
		_, b, ok = strip(4, 0)
		return etherOfIP(b), b, ok
	case linkRaw, linkRawOld, linkRawBSD, linkIPv4, linkIPv6:
		return etherOfIP(b), b, true
	}
	return wrapped(linkType, b)
}

// logicalLink is the header of a logical link behind a length that an EtherType follows (RFC 1042).
var logicalLink = []byte{0xaa, 0xaa, 3, 0, 0, 0}

// untag strips VLAN tags, a logical link's header, the backbone's header of MAC-in-MAC, MPLS labels and PPPoE. It returns EtherType 0 where they end too early.
func untag(etherType uint16, b []byte) (uint16, []byte) {
	for {
		if length := packet.TagLength(etherType); length != 0 {
			if len(b) < length+2 {
				return 0, nil
			}
			etherType, b = binary.BigEndian.Uint16(b[length:]), b[length+2:]
			continue
		}
		if n := len(logicalLink); etherType < packet.FirstEtherType && len(b) >= n+2 && bytes.HasPrefix(b, logicalLink) {
			etherType, b = binary.BigEndian.Uint16(b[n:]), b[n+2:]
			continue
		}
		switch etherType {
		case packet.EtherTypeService:
			var ok bool
			if etherType, b, ok = link(linkEthernet, b[min(packet.ServiceTag, len(b)):]); !ok {
				return 0, nil
			}
		case packet.EtherTypeMPLS, packet.EtherTypeMPLSUp: // down to the bottom of the stack
			if len(b) < 4 {
				return 0, nil
			}
			bottom := b[2]&1 != 0
			if b = b[4:]; !bottom {
				continue
			}
			if frame, ok := packet.Pseudowire(b); ok {
				etherType, b, _ = link(linkEthernet, frame)
			} else {
				etherType = etherOfIP(b)
			}
		case packet.EtherTypePPPoE:
			if len(b) < 8 {
				return 0, nil
			}
			etherType, b = etherOfPPP(binary.BigEndian.Uint16(b[6:])), b[8:]
		default:
			return etherType, b
		}
	}
}

func etherOfIP(b []byte) uint16 {
	if len(b) > 0 {
		switch b[0] >> 4 {
		case 4:
			return etherIPv4
		case 6:
			return etherIPv6
		}
	}
	return 0
}

func etherOfPPP(protocol uint16) uint16 {
	switch protocol {
	case 0x0021:
		return etherIPv4
	case 0x0057:
		return etherIPv6
	}
	return 0
}

// IP protocol numbers (IANA "Protocol Numbers").
const (
	protocolIPv4 = 4
	protocolTCP  = 6
	protocolUDP  = 17
	protocolIPv6 = 41
	protocolGRE  = 47
	protocolAH   = 51
	protocolSCTP = 132
)

func (r *Reader) ipv4(f *frame, b []byte) bool {
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	head := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // segmentation offload: the length was not known yet
	}
	if head < 20 || total < head || len(b) < head {
		r.problem(r.frame, "an IPv4 header contradicts itself")
		return false
	}
	cut := total > len(b)
	payload := b[head:min(total, len(b))]
	source, destination := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	flags := binary.BigEndian.Uint16(b[6:])
	offset, more := int(flags&0x1fff)*8, flags&0x2000 != 0
	protocol, fragment := b[9], offset != 0 || more
	if protocol == protocolAH && !fragment {
		protocol, payload = authenticated(payload)
	}
	switch {
	case protocol != protocolUDP && fragment:
		r.pass("fragments of other protocols than UDP")
		return false
	case protocol == protocolTCP:
		return r.tcp(f, source, destination, payload, cut)
	case protocol == protocolSCTP:
		return r.sctp(f, source, destination, payload)
	case protocol != protocolUDP:
		return r.tunnel(f, protocol, payload)
	case fragment:
		key := fragmentKey{source, destination, uint32(binary.BigEndian.Uint16(b[4:]))}
		return r.fragment(f, key, offset, more, cut, payload)
	}
	return r.udp(f, source, destination, payload, cut)
}

func (r *Reader) ipv6(f *frame, b []byte) bool {
	const head = 40
	if len(b) < head || b[0]>>4 != 6 {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = len(b) - head
	}
	next := b[6]
	source, destination := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	cut := head+length > len(b)
	payload := b[head:min(head+length, len(b))]
	for {
		switch next {
		case protocolUDP:
			return r.udp(f, source, destination, payload, cut)
		case protocolTCP:
			return r.tcp(f, source, destination, payload, cut)
		case protocolSCTP:
			return r.sctp(f, source, destination, payload)
		case 0, 43, 60: // hop-by-hop, routing, destination options (RFC 8200 section 4)
			if len(payload) < 8 || len(payload) < 8*(1+int(payload[1])) {
				return false
			}
			next, payload = payload[0], payload[8*(1+int(payload[1])):]
		case protocolAH:
			if next, payload = authenticated(payload); next == protocolAH {
				r.passProtocol(next)
				return false
			}
		case 44: // fragment
			if len(payload) < 8 || payload[0] != protocolUDP {
				r.pass("fragments of other protocols than UDP")
				return false
			}
			flags := binary.BigEndian.Uint16(payload[2:])
			key := fragmentKey{source, destination, binary.BigEndian.Uint32(payload[4:])}
			offset, more := int(flags&^7), flags&1 != 0
			if offset == 0 && !more { // an atomic fragment (RFC 6946)
				return r.udp(f, source, destination, payload[8:], cut)
			}
			return r.fragment(f, key, offset, more, cut, payload[8:])
		default:
			return r.tunnel(f, next, payload)
		}
	}
}

// authenticated strips an authentication header, whose length is in units of 4 bytes less 2 (RFC 4302 section 2.2). It returns its own
// protocol where it ends too early.
func authenticated(b []byte) (protocol byte, rest []byte) {
	if len(b) < 8 || len(b) < 4*(2+int(b[1])) {
		return protocolAH, nil
	}
	return b[0], b[4*(2+int(b[1])):]
}

func (r *Reader) udp(f *frame, source, destination netip.Addr, b []byte, cut bool) bool {
	const head = 8
	if len(b) < head {
		r.problem(r.frame, "a UDP header is cut short")
		return false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = len(b) // a jumbogram (RFC 2675 section 4), or offloaded
	}
	if length < head {
		r.problem(r.frame, "a UDP header contradicts itself")
		return false
	}
	if etherType, inner, ok := overlay(binary.BigEndian.Uint16(b[2:]), b[head:min(length, len(b))]); ok {
		return r.carried(f, etherType, inner)
	}
	cut = cut || length > len(b)
	if cut {
		r.problem(r.frame, fmt.Sprintf("the capture holds %d of the datagram's %d bytes", len(b)-head, length-head))
	}
	r.found = Datagram{
		File:        r.path,
		Frame:       r.frame,
		Time:        f.time,
		Source:      netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(b)),
		Destination: netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(b[2:])),
		Payload:     b[head:min(length, len(b))],
		Truncated:   cut,
	}
	return true
}
