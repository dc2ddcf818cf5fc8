package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// tokenRing reads a frame of IEEE 802.5: access control, frame control, addresses, and a route where the source says so. The addresses
// count as they are sent.
func (d *dissector) tokenRing() next {
	const shortest, routed = 14, 0x80
	if len(d.b) < shortest {
		return d.short()
	}
	b, length := d.b, shortest
	if b[8]&routed != 0 {
		if len(b) < shortest+2 {
			return d.short()
		}
		length += int(b[14] & 0x1f) // the route's length, with these two bytes
	}
	if d.counts() {
		d.r.DstMAC, d.r.SrcMAC = mac(b[2:]), mac(b[8:])&^(routed<<40)
	}
	return d.logicalLink(length, b[1]&0xc0 == 0x40)
}

// fddi reads a frame of FDDI: frame control and addresses.
func (d *dissector) fddi() next {
	const length = 13
	if len(d.b) < length {
		return d.short()
	}
	if d.counts() {
		d.r.DstMAC, d.r.SrcMAC = mac(d.b[1:]), mac(d.b[7:])
	}
	return d.logicalLink(length, d.b[0]&0x30 == 0x10)
}

// wireless reads a frame of IEEE 802.11 (clause 9.3.2.1). Where the addresses of both ends stand depends on whether the frame goes to the
// distribution system, comes from it, or both. Only data that is neither encrypted nor aggregated can be followed.
func (d *dissector) wireless() next {
	const (
		shortest                                = 24
		toSystem, fromSystem, encrypted, htSent = 0x01, 0x02, 0x40, 0x80
		typeMask, data, noData, quality         = 0x0c, 0x08, 0x40, 0x80
	)
	if len(d.b) < 2 {
		return d.short()
	}
	b := d.b
	control, flags, length := b[0], b[1], shortest
	if control&typeMask != data {
		return nothing // management and control are about the radio
	}
	destination, source := 4, 10
	switch flags & (toSystem | fromSystem) {
	case toSystem:
		destination = 16
	case fromSystem:
		source = 16
	case toSystem | fromSystem:
		destination, source, length = 16, 24, shortest+6
	}
	follows := control&noData == 0 && flags&encrypted == 0
	if control&quality != 0 {
		const aggregated = 0x80
		follows = follows && len(b) > length && b[length]&aggregated == 0
		if length += 2; flags&htSent != 0 {
			length += 4
		}
	}
	if len(b) < length {
		return d.short()
	}
	if d.counts() {
		d.r.DstMAC, d.r.SrcMAC = mac(b[destination:]), mac(b[source:])
	}
	return d.logicalLink(length, follows)
}

// aggregate reads what is before a frame that is sent with others as one (IEEE 802.11 clause 9.7): its length, a check sum, and a signature
// by which the next is found.
func (d *dissector) aggregate() next {
	const length, signature = 4, 'N'
	if len(d.b) < length {
		return d.short()
	}
	if d.b[length-1] == signature {
		d.take(flow.LayerCustom, length)
	}
	return d.wireless()
}

// isBridged reports whether b, an organization and a protocol of it, says that a frame of Ethernet follows, with or without its check sum
// (RFC 2684 section 5.2, RFC 2427 section 4.2).
func isBridged(b []byte) bool {
	return len(b) >= 5 && [4]byte(b) == [4]byte{0, 0x80, 0xc2, 0} && (b[4] == 1 || b[4] == 7)
}

// atm reads the header of a logical link (RFC 2684 section 5), behind which a bridged frame follows two bytes of padding.
func (d *dissector) atm() next {
	const link, bridged = 3, 10
	if len(d.b) >= bridged && [link]byte(d.b) == [link]byte{0xaa, 0xaa, 3} && isBridged(d.b[link:]) {
		d.take(flow.LayerCustom, bridged)
		return ethernet
	}
	return d.typed() // as behind a length
}

// logicalLink takes a frame's header of length bytes. What follows it is a logical link's header (RFC 1042), if follows.
func (d *dissector) logicalLink(length int, follows bool) next {
	if len(d.b) < length {
		return d.short()
	}
	d.take(flow.LayerCustom, length)
	if !follows {
		return nothing
	}
	d.etherType = 0
	return d.typed()
}

// hdlc reads Cisco's header of serial lines: address, control, EtherType.
func (d *dissector) hdlc() next {
	const length = 4
	if len(d.b) < length {
		return d.short()
	}
	d.etherType = binary.BigEndian.Uint16(d.b[2:])
	d.take(flow.LayerCustom, length)
	return d.announced()
}

// FrameRelay reads a frame's address of two to four bytes, the last of which is odd (ITU-T Q.922 section 3.3). What follows is a control
// byte and the number of a protocol (RFC 2427 section 4), or an EtherType alone, as Cisco's routers send. It returns the EtherType and the
// length of all that in bytes, which is 0 where b ends too early; known is false for protocols that have no EtherType. EtherTypeBridging
// says that a frame of Ethernet follows.
func FrameRelay(b []byte) (etherType uint16, length int, known bool) {
	const longest, unnumbered = 4, 3
	n := 1
	for n < min(longest, len(b)) && b[n-1]&1 == 0 {
		n++
	}
	if len(b) < n+2 {
		return 0, 0, false
	}
	b = b[n:]
	if b[0] != unnumbered {
		return binary.BigEndian.Uint16(b), n + 2, true
	}
	const ipv4, ipv6, snap = 0xcc, 0x8e, 0x80
	if b[1] == 0 && len(b) > 2 { // padding
		n, b = n+1, b[1:]
	}
	switch b[1] {
	case ipv4:
		return EtherTypeIPv4, n + 2, true
	case ipv6:
		return EtherTypeIPv6, n + 2, true
	case snap:
		const organization, kind = 3, 2
		if len(b) < 2+organization+kind {
			return 0, 0, false
		}
		length = n + 2 + organization + kind
		switch etherType = binary.BigEndian.Uint16(b[2+organization:]); {
		case isBridged(b[2:]):
			return EtherTypeBridging, length, true
		case [organization]byte(b[2:]) != [organization]byte{}:
			return 0, length, false // a protocol of that organization
		}
		return etherType, length, true
	}
	return 0, n + 2, false
}

func (d *dissector) frameRelay() next {
	kind, length, known := FrameRelay(d.b)
	switch {
	case length == 0:
		return d.short()
	case !known:
		return nothing
	}
	d.etherType = kind
	d.take(flow.LayerCustom, length)
	if kind == EtherTypeBridging {
		return ethernet
	}
	return d.announced()
}

// announced notes the EtherType of what follows. Inside a tunnel it is the flow's only if its header is there.
func (d *dissector) announced() next {
	if d.tunnels == 0 {
		d.r.EType = uint32(d.etherType)
	}
	return etherType
}
