package packet

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/flow"
)

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func ether(etherType uint16) []byte {
	return join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(etherType))
}

// ip4 is a header from 10.0.0.n to 10.0.1.n.
func ip4(n, proto byte, fragment uint16, options ...byte) []byte {
	return join([]byte{0x45 + byte(len(options)/4), 0x20, 0, 100}, u16(777, fragment), []byte{60, proto, 0, 0, 10, 0, 0, n, 10, 0, 1, n}, options)
}

func ip6(n, next byte) []byte {
	b := make([]byte, 40)
	b[0], b[1], b[3], b[6], b[7] = 0x62, 0x01, 0x09, next, 50
	b[8], b[23], b[24], b[39] = 0x20, n, 0x20, n+1
	return b
}

func tcp(from, to uint16, options int) []byte {
	b := join(u16(from, to), make([]byte, 8), []byte{byte(5+options/4) << 4, 0x12}, make([]byte, 6+options))
	return b
}

func udp(from, to uint16) []byte { return u16(from, to, 100, 0) }

func dissect(p Protocol, b []byte, o Options) (*flow.Record, Result) {
	r := &flow.Record{}
	return r, Dissect(r, p, b, o)
}

func TestLayers(t *testing.T) {
	vxlan := []byte{8, 0, 0, 0, 0, 0, 5, 0}
	segment := make([]byte, 16)
	segment[0], segment[15] = 0x20, 9
	for _, test := range []struct {
		name     string
		packet   []byte
		inner    bool
		layers   []flow.Layer
		sizes    []uint32
		source   string
		from, to uint32
		check    func(r *flow.Record) bool
	}{
		{"TCP with options", join(ether(0x800), ip4(1, 6, 0x4000), tcp(443, 5000, 12)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv4, flow.LayerTCP}, []uint32{14, 20, 32}, "10.0.0.1", 443, 5000,
			func(r *flow.Record) bool {
				return r.TCPFlags == 0x12 && r.IPTOS == 0x20 && r.IPTTL == 60 && r.FragmentID == 777 && r.IPFlags == 2 &&
					r.SrcMAC == 0x020000000002 && r.DstMAC == 0x020000000001 && r.EType == 0x800
			}},
		{"IPv4 options", join(ether(0x800), ip4(1, 17, 0, make([]byte, 8)...), udp(53, 53)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{14, 28, 8}, "10.0.0.1", 53, 53, nil},
		{"a later fragment has no ports", join(ether(0x800), ip4(1, 17, 185), udp(53, 53)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv4}, []uint32{14, 20}, "10.0.0.1", 0, 0,
			func(r *flow.Record) bool { return r.FragmentOffset == 185 && r.Proto == 17 }},
		{"two VLAN tags", join(ether(0x88a8), u16(0x2000|100, 0x8100, 200, 0x800), ip4(1, 17, 0), udp(1, 2)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerDot1Q, flow.LayerDot1Q, flow.LayerIPv4, flow.LayerUDP}, []uint32{14, 4, 4, 20, 8},
			"10.0.0.1", 1, 2, func(r *flow.Record) bool { return r.VLANID == 100 && r.EType == 0x800 }},
		{"MPLS", join(ether(0x8847), []byte{0, 1, 0, 9, 0, 2, 1, 8}, ip4(1, 17, 0), udp(1, 2)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerMPLS, flow.LayerIPv4, flow.LayerUDP}, []uint32{14, 8, 20, 8}, "10.0.0.1", 1, 2,
			func(r *flow.Record) bool {
				return len(r.MPLSLabel) == 2 && r.MPLSLabel[0] == 16 && r.MPLSLabel[1] == 32 && r.MPLSTTL[1] == 8
			}},
		{"IPv6 with extension headers", join(ether(0x86dd), ip6(1, 0), []byte{60, 0, 0, 0, 0, 0, 0, 0}, []byte{6, 1}, make([]byte, 14),
			tcp(80, 81, 0)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv6, flow.LayerCustom, flow.LayerCustom, flow.LayerTCP}, []uint32{14, 40, 8, 16, 20},
			"2000::1", 80, 81, func(r *flow.Record) bool {
				return r.Proto == 6 && r.IPv6FlowLabel == 0x10009 && r.IPTOS == 0x20 && r.IPTTL == 50
			}},
		{"AH behind IPv6 is of its chain", join(ip6(1, 51), []byte{17, 4}, make([]byte, 22), udp(1, 2)), false,
			[]flow.Layer{flow.LayerIPv6, flow.LayerCustom, flow.LayerUDP}, []uint32{40, 24, 8}, "2000::1", 1, 2, func(r *flow.Record) bool { return r.Proto == 17 }},
		{"AH behind IPv4 is what its header says", join(ip4(1, 51, 0), []byte{17, 4}, make([]byte, 22), udp(1, 2)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerCustom, flow.LayerUDP}, []uint32{20, 24, 8}, "10.0.0.1", 1, 2, func(r *flow.Record) bool { return r.Proto == 51 }},
		{"segment routing", join(ip6(1, 43), []byte{17, 2, 4, 1, 0, 0, 0, 0}, segment, udp(1, 2)), false,
			[]flow.Layer{flow.LayerIPv6, flow.LayerIPv6HeaderRouting, flow.LayerUDP}, []uint32{40, 24, 8}, "2000::1", 1, 2,
			func(r *flow.Record) bool {
				return r.IPv6RoutingHeaderSegLeft == 1 && len(r.IPv6RoutingHeaderAddresses) == 1 &&
					r.IPv6RoutingHeaderAddresses[0].Addr().String() == "2000::9"
			}},
		{"IPv6 fragment", join(ip6(1, 44), []byte{17, 0}, u16(0x0199, 0, 66), udp(1, 2)), false,
			[]flow.Layer{flow.LayerIPv6, flow.LayerIPv6HeaderFragment}, []uint32{40, 8}, "2000::1", 0, 0,
			func(r *flow.Record) bool { return r.FragmentID == 66 && r.FragmentOffset == 51 && r.IPFlags == 1 }},
		{"ICMP", join(ether(0x800), ip4(1, 1, 0), []byte{3, 1, 0, 0, 0, 0, 0, 0}), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv4, flow.LayerICMP}, []uint32{14, 20, 8}, "10.0.0.1", 0, 0,
			func(r *flow.Record) bool { return r.ICMPType == 3 && r.ICMPCode == 1 }},
		{"GRE with a key, outer", join(ip4(1, 47, 0), u16(0x2000, 0x800, 0, 5), ip4(2, 6, 0), tcp(1, 2, 0)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerIPv4, flow.LayerTCP}, []uint32{20, 8, 20, 20}, "10.0.0.1", 0, 0,
			func(r *flow.Record) bool { return r.Proto == 47 }},
		{"GRE with a key, inner", join(ip4(1, 47, 0), u16(0x2000, 0x800, 0, 5), ip4(2, 6, 0), tcp(1, 2, 0)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerIPv4, flow.LayerTCP}, []uint32{20, 8, 20, 20}, "10.0.0.2", 1, 2,
			func(r *flow.Record) bool { return r.Proto == 6 }},
		{"VXLAN, outer", join(ip4(1, 17, 0), udp(4000, 4789), vxlan, ether(0x86dd), ip6(1, 17), udp(7, 8)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv6, flow.LayerUDP},
			[]uint32{20, 8, 8, 14, 40, 8}, "10.0.0.1", 4000, 4789, func(r *flow.Record) bool { return r.SrcMAC == 0 }},
		{"VXLAN, inner", join(ip4(1, 17, 0), udp(4000, 4789), vxlan, ether(0x86dd), ip6(1, 17), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv6, flow.LayerUDP},
			[]uint32{20, 8, 8, 14, 40, 8}, "2000::1", 7, 8, func(r *flow.Record) bool { return r.SrcMAC != 0 && r.FragmentID == 0 }},
		{"GTP, outer", join(ip4(1, 17, 0), udp(2152, 2152), []byte{0x30, 255, 0, 60, 0, 0, 0, 7}, ip4(2, 6, 0), tcp(1, 2, 0)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerIPv4, flow.LayerTCP}, []uint32{20, 8, 8, 20, 20},
			"10.0.0.1", 2152, 2152, func(r *flow.Record) bool { return r.Proto == 17 && r.TCPFlags == 0 }},
		{"GTP, inner, with a session container of 5G", join(ip4(1, 17, 0), udp(2152, 2152), []byte{0x34, 255, 0, 68, 0, 0, 0, 7, 0, 0, 0, 0x85, 1, 0x10, 9, 0},
			ip6(1, 17), udp(7, 8)), true, []flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerIPv6, flow.LayerUDP},
			[]uint32{20, 8, 16, 40, 8}, "2000::1", 7, 8, func(r *flow.Record) bool { return r.Proto == 17 && r.EType == EtherTypeIPv6 }},
		{"GTP, inner, with a sequence number", join(ip4(1, 17, 0), udp(2152, 2152), []byte{0x32, 255, 0, 44, 0, 0, 0, 7, 0, 1, 0, 0}, ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 8, 12, 20, 8}, "10.0.0.2", 7, 8, nil},
		{"GTP, an echo of the path", join(ip4(1, 17, 0), udp(2152, 2152), []byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0}), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 8}, "10.0.0.1", 2152, 2152, nil},
		{"PPTP, outer", join(ip4(1, 47, 0), u16(0x3081, 0x880b, 44, 7, 0, 1, 0, 1), []byte{0xff, 3, 0, 0x21}, ip4(2, 6, 0), tcp(1, 2, 0)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerCustom, flow.LayerIPv4, flow.LayerTCP}, []uint32{20, 16, 4, 20, 20}, "10.0.0.1", 0, 0,
			func(r *flow.Record) bool { return r.Proto == 47 && r.EType == EtherTypeIPv4 }},
		{"PPTP, inner, without an acknowledgement", join(ip4(1, 47, 0), u16(0x3001, 0x880b, 44, 7, 0, 1), []byte{0x21}, ip4(2, 6, 0), tcp(1, 2, 0)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerCustom, flow.LayerIPv4, flow.LayerTCP}, []uint32{20, 12, 1, 20, 20}, "10.0.0.2", 1, 2, nil},
		{"PPTP, an acknowledgement alone", join(ip4(1, 47, 0), u16(0x2081, 0x880b, 0, 7, 0, 1)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE}, []uint32{20, 12}, "10.0.0.1", 0, 0, nil},
		{"PPTP, encrypted", join(ip4(1, 47, 0), u16(0x3001, 0x880b, 44, 7, 0, 1), []byte{0, 0xfd, 0x90, 1}), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE}, []uint32{20, 12}, "10.0.0.1", 0, 0, nil},
		{"L2TP, inner", join(ip4(1, 17, 0), udp(1701, 1701), u16(2, 1, 2), []byte{0xff, 3, 0, 0x57}, ip6(1, 17), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerCustom, flow.LayerIPv6, flow.LayerUDP}, []uint32{20, 8, 6, 4, 40, 8},
			"2000::1", 7, 8, nil},
		{"L2TP, inner, with all that its header can have", join(ip4(1, 17, 0), udp(50000, 1701), u16(0x4a02, 60, 1, 2, 3, 4, 2, 0xffff),
			[]byte{0, 0x21}, ip4(2, 17, 0), udp(7, 8)), true, []flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerCustom, flow.LayerCustom, flow.LayerIPv4,
			flow.LayerUDP}, []uint32{20, 8, 16, 2, 20, 8}, "10.0.0.2", 7, 8, nil},
		{"L2TP, about the tunnel", join(ip4(1, 17, 0), udp(1701, 1701), u16(0xc802, 12, 1, 0, 0, 1)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 8}, "10.0.0.1", 1701, 1701, nil},
		{"EtherIP, outer", join(ip4(1, 97, 0), u16(0x3000), ether(0x800), ip4(2, 17, 0), udp(7, 8)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 2, 14, 20, 8}, "10.0.0.1", 0, 0,
			func(r *flow.Record) bool { return r.Proto == 97 && r.SrcMAC == 0 }},
		{"EtherIP, inner", join(ip4(1, 97, 0), u16(0x3000), ether(0x800), ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 2, 14, 20, 8}, "10.0.0.2", 7, 8,
			func(r *flow.Record) bool { return r.SrcMAC != 0 }},
		{"SRv6 with a frame, outer", join(ip6(1, 143), ether(0x800), ip4(2, 17, 0), udp(7, 8)), false,
			[]flow.Layer{flow.LayerIPv6, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{40, 14, 20, 8}, "2000::1", 0, 0,
			func(r *flow.Record) bool { return r.Proto == 143 && r.SrcMAC == 0 }},
		{"SRv6 with a frame behind its segments, inner", join(ip6(1, 43), []byte{143, 2, 4, 1, 0, 0, 0, 0}, segment, ether(0x800), ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv6, flow.LayerIPv6HeaderRouting, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{40, 24, 14, 20, 8},
			"10.0.0.2", 7, 8, func(r *flow.Record) bool { return r.SrcMAC != 0 && r.Proto == 17 }},
		{"MPLS in UDP, inner", join(ip4(1, 17, 0), udp(50000, 6635), []byte{0x03, 0xe8, 0x11, 64}, ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerUDP, flow.LayerMPLS, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 8, 4, 20, 8}, "10.0.0.2", 7, 8, nil},
		{"ERSPAN of type I, inner", join(ip4(1, 47, 0), u16(0, 0x88be), ether(0x800), ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 4, 14, 20, 8}, "10.0.0.2", 7, 8,
			func(r *flow.Record) bool { return r.SrcMAC != 0 }},
		{"ERSPAN of type II, outer", join(ip4(1, 47, 0), u16(0x1000, 0x88be, 0, 1), u16(0x1064, 1, 0, 0), ether(0x800), ip4(2, 17, 0), udp(7, 8)), false,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP},
			[]uint32{20, 8, 8, 14, 20, 8}, "10.0.0.1", 0, 0, func(r *flow.Record) bool { return r.SrcMAC == 0 && r.Proto == 47 }},
		{"ERSPAN of type III, inner", join(ip4(1, 47, 0), u16(0x1000, 0x22eb, 0, 1), u16(0x2064, 1, 0, 0, 0, 1, 0, 0, 0, 0), ether(0x800), ip4(2, 17, 0), udp(7, 8)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerGRE, flow.LayerCustom, flow.LayerEthernet, flow.LayerIPv4, flow.LayerUDP},
			[]uint32{20, 8, 20, 14, 20, 8}, "10.0.0.2", 7, 8, nil},
		{"SCTP", join(ether(0x800), ip4(1, 132, 0), u16(2905, 2906), make([]byte, 8)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerIPv4, flow.LayerCustom}, []uint32{14, 20, 12}, "10.0.0.1", 2905, 2906,
			func(r *flow.Record) bool { return r.Proto == 132 }},
		{"IEEE 802.3 with SNAP", join(ether(100), []byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(0x800), ip4(1, 17, 0), udp(1, 2)), false,
			[]flow.Layer{flow.LayerEthernet, flow.LayerCustom, flow.LayerIPv4, flow.LayerUDP}, []uint32{14, 8, 20, 8}, "10.0.0.1", 1, 2,
			func(r *flow.Record) bool { return r.EType == 0x800 }},
		{"IP in IP, inner", join(ip4(1, 4, 0), ip4(2, 17, 0), udp(1, 2)), true,
			[]flow.Layer{flow.LayerIPv4, flow.LayerIPv4, flow.LayerUDP}, []uint32{20, 20, 8}, "10.0.0.2", 1, 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			protocol := ProtocolEthernet
			if test.packet[0]>>4 >= 4 {
				protocol = ProtocolIP
			}
			r, result := dissect(protocol, test.packet, Options{Inner: test.inner})
			if result != Complete {
				t.Errorf("the result is %d", result)
			}
			if diff := cmp.Diff(test.layers, r.LayerStack); diff != "" {
				t.Errorf("layers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.sizes, r.LayerSize); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
			if r.SrcAddr.Addr().String() != test.source || r.SrcPort != test.from || r.DstPort != test.to {
				t.Errorf("%s, ports %d and %d", r.SrcAddr.Addr(), r.SrcPort, r.DstPort)
			}
			if test.check != nil && !test.check(r) {
				t.Errorf("%+v", r)
			}
			// Cut anywhere, it is read up to there.
			for n := range test.packet {
				if cut, _ := dissect(protocol, test.packet[:n:n], Options{Inner: test.inner}); len(cut.LayerStack) > len(r.LayerStack) {
					t.Errorf("%d bytes of it have more layers", n)
				}
			}
		})
	}
}

func TestALengthIsNoEtherType(t *testing.T) {
	for _, frame := range [][]byte{
		join(ether(38), []byte{0x42, 0x42, 3}, make([]byte, 35)), // spanning tree
		join(ether(0x8100), u16(7, 38), []byte{0x42, 0x42, 3}, make([]byte, 35)),
	} {
		if r, result := dissect(ProtocolEthernet, frame, Options{}); r.EType != 0 || result != Complete {
			t.Errorf("EtherType %#x, result %d", r.EType, result)
		}
	}
}

// What is named IPv4 or IPv6 and is the other is read as what it is; what is neither is left alone.
func TestAHeaderOfIPIsOneByItsVersion(t *testing.T) {
	v4, v6 := join(ip4(1, 17, 0), udp(1, 2)), join(ip6(1, 17), udp(1, 2))
	other := join([]byte{0x15}, v4[1:])
	for _, test := range []struct {
		name     string
		protocol Protocol
		packet   []byte
		source   string
		etype    uint32
	}{
		{"IPv6 that is named IPv4", ProtocolIPv4, v6, "2000::1", 0x86dd},
		{"IPv4 that is named IPv6", ProtocolIPv6, v4, "10.0.0.1", 0x800},
		{"another version", ProtocolIPv4, other, "invalid IP", 0},
		{"another version in a frame", ProtocolEthernet, join(ether(0x800), other), "invalid IP", 0x800},
		{"IPv6 behind the EtherType of IPv4", ProtocolEthernet, join(ether(0x800), v6), "invalid IP", 0x800},
		{"IPv4 behind the EtherType of IPv6", ProtocolEthernet, join(ether(0x86dd), v4, make([]byte, 20)), "invalid IP", 0x86dd},
	} {
		if r, _ := dissect(test.protocol, test.packet, Options{}); r.SrcAddr.Addr().String() != test.source || r.EType != test.etype {
			t.Errorf("%s: %s, EtherType %#x", test.name, r.SrcAddr.Addr(), r.EType)
		}
	}
}

// IEEE 802.1Q table 9-2: 0 tells the priority only, and 4095 is reserved.
func TestATagWithoutAVLANIsNone(t *testing.T) {
	for _, test := range []struct{ outer, inner, want uint16 }{{0, 7, 7}, {0xffff, 7, 7}, {0x0fff, 0xffff, 0}, {4094, 7, 4094}} {
		r, _ := dissect(ProtocolEthernet, join(ether(0x9100), u16(test.outer, 0x8100, test.inner, 0x800), ip4(1, 17, 0), udp(1, 2)), Options{})
		if r.VLANID != uint32(test.want) || r.DstPort != 2 {
			t.Errorf("%#x and %#x: VLAN %d", test.outer, test.inner, r.VLANID)
		}
	}
}

func TestTheSegmentsAreThoseOfThePacketThatCounts(t *testing.T) {
	routing := func(next, left, n byte) []byte {
		return join([]byte{next, 2, 4, left, 0, 0, 0, 0, 0x20}, make([]byte, 14), []byte{n})
	}
	packet := join(ip6(1, 43), routing(41, 1, 8), ip6(3, 43), routing(17, 2, 9), udp(1, 2))
	for _, test := range []struct {
		inner   bool
		segment string
		left    uint32
	}{{false, "2000::8", 1}, {true, "2000::9", 2}} {
		r, _ := dissect(ProtocolIP, packet, Options{Inner: test.inner})
		if got := r.IPv6RoutingHeaderAddresses; len(got) != 1 || got[0].Addr().String() != test.segment || r.IPv6RoutingHeaderSegLeft != test.left {
			t.Errorf("inner %v: %v, %d left", test.inner, got, r.IPv6RoutingHeaderSegLeft)
		}
	}
}

// A header's type, addresses and ports are those of one packet: of that inside a tunnel where the sample has its header, else of the carrier.
func TestASampleThatEndsInsideATunnelIsNoMixtureOfTwoPackets(t *testing.T) {
	vxlan := join(ether(0x800), ip4(1, 17, 0), udp(50000, PortVXLAN), u16(0x0800, 0, 0, 0x100))
	guest := []byte{2, 0, 0, 0, 0, 0xa, 2, 0, 0, 0, 0, 0xb}
	for name, packet := range map[string][]byte{
		"IPv6 in VXLAN":             join(vxlan, guest, u16(0x86dd), ip6(2, 17), udp(7, 8)),
		"IPv4 behind tags in VXLAN": join(vxlan, guest, u16(0x8100, 5, 0x800), ip4(2, 17, 0), udp(7, 8)),
		"IPv6 in GRE":               join(ether(0x800), ip4(1, 47, 0), u16(0, 0x86dd), ip6(2, 17), udp(7, 8)),
		"IPv6 in L2TP":              join(ether(0x800), ip4(1, 17, 0), udp(50000, 1701), u16(0x0002, 1, 1, 0x57), ip6(2, 17), udp(7, 8)),
	} {
		whole, _ := dissect(ProtocolEthernet, packet, Options{Inner: true})
		outer, _ := dissect(ProtocolEthernet, packet, Options{})
		if whole.DstPort != 8 || outer.SrcAddr.Addr().String() != "10.0.0.1" {
			t.Errorf("%s: from %s, port %d", name, outer.SrcAddr.Addr(), whole.DstPort)
		}
		for n := 14 + 20 + 8; n < len(packet); n++ {
			r, _ := dissect(ProtocolEthernet, packet[:n:n], Options{Inner: true})
			level := outer
			if r.SrcAddr == whole.SrcAddr {
				level = whole
			}
			if r.EType != level.EType || r.SrcAddr != level.SrcAddr || r.SrcMAC != level.SrcMAC || r.Proto != level.Proto ||
				r.VLANID != level.VLANID {
				t.Errorf("%s, %d bytes: type %x, from %s, MAC %x, protocol %d", name, n, r.EType, r.SrcAddr.Addr(), r.SrcMAC, r.Proto)
			}
		}
	}
	for name, frame := range map[string][]byte{"ARP": join(guest, u16(0x806), make([]byte, 28)), "spanning tree": join(guest, u16(38, 0x4242), make([]byte, 36))} {
		r, _ := dissect(ProtocolEthernet, join(vxlan, frame), Options{Inner: true})
		want := uint32(0)
		if name == "ARP" {
			want = EtherTypeARP
		}
		if r.SrcMAC != mac(guest[6:]) || r.EType != want || r.SrcAddr.Len() != 0 || r.DstAddr.Len() != 0 || r.Proto != 0 || r.DstPort != 0 || r.IPTTL != 0 {
			t.Errorf("%s: MAC %x, type %x, from %s, protocol %d", name, r.SrcMAC, r.EType, r.SrcAddr.Addr(), r.Proto)
		}
	}
}

func TestPPP(t *testing.T) {
	for _, head := range [][]byte{{0, 0x21}, {0xff, 3, 0, 0x21}, {0xff, 3, 2, 0x81, 0, 1, 1, 9}} {
		for _, protocol := range []Protocol{ProtocolPPP, ProtocolPOS} {
			r, result := dissect(protocol, join(head, ip4(1, 17, 0), udp(1, 2)), Options{})
			if result != Complete || r.EType != 0x800 || r.SrcAddr.Addr().String() != "10.0.0.1" || r.DstPort != 2 {
				t.Errorf("%x: result %d, %+v", head, result, r)
			}
		}
	}
	if r, _ := dissect(ProtocolPPP, []byte{0xc0, 0x21, 1, 1}, Options{}); len(r.LayerStack) != 0 { // LCP
		t.Errorf("layers are %v", r.LayerStack)
	}
}

// Accurate ECN has a ninth flag (RFC 9768), beside the length of the header.
func TestTCPHasTwelveFlags(t *testing.T) {
	b := join(ip4(1, 6, 0), tcp(1000, 80, 0))
	binary.BigEndian.PutUint16(b[20+12:], 0x51c2)
	if r, _ := dissect(ProtocolIPv4, b, Options{}); r.TCPFlags != 0x1c2 || r.DstPort != 80 {
		t.Errorf("flags %#x, port %d", r.TCPFlags, r.DstPort)
	}
}

func TestASampleThatEndsWithinALayerIsTruncated(t *testing.T) {
	whole := join(ether(0x800), ip4(1, 6, 0), tcp(443, 5000, 0))
	for n := 1; n < len(whole); n++ {
		r, result := dissect(ProtocolEthernet, whole[:n:n], Options{})
		if result != Truncated {
			t.Errorf("%d bytes: the result is %d", n, result)
		}
		if n >= 38 && (r.SrcPort != 443 || r.DstPort != 5000) {
			t.Errorf("%d bytes: ports %d and %d", n, r.SrcPort, r.DstPort)
		}
	}
}

func FuzzDissect(f *testing.F) {
	f.Add(uint32(1), join(ether(0x8100), u16(5, 0x800), ip4(1, 17, 0), udp(1, 4789), make([]byte, 60)))
	f.Add(uint32(12), join(ip6(1, 43), []byte{41, 2, 4, 1, 0, 0, 0, 0}, make([]byte, 16), ip6(2, 17)))
	f.Add(uint32(13), []byte{0, 1, 1, 9, 0x45})
	f.Add(uint32(3), append([]byte{0x10, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 6}, make([]byte, 60)...))
	f.Add(uint32(15), append([]byte{0x88, 0x83}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, protocol uint32, b []byte) {
		for _, inner := range []bool{false, true} {
			r, _ := dissect(Protocol(protocol), b, Options{Inner: inner})
			total := uint32(0)
			for _, size := range r.LayerSize {
				total += size
			}
			if int(total) > len(b) || len(r.LayerStack) > flow.MaxLayers || len(r.LayerStack) != len(r.LayerSize) {
				t.Errorf("layers %v of %v bytes in %d", r.LayerStack, r.LayerSize, len(b))
			}
		}
	})
}
