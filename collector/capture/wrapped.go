package capture

import (
	"bytes"
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
)

// Link types of devices, firewalls and kernels that put a header of their own before a packet ("Link-Layer Header Types").
const (
	linkPPPoE           = 51  // LINKTYPE_PPP_ETHER: a session's header without Ethernet
	linkFrameRelay      = 107 // LINKTYPE_FRELAY
	linkEncapsulation   = 109 // LINKTYPE_ENC: what BSD's IPsec hands over: address family, security parameters, flags
	linkFirewall        = 117 // LINKTYPE_PFLOG: what BSD's packet filter logged
	linkJuniperEthernet = 178 // LINKTYPE_JUNIPER_ETHERNET
	linkNetfilter       = 239 // LINKTYPE_NFLOG: what Linux's packet filter logged
	linkPacketTap       = 258 // LINKTYPE_PKTAP: macOS's, with another link type within
	linkATM             = 100 // LINKTYPE_ATM_RFC1483: a logical link's header without Ethernet
	linkATMHeader       = 123 // LINKTYPE_SUNATM: the same behind four bytes
	linkRecord          = 197 // LINKTYPE_ERF: a record of Endace's cards
	linkMPLS            = 219 // LINKTYPE_MPLS
)

// wrapped strips the header of one of these link types; ok is false for others, and where it ends too early.
func wrapped(linkType uint32, b []byte) (etherType uint16, rest []byte, ok bool) {
	switch linkType {
	case linkPPPoE:
		return packet.EtherTypePPPoE, b, true
	case linkFrameRelay:
		etherType, n, _ := packet.FrameRelay(b)
		return etherType, b[n:], n != 0
	case linkEncapsulation:
		const head = 12
		b, ok = behind(b, head)
		return etherOfIP(b), b, ok
	case linkFirewall: // its first byte is the header's length without what fills it up
		if len(b) > 0 {
			b, ok = behind(b, (int(b[0])+3)&^3)
		}
		return etherOfIP(b), b, ok
	case linkATM: // the header of a logical link says what follows, see untag
		return 0, b, true
	case linkATMHeader:
		const head = 4
		b, ok = behind(b, head)
		return 0, b, ok
	case linkMPLS:
		return packet.EtherTypeMPLS, b, true
	case linkRecord:
		return record(b)
	case linkJuniperEthernet:
		return juniper(b)
	case linkNetfilter:
		return netfilter(b)
	case linkPacketTap:
		const head = 12 // its length, kind and the link type within, little-endian
		if len(b) < head {
			return 0, nil, false
		}
		within := binary.LittleEndian.Uint32(b[8:])
		if b, ok = behind(b, int(min(binary.LittleEndian.Uint32(b), 1<<16))); !ok || within == linkPacketTap {
			return 0, nil, false
		}
		return link(within, b)
	}
	return 0, nil, false
}

// record strips the header of a record of Endace's cards (ERF, "Extensible Record Format"): time, type, flags and lengths, extensions of
// eight bytes as long as a first bit says that one follows, and two bytes before a frame of Ethernet.
func record(b []byte) (etherType uint16, rest []byte, ok bool) {
	const head, at, more, extension, beforeEthernet = 16, 8, 0x80, 8, 2
	if len(b) < head {
		return 0, nil, false
	}
	kind := b[at]
	b = b[head:]
	for next := kind&more != 0; next; b = b[extension:] {
		if len(b) < extension {
			return 0, nil, false
		}
		next = b[0]&more != 0
	}
	switch kind &^ more {
	case 2, 11, 16, 20: // Ethernet, and the same with a color or a hash
		if b, ok = behind(b, beforeEthernet); !ok {
			return 0, nil, false
		}
		return link(linkEthernet, b)
	case 22, 23: // IPv4, IPv6
		return etherOfIP(b), b, true
	}
	return 0, nil, true
}

func behind(b []byte, n int) (rest []byte, ok bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// juniper strips what Juniper's routers write before a frame: "MGC", flags, extensions where a flag says so, and, where another says that
// there is no frame, the packet's protocol.
func juniper(b []byte) (etherType uint16, rest []byte, ok bool) {
	const head, noFrame, extended = 4, 0x02, 0x80
	if len(b) < head || !bytes.HasPrefix(b, []byte("MGC")) {
		return 0, nil, false
	}
	flags, n := b[3], head
	if flags&extended != 0 {
		if len(b) < n+2 {
			return 0, nil, false
		}
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	}
	if flags&noFrame == 0 {
		if b, ok = behind(b, n); !ok {
			return 0, nil, false
		}
		return link(linkEthernet, b)
	}
	b, ok = behind(b, n+4)
	return etherOfIP(b), b, ok
}

// netfilter finds the packet among what Linux logs of it: a header of 4 bytes, then values with their lengths and types, in the byte order
// of the machine.
func netfilter(b []byte) (etherType uint16, rest []byte, ok bool) {
	const head, payload, mostTypes = 4, 9, 0xff
	if b, ok = behind(b, 4); !ok {
		return 0, nil, false
	}
	for len(b) >= head {
		length, kind := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		if kind > mostTypes {
			length, kind = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
		n := int(length)
		if n < head || n > len(b) {
			break
		}
		if kind == payload {
			return etherOfIP(b[head:n]), b[head:n], true
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return 0, nil, false
}
