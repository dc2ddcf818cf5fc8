package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

func (d *dissector) ports() {
	if d.counts() {
		d.r.SrcPort = uint32(binary.BigEndian.Uint16(d.b))
		d.r.DstPort = uint32(binary.BigEndian.Uint16(d.b[2:]))
	}
}

func (d *dissector) tcp() next {
	if len(d.b) < 4 {
		return d.short()
	}
	d.ports()
	if len(d.b) < 14 {
		d.take(flow.LayerTCP, len(d.b))
		return d.short()
	}
	if d.counts() {
		d.r.TCPFlags = uint32(binary.BigEndian.Uint16(d.b[12:]) & 0x0fff) // those behind the header's length (RFC 9565 section 3)
	}
	// RFC 9293 section 3.1: the data offset counts 32-bit words, options included.
	length := max(20, int(d.b[12]>>4)*4)
	if length > len(d.b) {
		d.take(flow.LayerTCP, len(d.b))
		return d.short()
	}
	d.take(flow.LayerTCP, length)
	return nothing
}

func (d *dissector) udp() next {
	if len(d.b) < 4 {
		return d.short()
	}
	d.ports()
	source, destination := binary.BigEndian.Uint16(d.b), binary.BigEndian.Uint16(d.b[2:])
	if len(d.b) < 8 {
		d.take(flow.LayerUDP, len(d.b))
		return d.short()
	}
	d.take(flow.LayerUDP, 8)
	switch {
	case destination == PortVXLAN:
		return vxlan
	case destination == PortVXLANOld && IsVXLAN(d.b):
		return vxlan
	case destination == PortVXLANGPE:
		return vxlanGPE
	case destination == PortGeneve:
		return geneve
	case destination == portGTP && isGTP(d.b):
		return gtp
	case (destination == portL2TP || source == portL2TP) && isL2TP(d.b):
		return l2tp
	case destination == portMPLS: // RFC 7510
		d.enter()
		return mpls
	case (destination == portTeredo || source == portTeredo) && len(d.b) > 0 && d.b[0]>>4 == 6:
		d.enter()
		d.take(flow.LayerTeredo, 0)
		return ipv6
	}
	return nothing
}

// portsOnly reads a transport whose header has length bytes and begins with the ports.
func (d *dissector) portsOnly(length int) next {
	if len(d.b) < 4 {
		return d.short()
	}
	d.ports()
	if len(d.b) < length {
		d.take(flow.LayerCustom, len(d.b))
		return d.short()
	}
	d.take(flow.LayerCustom, length)
	return nothing
}

func (d *dissector) icmp(layer flow.Layer) next {
	if len(d.b) < 2 {
		return d.short()
	}
	if d.counts() {
		d.r.ICMPType, d.r.ICMPCode = uint32(d.b[0]), uint32(d.b[1])
	}
	d.take(layer, min(8, len(d.b)))
	return nothing
}

// Flags of a GRE header (RFC 2784 section 2.1, RFC 2890 section 2), and the mask of its version.
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	GRESequence = 0x1000
	GREVersion  = 7
	// greAcknowledges is version 1's.
	greAcknowledges = 0x0080
	etherTypePPP    = 0x880b
)

// GRELength is how many bytes a GRE header with these flags has: 4 to 16.
func GRELength(flags uint16) int {
	length := 4
	for _, field := range [...]uint16{greChecksum, greKey, GRESequence} {
		if flags&field != 0 {
			length += 4
		}
	}
	return length
}

// gre reads RFC 2784 section 2.1 with RFC 2890's key and sequence, and version 1, in which PPTP carries PPP behind the same fields and an
// acknowledgement (RFC 2637 section 4.1).
func (d *dissector) gre() next {
	if len(d.b) < 4 {
		return d.short()
	}
	flags := binary.BigEndian.Uint16(d.b)
	length := GRELength(flags)
	d.etherType = binary.BigEndian.Uint16(d.b[2:])
	isPPTP := flags&GREVersion == 1 && d.etherType == etherTypePPP
	if isPPTP && flags&greAcknowledges != 0 {
		length += 4
	}
	if length > len(d.b) {
		d.take(flow.LayerGRE, len(d.b))
		return d.short()
	}
	d.take(flow.LayerGRE, length)
	switch {
	case isPPTP && len(d.b) > 0: // else it acknowledges only
		d.enter()
		return ppp
	case flags&GREVersion != 0:
		return nothing
	}
	if n := ERSPANLength(flags, d.etherType, d.b); n >= 0 {
		if n > len(d.b) {
			return d.short()
		}
		if n > 0 {
			d.take(flow.LayerCustom, n)
		}
		d.etherType = EtherTypeBridging
	}
	if d.etherType != EtherTypeBridging { // which enters by itself
		d.enter()
	}
	return etherType
}

// ERSPANLength is how many bytes ERSPAN has between GRE's header, of these flags, and the frame that it mirrors, -1 where GRE carries
// something else. b begins behind GRE's header.
func ERSPANLength(flags, etherType uint16, b []byte) int {
	const second, third, platform = 8, 12, 8
	switch {
	case etherType == EtherTypeERSPAN && flags&GRESequence == 0: // type I has no header
		return 0
	case etherType == EtherTypeERSPAN:
		return second
	case etherType != EtherTypeERSPAN3:
		return -1
	case len(b) >= third && b[third-1]&1 != 0: // a platform's own header follows
		return third + platform
	}
	return third
}

// geneve reads RFC 8926 section 3.4.
func (d *dissector) geneve() next {
	if len(d.b) < 8 {
		return d.short()
	}
	d.etherType = binary.BigEndian.Uint16(d.b[2:])
	length := 8 + int(d.b[0]&0x3f)*4
	if length > len(d.b) {
		d.take(flow.LayerGeneve, len(d.b))
		return d.short()
	}
	d.take(flow.LayerGeneve, length)
	if d.etherType != EtherTypeBridging {
		d.enter()
	}
	return etherType
}
