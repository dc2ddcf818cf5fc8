package capture

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// Packet is a UDP datagram as a collector received it, without the headers that it came with.
type Packet struct {
	Time time.Time
	// Source, and Destination as far as it is known: the socket's own address, which may be unspecified. IPv4-mapped addresses are
	// unmapped; zones of link-local ones are not written.
	Source, Destination netip.AddrPort
	Payload             []byte
	// Cut: the datagram was longer, how much is not known. It is written as if one byte were missing.
	Cut bool
}

const (
	headIPv4 = 20
	headIPv6 = 40
	headUDP  = 8
	// maxPayload is the longest payload that both versions of IP have room for.
	maxPayload = 65535 - headIPv4 - headUDP - 1
)

// appendIP appends a packet as it would be on a link without a header of its own (LINKTYPE_RAW): IP and UDP headers are made up from
// what is known. Payloads have up to maxPayload bytes.
func appendIP(b []byte, p *Packet) []byte {
	source, destination := p.Source.Addr().Unmap(), p.Destination.Addr().Unmap()
	length := headUDP + len(p.Payload)
	if p.Cut {
		length++
	}
	start := len(b)
	if source.Is4() {
		if !destination.Is4() {
			destination = netip.IPv4Unspecified()
		}
		b = append(b, 4<<4|headIPv4/4, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(headIPv4+length))
		b = append(b, 0, 0, 0, 0, 64, protocolUDP, 0, 0) // no fragment; 64 hops to go, which nobody knows any more
		b = append(b, source.AsSlice()...)
		b = append(b, destination.AsSlice()...)
		binary.BigEndian.PutUint16(b[start+10:], ^sum(0, b[start:]))
	} else {
		if !destination.Is6() {
			destination = netip.IPv6Unspecified()
		}
		b = append(b, 6<<4, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		b = append(b, protocolUDP, 64)
		from, to := source.As16(), destination.As16()
		b = append(append(b, from[:]...), to[:]...)
	}
	udp := len(b)
	b = binary.BigEndian.AppendUint16(b, p.Source.Port())
	b = binary.BigEndian.AppendUint16(b, p.Destination.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0) // IPv4 may go without a checksum (RFC 768)
	b = append(b, p.Payload...)
	if source.Is6() && !p.Cut {
		// RFC 8200 section 8.1: of both addresses, the length, the protocol, and the datagram; 0 is written as 0xffff.
		check := ^sum(uint32(length)+protocolUDP, b[start+8:])
		if check == 0 {
			check = 0xffff
		}
		binary.BigEndian.PutUint16(b[udp+6:], check)
	}
	return b
}

// sum is the one's complement sum of RFC 1071.
func sum(from uint32, b []byte) uint16 {
	n := uint64(from)
	for ; len(b) >= 2; b = b[2:] {
		n += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		n += uint64(b[0]) << 8
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}

var errNotOurs = errors.New("it is no whole UDP datagram of a collector's capture")

// parseIP is the inverse of appendIP. It takes nothing that appendIP does not make: no fragments, options or other protocols.
func parseIP(b []byte) (p Packet, err error) {
	var from, to netip.Addr
	switch {
	case len(b) >= headIPv4+headUDP && b[0] == 4<<4|headIPv4/4 && b[9] == protocolUDP && binary.BigEndian.Uint16(b[6:]) == 0:
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[headIPv4:]
	case len(b) >= headIPv6+headUDP && b[0]>>4 == 6 && b[6] == protocolUDP:
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		if from.Is4In6() || to.Is4In6() {
			return p, errNotOurs
		}
		b = b[headIPv6:]
	default:
		return p, errNotOurs
	}
	switch length := int(binary.BigEndian.Uint16(b[4:])); length {
	case len(b):
	case len(b) + 1:
		p.Cut = true
	default:
		return p, errNotOurs
	}
	p.Source = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	p.Destination = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	p.Payload = b[headUDP:]
	if len(p.Payload) > maxPayload {
		return Packet{}, errNotOurs
	}
	return p, nil
}
