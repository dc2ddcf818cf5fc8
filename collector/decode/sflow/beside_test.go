package sflow

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Agents send sampled_ipv4 or sampled_ipv6 beside the header, and make them of bytes that stand where ports would. A later fragment has no
// ports (RFC 791 section 2.3), and neither has ICMP: what the header shows in full goes before.
func TestWhatAHeaderShowsInFullIsNotFilledIn(t *testing.T) {
	ethernet := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}
	ip := func(proto byte, fragment uint16, payload ...byte) []byte {
		return join(ethernet, []byte{0x45, 0, 0, 182, 0, 7, byte(fragment >> 8), byte(fragment), 64, proto, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20}, payload)
	}
	raw := func(b []byte) []byte {
		return tagged(recordRawHeader, u32(1, 200, 4, uint32(len(b))), b, make([]byte, -len(b)&3))
	}
	said := func(proto uint32) []byte {
		return tagged(recordIPv4, u32(182, proto, 0xc000020a, 0xc6336414, 0x4142, 0x4344, 0x12, 0x20))
	}
	for _, test := range []struct {
		name   string
		header []byte
		proto  uint32
		right  func(r *flow.Record) bool
	}{
		{"a later fragment", ip(17, 0x2005, 0x41, 0x42, 0x43, 0x44, 0, 0, 0, 0), 17,
			func(r *flow.Record) bool {
				return r.SrcPort == 0 && r.DstPort == 0 && r.TCPFlags == 0 && r.FragmentOffset == 5
			}},
		{"ICMP", ip(1, 0, 8, 0, 0, 0, 0x41, 0x42, 0x43, 0x44), 1,
			func(r *flow.Record) bool {
				return r.SrcPort == 0 && r.DstPort == 0 && r.TCPFlags == 0 && r.ICMPType == 8
			}},
		{"UDP from port 0", ip(17, 0, 0, 0, 0x07, 0xd0, 0, 8, 0, 0), 17,
			func(r *flow.Record) bool { return r.SrcPort == 0 && r.DstPort == 2000 && r.TCPFlags == 0 }},
		{"a header that ends before the ports", ip(6, 0), 6,
			func(r *flow.Record) bool { return r.SrcPort == 0x4142 && r.DstPort == 0x4344 && r.TCPFlags == 0x12 }},
		{"a header that ends before the flags", ip(6, 0, 0x03, 0xe8, 0x07, 0xd0), 6,
			func(r *flow.Record) bool { return r.SrcPort == 1000 && r.DstPort == 2000 && r.TCPFlags == 0x12 }},
	} {
		for _, records := range [][][]byte{{raw(test.header), said(test.proto)}, {said(test.proto), raw(test.header)}} {
			c, _, _, _ := decode(datagram(sample(records...)), Options{})
			if r := c.records[0]; !test.right(&r) || r.Bytes != 200 || r.IPTOS != 0 {
				t.Errorf("%s: ports %d and %d, flags %x, offset %d, ICMP %d", test.name, r.SrcPort, r.DstPort, r.TCPFlags, r.FragmentOffset, r.ICMPType)
			}
		}
	}
}

// Agents that have room for both families send one of them as zeros, and both where a packet has none.
func TestARecordOfZerosSaysNothing(t *testing.T) {
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	arp := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1}
	no4, no6 := tagged(recordIPv4, make([]byte, 32)), tagged(recordIPv6, make([]byte, 56))
	six, four := tagged(recordIPv6, u32(100, 17), v6, v6, u32(80, 443, 0, 1)), tagged(recordIPv4, u32(100, 17, 0xc000020a, 0xc6336414, 80, 443, 0, 1))
	noSocket := tagged(recordSocketIPv4, make([]byte, 20))
	socket := tagged(recordSocketIPv6, u32(6), v6, v6, u32(443, 50000))
	for name, test := range map[string]struct {
		sample    []byte
		etherType uint32
		address   int
	}{
		"IPv6":                         {sample(no4, six), 0x86dd, 16},
		"IPv4":                         {sample(no6, four), 0x800, 4},
		"neither":                      {sample(no4, no6, tagged(recordEthernet, u32(64, 0, 0, 0, 0, 0x806))), 0x806, 0},
		"neither, beside a header":     {sample(no4, no6, tagged(recordRawHeader, u32(1, 64, 4, uint32(len(arp))), arp)), 0x806, 0},
		"a transaction's other socket": {sample(noSocket, socket), 0x86dd, 16},
	} {
		c, _, _, _ := decode(datagram(test.sample), Options{})
		if r := c.records[0]; r.EType != test.etherType || r.SrcAddr.Len() != test.address || r.DstAddr.Len() != test.address {
			t.Errorf("%s: type %x from %s to %s", name, r.EType, r.SrcAddr.Addr(), r.DstAddr.Addr())
		}
	}
}
