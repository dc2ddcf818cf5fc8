package packet

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// The hosts of ether() meet on every kind of link.
func TestLinks(t *testing.T) {
	to, from, other := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}, []byte{2, 0, 0, 0, 0, 9}
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}
	ip := join(ip4(1, protoTCP, 0), tcp(1000, 443, 0))
	sequence := []byte{0, 0}
	for _, test := range []struct {
		name     string
		protocol Protocol
		packet   []byte
		macs, ip bool
		result   Result
	}{
		{"token ring", ProtocolTokenRing, join([]byte{0x10, 0x40}, to, from, snap, ip), true, true, Complete},
		{"token ring with a route", ProtocolTokenRing, join([]byte{0x10, 0x40}, to, []byte{0x82}, from[1:], []byte{6, 0x30, 0, 0x11, 0, 0x20}, snap, ip), true, true, Complete},
		{"token ring, a route beyond the sample", ProtocolTokenRing, join([]byte{0x10, 0x40}, to, []byte{0x82}, from[1:], []byte{30, 0x30}), true, false, Truncated},
		{"token ring, its own management", ProtocolTokenRing, join([]byte{0x10, 0x00}, to, from, snap, ip), true, false, Complete},
		{"FDDI", ProtocolFDDI, join([]byte{0x50}, to, from, snap, ip), true, true, Complete},
		{"FDDI, station management", ProtocolFDDI, join([]byte{0x41}, to, from, snap, ip), true, false, Complete},
		{"FDDI, cut", ProtocolFDDI, join([]byte{0x50}, to, from[:3]), false, false, Truncated},
		{"802.11 between stations", ProtocolWireless, join([]byte{0x08, 0, 0, 0}, to, from, other, sequence, snap, ip), true, true, Complete},
		{"802.11 to the access point", ProtocolWireless, join([]byte{0x08, 1, 0, 0}, other, from, to, sequence, snap, ip), true, true, Complete},
		{"802.11 from the access point", ProtocolWireless, join([]byte{0x08, 2, 0, 0}, to, other, from, sequence, snap, ip), true, true, Complete},
		{"802.11 between access points", ProtocolWireless, join([]byte{0x08, 3, 0, 0}, other, other, to, sequence, from, snap, ip), true, true, Complete},
		{"802.11 with quality of service", ProtocolWireless, join([]byte{0x88, 1, 0, 0}, other, from, to, sequence, []byte{5, 0}, snap, ip), true, true, Complete},
		{"802.11 with high throughput", ProtocolWireless, join([]byte{0x88, 0x81, 0, 0}, other, from, to, sequence, []byte{5, 0, 0, 0, 0, 0}, snap, ip), true, true, Complete},
		{"802.11, several frames in one", ProtocolWireless, join([]byte{0x88, 1, 0, 0}, other, from, to, sequence, []byte{0x80, 0}, snap, ip), true, false, Complete},
		{"802.11, encrypted", ProtocolWireless, join([]byte{0x08, 0x41, 0, 0}, other, from, to, sequence, snap, ip), true, false, Complete},
		{"802.11 without data", ProtocolWireless, join([]byte{0x48, 1, 0, 0}, other, from, to, sequence), true, false, Complete},
		{"802.11, a beacon", ProtocolWireless, join([]byte{0x80, 0, 0, 0}, to, from, other, sequence, snap, ip), false, false, Unsupported},
		{"802.11, cut", ProtocolWireless, join([]byte{0x08, 3, 0, 0}, other, other, to, sequence), false, false, Truncated},
		{"802.11, one byte", ProtocolWireless, []byte{0x08}, false, false, Truncated},
		{"Cisco's HDLC", ProtocolPOS, join([]byte{0x0f, 0, 8, 0}, ip), false, true, Complete},
		{"Cisco's HDLC, multicast", ProtocolPPP, join([]byte{0x8f, 0, 8, 0}, ip), false, true, Complete},
		{"PPP, protocol compressed", ProtocolPPP, join([]byte{0x21}, ip), false, true, Complete},
		{"PPP, protocol compressed behind address and control", ProtocolPOS, join([]byte{0xff, 3, 0x21}, ip), false, true, Complete},
		{"PPP behind address and control", ProtocolPOS, join([]byte{0xff, 3, 0, 0x21}, ip), false, true, Complete},
		{"frame relay", ProtocolFrameRelay, join([]byte{0x18, 0x41, 3, 0xcc}, ip), false, true, Complete},
		{"frame relay, an address of four bytes and padding", ProtocolFrameRelay, join([]byte{0x18, 0x40, 0, 1, 3, 0, 0xcc}, ip), false, true, Complete},
		{"frame relay with an EtherType behind its number", ProtocolFrameRelay, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0}, ip), false, true, Complete},
		{"frame relay as Cisco's routers send it", ProtocolFrameRelay, join([]byte{0x18, 0x41, 8, 0}, ip), false, true, Complete},
		{"frame relay, its own management", ProtocolFrameRelay, join([]byte{0, 1, 3, 8}, ip), false, false, Complete},
		{"frame relay, an address without end", ProtocolFrameRelay, []byte{0, 0, 0, 0, 0}, false, false, Truncated},
		{"frame relay, cut", ProtocolFrameRelay, []byte{0x18, 0x41, 3, 0x80, 0, 0, 0}, false, false, Truncated},
		{"ATM with a logical link", ProtocolAAL5, join(snap, ip), false, true, Complete},
		{"ATM with IP", ProtocolAAL5IP, ip, false, true, Complete},
		{"a subframe of 802.11", ProtocolSubframe, join(to, from, []byte{0, 60}, snap, ip), true, true, Complete},
		{"one of several frames of 802.11", ProtocolAggregate, join([]byte{0, 0x50, 0x12, 'N', 0x08, 1, 0, 0}, other, from, to, sequence, snap, ip), true, true, Complete},
		{"the same without a delimiter", ProtocolAggregate, join([]byte{0x08, 1, 0, 0}, other, from, to, sequence, snap, ip), true, true, Complete},
		{"the same, cut", ProtocolAggregate, []byte{0, 0x50, 0x12}, false, false, Truncated},
		{"a frame over ATM", ProtocolAAL5, join([]byte{0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0}, to, from, []byte{8, 0}, ip), true, true, Complete},
		{"a frame over frame relay", ProtocolFrameRelay, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7}, to, from, []byte{8, 0}, ip), true, true, Complete},
		{"an organization's protocol over frame relay", ProtocolFrameRelay, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0x0c, 8, 0}, ip), false, false, Complete},
		{"Cisco's HDLC, cut", ProtocolPPP, []byte{0x0f, 0, 8}, false, false, Truncated},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, result := dissect(test.protocol, test.packet, Options{})
			var wantFrom, wantTo uint64
			if test.macs {
				wantTo, wantFrom = mac(to), mac(from)
			}
			var want flow.Record
			if test.ip {
				want.EType, want.Proto, want.SrcPort, want.DstPort = EtherTypeIPv4, protoTCP, 1000, 443
			}
			if result != test.result || r.SrcMAC != wantFrom || r.DstMAC != wantTo || r.EType != want.EType || r.Proto != want.Proto ||
				r.SrcPort != want.SrcPort || r.DstPort != want.DstPort {
				t.Errorf("result %d, MACs %x -> %x, etype %#x, proto %d, ports %d -> %d", result, r.SrcMAC, r.DstMAC, r.EType, r.Proto,
					r.SrcPort, r.DstPort)
			}
		})
	}
}
