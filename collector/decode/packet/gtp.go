package packet

import "github.com/flowfleet/flowfleet/collector/flow"

// Of the header of GTP's user plane (3GPP TS 29.281 section 5.1): version 1 and its protocol type, the message that carries a packet, and
// the flags of what follows the first eight bytes.
const (
	gtpVersion    = 0x30
	gtpPacket     = 255
	gtpOptions    = 0x07 // any of extensions, sequence number, N-PDU number
	gtpExtensions = 0x04
)

func isGTP(b []byte) bool {
	return len(b) >= 2 && b[0]&0xf0 == gtpVersion && b[1] == gtpPacket
}

// gtp reads the header and its extensions (section 5.2.1); what it carries says by its first bits what it is.
func (d *dissector) gtp() next {
	const head, options = 8, 4
	length := head
	if d.b[0]&gtpOptions != 0 {
		length += options
	}
	if length > len(d.b) {
		return d.short()
	}
	if d.b[0]&gtpExtensions != 0 {
		for d.b[length-1] != 0 { // the type of the next extension, which begins with its length in words of four bytes
			if length >= len(d.b) {
				return d.short()
			}
			words := int(d.b[length])
			if words == 0 {
				return nothing
			}
			if length += 4 * words; length > len(d.b) {
				return d.short()
			}
		}
	}
	d.take(flow.LayerCustom, length)
	if len(d.b) == 0 {
		return d.short()
	}
	switch d.b[0] >> 4 {
	case 4:
		d.enter()
		return ipv4
	case 6:
		d.enter()
		return ipv6
	}
	return nothing
}
