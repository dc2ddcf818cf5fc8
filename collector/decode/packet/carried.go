package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Frames are carried within others, and over labels, without an IP header of the carrier. The addresses of such a packet are the
// flow's: there are no others. Its MAC addresses are those of the frame that was sampled.

// etherTypeOldQinQ is the first of three, 0x100 apart, that tagged providers' frames before IEEE 802.1ad.
const etherTypeOldQinQ = 0x9100

// TagLength is how many bytes a tag that an EtherType announces has before the next EtherType, 0 where it is no tag: VLANs (IEEE 802.1Q's
// two, and those in use before the second), and tags of fabrics.
func TagLength(etherType uint16) int {
	if isVLAN(etherType) {
		return vlanTag
	}
	switch etherType {
	case 0x8926, 0xf1c1, 0x892f: // Cisco's VN-Tag; redundancy (IEEE 802.1CB clause 7.8; HSR, IEC 62439-3)
		return 4
	case 0x893f, 0x8909: // bridge port extension (IEEE 802.1BR); Cisco's meta data, which has a security group
		return 6
	}
	return 0
}

// isVLAN reports whether an EtherType announces a VLAN.
func isVLAN(etherType uint16) bool {
	switch etherType {
	case EtherTypeVLAN, EtherTypeServiceVLAN, etherTypeOldQinQ, etherTypeOldQinQ + 0x100, etherTypeOldQinQ + 0x200:
		return true
	}
	return false
}

// vlanTag is the length of VLAN tags: priority and id.
const vlanTag = 2

// tag reads what TagLength knows.
func (d *dissector) tag(length int) next {
	if length == vlanTag {
		return d.vlan()
	}
	if len(d.b) < length+2 {
		return d.short()
	}
	d.etherType = binary.BigEndian.Uint16(d.b[length:])
	d.take(flow.LayerCustom, length+2)
	return d.typed()
}

// ServiceTag is how many bytes the tag of a backbone service instance has before the customer's frame: flags and the number of the
// instance (IEEE 802.1Q clause 9.7).
const ServiceTag = 4

func (d *dissector) service() next {
	if len(d.b) < ServiceTag {
		return d.short()
	}
	d.take(flow.LayerCustom, ServiceTag)
	return ethernet
}

// isFabric reports EtherTypes of what fabric reads.
func isFabric(etherType uint16) bool {
	switch etherType {
	case EtherTypeTRILL, EtherTypeFabricPath, EtherTypeMACsec, EtherTypeNSH:
		return true
	}
	return false
}

// fabric reads the header of a fabric between a frame's EtherType and what it carries.
func (d *dissector) fabric() next {
	b := d.b
	if len(b) < 4 {
		return d.short()
	}
	length, follows := 0, ethernet
	switch d.etherType {
	case EtherTypeTRILL: // RFC 6325 section 3.1: the length of options in words, in five bits behind five others; two nicknames
		length = 6 + int(binary.BigEndian.Uint16(b)>>6&0x1f)*4
	case EtherTypeFabricPath: // a tree's number, and hops to go
		length = 2
	case EtherTypeMACsec: // IEEE 802.1AE clause 9
		const hasChannel, encrypted, changed = 0x20, 0x08, 0x04
		if b[0]&(encrypted|changed) != 0 {
			return nothing
		}
		if length = 6; b[0]&hasChannel != 0 {
			length = 14
		}
		if len(b) < length+2 {
			return d.short()
		}
		d.etherType = binary.BigEndian.Uint16(b[length:])
		d.take(flow.LayerCustom, length+2)
		return d.typed()
	case EtherTypeNSH: // RFC 8300 section 2.2
		length = int(b[1]&0x3f) * 4
		if follows = behindNSH(b[3]); follows == nothing || length < 8 {
			return nothing
		}
	}
	if len(b) < length {
		return d.short()
	}
	d.take(flow.LayerCustom, length)
	return follows
}

// behindNSH is what a next protocol of RFC 8300 is.
func behindNSH(protocol byte) next {
	switch protocol {
	case 1:
		return ipv4
	case 2:
		return ipv6
	case 3:
		return ethernet
	case 5:
		return mpls
	}
	return nothing
}

// mplsPayload tells what follows a label stack, which does not say so: IP by its first four bits, or a frame of a pseudowire where one
// fits. Where nothing does, nothing is read.
func (d *dissector) mplsPayload() next {
	if len(d.b) == 0 {
		return nothing
	}
	if frame, ok := Pseudowire(d.b); ok {
		if control := len(d.b) - len(frame); control > 0 {
			d.take(flow.LayerCustom, control)
		}
		return ethernet
	}
	switch d.b[0] >> 4 {
	case 4:
		d.etherType = EtherTypeIPv4
	case 6:
		d.etherType = EtherTypeIPv6
	default:
		return nothing
	}
	return d.announced()
}

// controlWord is how many bytes are between labels and frame where both ends of a pseudowire agreed on them (RFC 4448 section 4.6): four zero
// bits, twelve that are reserved and to be ignored, and a sequence number.
const controlWord = 4

// Pseudowire returns the Ethernet frame that b, which follows a label stack, holds, with or without a control word before it. Nothing
// in the packet says that there is one: it is one where it carries IP, ARP or PPPoE and their first bytes fit.
func Pseudowire(b []byte) (frame []byte, ok bool) {
	if fitsIP(b) {
		return nil, false
	}
	follows := len(b) > controlWord && b[0]>>4 == 0 && fitsFrame(b[controlWord:])
	// What is reserved is zero nearly always, and then a word before the frame is likelier than an address that begins so.
	if follows && (binary.BigEndian.Uint16(b) == 0 || !fitsFrame(b)) {
		return b[controlWord:], true
	}
	return b, fitsFrame(b)
}

// fitsFrame reports whether b begins with an Ethernet header, and at most two tags, before something that is what its EtherType says.
func fitsFrame(b []byte) bool {
	const header, tags = 14, 2
	n := header
	for range 1 + tags {
		if n+2 > len(b) {
			return false
		}
		switch etherType := binary.BigEndian.Uint16(b[n-2:]); {
		case TagLength(etherType) != 0:
			n += TagLength(etherType) + 2
			continue
		case etherType == EtherTypeIPv4:
			return b[n]>>4 == 4 && b[n]&0x0f >= 5
		case etherType == EtherTypeIPv6:
			return b[n]>>4 == 6
		case etherType == EtherTypeARP:
			return binary.BigEndian.Uint16(b[n:]) == 1 // over Ethernet (RFC 826)
		case etherType == EtherTypePPPoE:
			const versionAndType = 0x1100 // and the code of a session (RFC 2516 section 4)
			return binary.BigEndian.Uint16(b[n:]) == versionAndType
		}
		return false
	}
	return false
}
