package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Flags of L2TP's header (RFC 2661 section 3.1), and those that are none.
const (
	l2tpControl  = 0x8000
	l2tpLength   = 0x4000
	l2tpSequence = 0x0800
	l2tpOffset   = 0x0200
	l2tpReserved = 0x34f0
	l2tpVersion  = 0x000f
)

// isL2TP reports whether b begins with the header of a packet of L2TP's version 2 that carries a frame of PPP.
func isL2TP(b []byte) bool {
	const second = 2
	return len(b) >= 2 && binary.BigEndian.Uint16(b)&(l2tpControl|l2tpReserved|l2tpVersion) == second
}

// l2tp reads the header: flags, a length, tunnel and session, sequence numbers, an offset.
func (d *dissector) l2tp() next {
	flags := binary.BigEndian.Uint16(d.b)
	length := 6
	if flags&l2tpLength != 0 {
		length += 2
	}
	if flags&l2tpSequence != 0 {
		length += 4
	}
	if flags&l2tpOffset != 0 {
		if len(d.b) < length+2 {
			return d.short()
		}
		length += 2 + int(binary.BigEndian.Uint16(d.b[length:]))
	}
	if len(d.b) < length {
		return d.short()
	}
	d.take(flow.LayerCustom, length)
	if len(d.b) == 0 {
		return nothing
	}
	d.enter()
	return ppp
}

// etherIP reads RFC 3378 section 3: version 3, and nothing else before a frame.
func (d *dissector) etherIP() next {
	const length, version = 2, 0x3000
	if len(d.b) < length {
		return d.short()
	}
	if binary.BigEndian.Uint16(d.b) != version {
		return nothing
	}
	d.take(flow.LayerCustom, length)
	d.enter()
	return ethernet
}
