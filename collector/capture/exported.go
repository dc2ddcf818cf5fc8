package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// linkExported is LINKTYPE_WIRESHARK_UPPER_PDU: what Wireshark exports of packets, such as the payloads of datagrams, with tags that say where
// from. So some share captures without what was around an export, or decrypted.
const linkExported = 252

// Tags of such a packet (Wireshark, wsutil/exported_pdu_tlvs.h). Numbers of ports have four bytes.
const (
	tagEnd             = 0
	tagProtocol        = 12
	tagSourceIPv4      = 20
	tagDestinationIPv4 = 21
	tagSourceIPv6      = 22
	tagDestinationIPv6 = 23
	tagSourcePort      = 25
	tagDestinationPort = 26
)

// exported hands over the payload of such a packet. Its version says what it is, as in other datagrams; IP and Ethernet are read.
func (r *Reader) exported(f *frame) bool {
	source, destination := noSender.Addr(), noSender.Addr()
	var from, to uint16
	protocol := ""
	b := f.data
	for {
		const head = 4
		if len(b) < head {
			r.problem(r.frame, "the tags of an exported packet do not end")
			return false
		}
		tag, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < head+length {
			r.problem(r.frame, "a tag of an exported packet is cut short")
			return false
		}
		value := b[head : head+length]
		b = b[head+length:]
		switch tag {
		case tagProtocol:
			protocol = string(value[:len(value)-zeros(value)])
		case tagSourceIPv4, tagSourceIPv6:
			source = address(value)
		case tagDestinationIPv4, tagDestinationIPv6:
			destination = address(value)
		case tagSourcePort:
			from = port(value)
		case tagDestinationPort:
			to = port(value)
		}
		if tag == tagEnd {
			break
		}
	}
	switch protocol {
	case "ip":
		return r.network(f, etherOfIP(b), b)
	case "eth", "eth_withfcs", "eth_withoutfcs", "eth_maybefcs":
		etherType, b, ok := link(linkEthernet, b)
		if !ok {
			r.pass(fmt.Sprintf("frames of link type %d", f.linkType))
			return false
		}
		return r.network(f, etherType, b)
	}
	r.found = Datagram{File: r.path, Frame: r.frame, Time: f.time, Source: netip.AddrPortFrom(source, from),
		Destination: netip.AddrPortFrom(destination, to), Payload: b, Truncated: f.cut}
	if f.cut {
		r.problem(r.frame, "the capture does not hold all of an exported packet")
	}
	return true
}

// zeros is how many of them are at the end of b.
func zeros(b []byte) (n int) {
	for n < len(b) && b[len(b)-1-n] == 0 {
		n++
	}
	return n
}

func address(b []byte) netip.Addr {
	if a, ok := netip.AddrFromSlice(b); ok {
		return a.Unmap()
	}
	return noSender.Addr()
}

func port(b []byte) uint16 {
	if len(b) != 4 {
		return 0
	}
	return uint16(binary.BigEndian.Uint32(b))
}
