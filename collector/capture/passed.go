package capture

import (
	"fmt"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// maxKinds bounds the kinds of frames that are told apart.
const maxKinds = 64

// pass counts a frame that carries nothing that is read here, by its kind.
func (r *Reader) pass(kind string) {
	if r.stats.Passed == nil {
		r.stats.Passed = make(map[string]int)
	}
	if _, known := r.stats.Passed[kind]; !known && len(r.stats.Passed) >= maxKinds {
		kind = "others"
	}
	r.stats.Passed[kind]++
}

// passEtherType counts a frame of an EtherType that is not read.
func (r *Reader) passEtherType(etherType uint16) {
	switch {
	case etherType == 0:
		r.pass("no protocol that is told")
	case etherType < 0x0600: // IEEE 802.3 clause 3.2.6
		r.pass("IEEE 802.3")
	case etherType == 0x0806:
		r.pass("ARP")
	case etherType == 0x88cc:
		r.pass("LLDP")
	case etherType == 0x8809:
		r.pass("slow protocols")
	default:
		r.pass(fmt.Sprintf("EtherType 0x%04x", etherType))
	}
}

// passProtocol counts a packet of an IP protocol that is not read.
func (r *Reader) passProtocol(protocol byte) {
	r.pass(fmt.Sprintf("%s (IP protocol %d)", flow.ProtocolName(uint32(protocol)), protocol))
}
