package packet

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// customer is a frame between other MAC addresses than ether's.
func customer(etherType uint16, payload ...byte) []byte {
	return join([]byte{6, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 2}, u16(etherType), payload)
}

// What carries frames without an IP header of its own leaves the flow the addresses of the packet and the MAC addresses of the carrier.
func TestFramesThatAreCarriedWithoutIPAreTheFlows(t *testing.T) {
	ip := join(ip4(1, 17, 0), udp(1, 2))
	label := []byte{0x03, 0xe8, 0x11, 64}
	word := []byte{0, 0, 0, 9}
	tci := []byte{0, 0, 5, 0}
	arp := join(u16(1, 0x800), []byte{6, 4}, u16(1), make([]byte, 20))
	for _, test := range []struct {
		name   string
		packet []byte
		etype  uint32
		vlan   uint32
		layers int
	}{
		{"MAC-in-MAC", join(ether(0x88a8), u16(100, 0x88e7), tci, customer(0x800, ip...)), 0x800, 100, 6},
		{"MAC-in-MAC without a backbone's VLAN", join(ether(0x88e7), tci, customer(0x8100), u16(7, 0x800), ip), 0x800, 7, 6},
		{"MAC-in-MAC, cut within the tag", join(ether(0x88e7), tci[:3]), 0x88e7, 0, 1},
		{"QinQ of old, twice", join(ether(0x9200), u16(5, 0x9300), u16(6, 0x800), ip), 0x800, 5, 5},
		{"VN-Tag", join(ether(0x8926), u16(0, 1, 0x8100), u16(8, 0x800), ip), 0x800, 8, 5},
		{"port extension", join(ether(0x893f), u16(0, 1, 0, 0x800), ip), 0x800, 0, 4},
		{"Cisco's meta data", join(ether(0x8909), u16(0x0101, 1, 17, 0x800), ip), 0x800, 0, 4},
		{"redundancy", join(ether(0xf1c1), u16(0, 1, 0x800), ip), 0x800, 0, 4},
		{"redundancy of HSR", join(ether(0x892f), u16(0x0034, 1, 0x800), ip), 0x800, 0, 4},
		{"TRILL", join(ether(0x22f3), u16(0x0005, 1, 2), customer(0x8100), u16(9, 0x800), ip), 0x800, 9, 6},
		{"TRILL with options", join(ether(0x22f3), u16(0x0085, 1, 2), make([]byte, 8), customer(0x86dd), ip6(1, 17), udp(1, 2)), 0x86dd, 0, 5},
		{"TRILL, cut", join(ether(0x22f3), u16(0x0085, 1, 2)), 0x22f3, 0, 1},
		{"FabricPath", join(ether(0x8903), u16(0x0060), customer(0x800, ip...)), 0x800, 0, 5},
		{"MACsec without encryption", join(ether(0x88e5), u16(0x0000, 0, 1, 0x800), ip), 0x800, 0, 4},
		{"MACsec without encryption, with its channel, a VLAN within", join(ether(0x88e5), u16(0x2000, 0, 1, 2, 2, 2, 2, 0x8100, 7, 0x800), ip), 0x800, 7, 5},
		{"MACsec with encryption", join(ether(0x88e5), u16(0x0c00, 0, 1, 0x800), ip), 0x88e5, 0, 1},
		{"a chain of services before IP", join(ether(0x894f), u16(0x0fc2, 0x0201, 0, 0x0aff), ip), 0x800, 0, 4},
		{"a chain of services before Ethernet", join(ether(0x894f), u16(0x0fc6, 0x0103, 0, 0x0aff), make([]byte, 16), customer(0x800, ip...)), 0x800, 0, 5},
		{"a chain of services, cut", join(ether(0x894f), u16(0x0fc6, 0x0103)), 0x894f, 0, 1},
		{"a fabric's tag, cut", join(ether(0x893f), u16(0, 1, 0)), 0x893f, 0, 1},
		{"pseudowire with a control word", join(ether(0x8847), label, word, customer(0x800, ip...)), 0x800, 0, 6},
		{"pseudowire with reserved bits in its control word", join(ether(0x8847), label, []byte{0, 0x71, 1, 0}, customer(0x800, ip...)), 0x800, 0, 6},
		{"pseudowire whose control word would be another's", join(ether(0x8847), label, []byte{0x10, 0, 0, 9}, customer(0x800, ip...)), 0x8847, 0, 2},
		{"pseudowire without one, from an address that begins like one", join(ether(0x8847), label, []byte{0, 0x71, 0, 0, 0, 1, 4, 0, 0, 0, 0, 2, 8, 0}, ip),
			0x800, 0, 5},
		{"pseudowire without one", join(ether(0x8847), label, customer(0x800, ip...)), 0x800, 0, 5},
		{"pseudowire of a tagged frame", join(ether(0x8847), label, word, customer(0x8100), u16(9, 0x86dd), ip6(1, 17), udp(1, 2)), 0x86dd, 9, 7},
		{"pseudowire of PPPoE", join(ether(0x8847), label, word, customer(0x8100), u16(9, 0x8864, 0x1100, 7, 30, 0x21), ip), 0x800, 9, 8},
		{"pseudowire of PPPoE without a control word", join(ether(0x8847), label, customer(0x8864), u16(0x1100, 7, 30, 0x57), ip6(1, 17), udp(1, 2)), 0x86dd, 0, 6},
		{"pseudowire of what would be PPPoE", join(ether(0x8847), label, word, customer(0x8864), u16(0x2100, 7, 30, 0x21), ip), 0x8847, 0, 2},
		{"pseudowire of ARP", join(ether(0x8847), label, word, customer(0x806, arp...)), 0x806, 0, 4},
		{"something else behind labels", join(ether(0x8847), label, word, customer(0x88cc, arp...)), 0x8847, 0, 2},
		{"frame relay behind labels", join(ether(0x8847), label, word, ip), 0x8847, 0, 2},
		{"IP from an address that looks like a type", join(ether(0x8847), label, ip[:12], []byte{8, 0, 0x45, 0}, ip[16:]), 0x800, 0, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := dissect(ProtocolEthernet, test.packet, Options{})
			if r.EType != test.etype || r.VLANID != test.vlan || len(r.LayerStack) != test.layers {
				t.Errorf("EtherType %#x, VLAN %d, layers %v", r.EType, r.VLANID, r.LayerStack)
			}
			if r.SrcMAC != 0x020000000002 || r.DstMAC != 0x020000000001 {
				t.Errorf("MAC addresses %x -> %x", r.SrcMAC, r.DstMAC)
			}
			if carried := test.etype == 0x800 || test.etype == 0x86dd; carried != (r.DstPort == 2) {
				t.Errorf("destination port %d", r.DstPort)
			}
		})
	}
	r, _ := dissect(ProtocolEthernet, join(ether(0x8847), label, word, customer(0x800, ip...)), Options{Inner: true})
	if r.SrcMAC != 0x040000000002 {
		t.Errorf("the inner frame's MAC address is %x", r.SrcMAC)
	}
	r = &flow.Record{}
	if DissectSection(r, SectionMPLSPayload, 0, join(word, customer(0x800, ip...)), Options{}); r.SrcMAC != 0x040000000002 || r.DstPort != 2 {
		t.Errorf("behind a label stack: MAC address %x, port %d", r.SrcMAC, r.DstPort)
	}
}

// VXLAN goes to several ports. What goes to the old one is something else where its header does not fit.
func TestVXLANByItsPortAndHeader(t *testing.T) {
	inner4, inner6 := join(ip4(7, 6, 0), tcp(7, 8, 0)), join(ip6(7, 6), tcp(7, 8, 0))
	frame := join(customer(0x800), inner4)
	for _, test := range []struct {
		name   string
		port   uint16
		header []byte
		inner  []byte
		want   string
	}{
		{"the registered port", 4789, []byte{8, 0, 0, 0, 0, 0, 5, 0}, frame, "10.0.0.7"},
		{"Linux's", 8472, []byte{8, 0, 0, 0, 0, 0, 5, 0}, frame, "10.0.0.7"},
		{"Linux's, with a group policy", 8472, []byte{0x88, 0, 0, 9, 0, 0, 5, 0}, frame, "10.0.0.7"},
		{"Linux's port for something else", 8472, []byte{9, 0, 0, 0, 0, 0, 5, 0}, frame, "10.0.0.1"},
		{"the extension without a protocol", 4790, []byte{8, 0, 0, 0, 0, 0, 5, 0}, frame, "10.0.0.7"},
		{"the extension with Ethernet", 4790, []byte{0x0c, 0, 0, 3, 0, 0, 5, 0}, frame, "10.0.0.7"},
		{"the extension with IPv4", 4790, []byte{0x0c, 0, 0, 1, 0, 0, 5, 0}, inner4, "10.0.0.7"},
		{"the extension with IPv6", 4790, []byte{0x0c, 0, 0, 2, 0, 0, 5, 0}, inner6, "2000::7"},
		{"the extension with MPLS", 4790, []byte{0x0c, 0, 0, 5, 0, 0, 5, 0}, join([]byte{0, 1, 1, 9}, inner4), "10.0.0.7"},
		{"the extension with a service header", 4790, []byte{0x0c, 0, 0, 4, 0, 0, 5, 0}, frame, "10.0.0.1"},
		{"another version of the extension", 4790, []byte{0x1c, 0, 0, 3, 0, 0, 5, 0}, frame, "10.0.0.1"},
	} {
		p := join(ip4(1, 17, 0), udp(4000, test.port), test.header, test.inner)
		if r, _ := dissect(ProtocolIP, p, Options{Inner: true}); r.SrcAddr.Addr().String() != test.want {
			t.Errorf("%s: %s", test.name, r.SrcAddr.Addr())
		}
		if r, _ := dissect(ProtocolIP, p, Options{}); r.SrcAddr.Addr().String() != "10.0.0.1" || r.DstPort != uint32(test.port) || r.SrcMAC != 0 {
			t.Errorf("%s: the outer source is %s, port %d, MAC %x", test.name, r.SrcAddr.Addr(), r.DstPort, r.SrcMAC)
		}
	}
}
