package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// VXLANLength is the length of VXLAN's header (RFC 7348 section 5), and of its extension's (draft-ietf-nvo3-vxlan-gpe).
const VXLANLength = 8

// IsVXLAN reports whether b begins with VXLAN's header: the flag of a valid identifier, no others but those of group policies
// (draft-smith-vxlan-group-policy), and zeros where they are reserved.
func IsVXLAN(b []byte) bool {
	const valid, policy = 0x08, 0x80
	return len(b) >= VXLANLength && b[0]&^policy == valid && b[7] == 0 && (b[0]&policy != 0 || binary.BigEndian.Uint32(b)<<8 == 0)
}

func (d *dissector) vxlan() next {
	if len(d.b) < VXLANLength {
		return d.short()
	}
	d.take(flow.LayerCustom, VXLANLength)
	d.enter()
	return ethernet
}

// VXLANCarries returns the EtherType of what VXLAN's extension for other protocols carries, by the header that b begins with: Ethernet
// is EtherTypeBridging. It is 0 where that is not known.
func VXLANCarries(b []byte) uint16 {
	const version, protocolFollows = 0x30, 0x04
	switch {
	case len(b) < VXLANLength || b[0]&version != 0:
		return 0
	case b[0]&protocolFollows == 0:
		return EtherTypeBridging
	}
	switch b[3] {
	case 1:
		return EtherTypeIPv4
	case 2:
		return EtherTypeIPv6
	case 3:
		return EtherTypeBridging
	case 5:
		return EtherTypeMPLS
	}
	return 0
}

func (d *dissector) vxlanGPE() next {
	if len(d.b) < VXLANLength {
		return d.short()
	}
	d.etherType = VXLANCarries(d.b)
	d.take(flow.LayerCustom, VXLANLength)
	switch d.etherType {
	case 0:
		return nothing
	case EtherTypeBridging: // which enters by itself
	default:
		d.enter()
	}
	return etherType
}
