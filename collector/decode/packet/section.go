package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Section is a part of a sampled packet as IPFIX exports it (RFC 5477 section 8.5).
type Section uint8

// The sections.
const (
	// SectionFrame begins at the layer 2 frame: dataLinkFrameSection (315), layer2packetSectionData (104).
	SectionFrame Section = iota
	// SectionIPHeader begins at the IP header: ipHeaderPacketSection (313).
	SectionIPHeader
	// SectionIPPayload begins behind the IP header and its extension headers: ipPayloadPacketSection (314). It is read where
	// the record already says which protocol that is.
	SectionIPPayload
	// SectionMPLSLabels begins at the MPLS label stack, what it carries may follow: mplsLabelStackSection (316).
	SectionMPLSLabels
	// SectionMPLSPayload begins behind the label stack: mplsPayloadPacketSection (317).
	SectionMPLSPayload
	// SectionWireless begins at a frame of IEEE 802.11: dataLinkFrameSection (315) beside a dataLinkFrameType (408) of 2.
	SectionWireless
)

// DissectSection reads b, a section of a sampled packet, into r. offset is how many bytes of the packet lie between where the
// section's kind begins and b (sectionOffset, 409; layer2packetSectionOffset, 102): what begins in the middle of a header cannot be
// read, but a frame whose link layer was left out begins at IP, and says so by an IP header that fits.
//
// It returns Unsupported, with r as it was, where nothing can be told.
func DissectSection(r *flow.Record, s Section, offset uint64, b []byte, o Options) Result {
	switch s {
	case SectionFrame:
		if offset == 0 && !beginsAtIP(b) {
			return Dissect(r, ProtocolEthernet, b, o)
		}
		if offset == 0 || offset >= minLinkLayer && fitsIP(b) {
			return Dissect(r, ProtocolIP, b, o)
		}
	case SectionIPHeader:
		if offset == 0 {
			return Dissect(r, ProtocolIP, b, o)
		}
	case SectionIPPayload:
		if offset == 0 {
			return Dissect(r, protocolTransport, b, o)
		}
	case SectionMPLSLabels:
		// Label stack entries have 4 bytes each (RFC 3032 section 2.1): a section may begin at any of them.
		if offset%4 == 0 {
			return Dissect(r, ProtocolMPLS, b, o)
		}
	case SectionMPLSPayload:
		if offset == 0 {
			return Dissect(r, ProtocolMPLSPayload, b, o)
		}
	case SectionWireless:
		if offset == 0 {
			return Dissect(r, ProtocolWireless, b, o)
		}
	}
	return Unsupported
}

// minLinkLayer is the shortest header that a frame can have before IP: PPP's protocol (RFC 1661 section 2).
const minLinkLayer = 2

// beginsAtIP reports whether b, which should be an Ethernet frame, is an IP packet without one: some exporters leave the link layer
// out. Usual EtherTypes decide. Where a packet has its source address, a rare one is some network's: a header of
// IPv4 that fits is a packet's. That of IPv6 has little that could contradict.
func beginsAtIP(b []byte) bool {
	if len(b) >= 14 {
		switch etherType := binary.BigEndian.Uint16(b[12:]); {
		case isUsualFrame(etherType):
			return false
		case isFabric(etherType) || TagLength(etherType) != 0:
			return b[0]>>4 == 4 && fitsIP(b)
		}
	}
	return fitsIP(b)
}

// isUsualFrame reports EtherTypes that most frames have.
func isUsualFrame(etherType uint16) bool {
	switch etherType {
	case EtherTypeIPv4, EtherTypeIPv6, EtherTypeARP, EtherTypeMPLS, EtherTypeMPLSUp, EtherTypePPPoE, EtherTypeService:
		return true
	}
	return isVLAN(etherType)
}

// IsBareIP reports whether b, which should be an Ethernet frame, is an IP packet without one, whose length is one of two: some agents
// leave the link layer out and do not say so.
func IsBareIP(b []byte, length, other uint32) bool {
	return len(b) > 0 && b[0]>>4&^2 == 4 && isBareIP(b, length, other) // versions 4 and 6; few frames begin so
}

func isBareIP(b []byte, length, other uint32) bool {
	if !beginsAtIP(b) {
		return false
	}
	said := ipLength(b)
	return said == length || said == other
}

// ipLength is what the IP header at the front of b says of the packet's length; b fits one.
func ipLength(b []byte) uint32 {
	if b[0]>>4 == 4 {
		return uint32(binary.BigEndian.Uint16(b[2:]))
	}
	return 40 + uint32(binary.BigEndian.Uint16(b[4:]))
}

// fitsIP reports whether b begins with an IP header that nothing contradicts: lengths that hold what is here (RFC 791 section 3.1,
// RFC 8200 section 3), a packet that may still travel, and a protocol that is in use. Checksums say nothing: offloading leaves them
// empty, and who makes captures anonymous leaves them wrong.
func fitsIP(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		length, reserved := int(b[0]&0x0f)*4, byte(0x80)
		return length >= 20 && len(b) >= length && int(binary.BigEndian.Uint16(b[2:])) >= max(length, len(b)) &&
			b[6]&reserved == 0 && b[8] != 0 && isUsual(b[9])
	case 6:
		const length = 40
		return len(b) >= length && int(binary.BigEndian.Uint16(b[4:])) >= len(b)-length && b[7] != 0 && isUsual(b[6])
	}
	return false
}

// isUsual reports whether proto is what most packets carry.
func isUsual(proto byte) bool {
	switch proto {
	case protoHopByHop, protoICMP, protoIGMP, protoIPv4, protoTCP, protoUDP, protoIPv6, protoRouting, protoFragment, protoGRE, protoESP,
		protoAH, protoICMPv6, protoDestination, protoOSPF, protoSCTP:
		return true
	}
	return false
}
