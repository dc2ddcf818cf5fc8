package netflow_test

import (
	"math"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// ip4 and ip6 are addresses of documentation.
var (
	ip4 = u32(0xc000020a)
	ip6 = []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
)

// TestFieldsAreReadAsExportersMeanThem has the fields that users of collectors reported as misread, one record each.
func TestFieldsAreReadAsExportersMeanThem(t *testing.T) {
	ntp := uint64(exported+2_208_988_800) << 32
	start, end := (exported-10)*second+123_456_000, (exported-5)*second+654_321_000
	times := func(r *flow.Record) bool { return r.TimeFlowStartNs == start && r.TimeFlowEndNs == end }
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
		right  func(r *flow.Record) bool
	}{
		// Times.
		{"microseconds since 1970, as nProbe sends them", []uint16{154, 8, 155, 8}, u64(start/1000, end/1000), times},
		{"nanoseconds since 1970", []uint16{156, 8, 157, 8}, u64(start, end), times},
		{"seconds and microseconds of 8 bytes each, as pmacct sends them", []uint16{155, 16, 154, 16},
			u64(exported-5, 654_321, exported-10, 123_456), times},
		{"seconds beyond any time in 16 bytes", []uint16{154, 16, 150, 4, 151, 4}, join(u64(math.MaxUint64, math.MaxUint64), u32(exported-10, exported-5)),
			func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-10)*second && r.TimeFlowEndNs == (exported-5)*second
			}},
		{"milliseconds beside microseconds, as YAF sends them", []uint16{152, 8, 153, 8, 154, 8, 155, 8},
			u64((exported-10)*1000, (exported-5)*1000, ntp-10<<32, ntp-5<<32), func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-10)*second && r.TimeFlowEndNs == (exported-5)*second
			}},
		{"an end of zero", []uint16{152, 8, 153, 8}, u64((exported-10)*1000, 0), func(r *flow.Record) bool {
			return r.TimeFlowStartNs == (exported-10)*second && r.TimeFlowEndNs == (exported-10)*second
		}},
		{"a duration of zero milliseconds", []uint16{150, 4, 161, 4}, u32(exported-10, 0), func(r *flow.Record) bool {
			return r.TimeFlowStartNs == (exported-10)*second && r.TimeFlowEndNs == (exported-10)*second
		}},
		{"the time of initialization behind the uptimes, as MikroTik sends it", []uint16{22, 4, 21, 4, 160, 8},
			join(u32(1000, 2000), u64((exported-100)*1000)), func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-99)*second && r.TimeFlowEndNs == (exported-98)*second
			}},
		{"uptimes of 8 bytes, as NX-OS sends them", []uint16{160, 8, 22, 8, 21, 8}, u64((exported-100)*1000, 1000, 2000),
			func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-99)*second && r.TimeFlowEndNs == (exported-98)*second
			}},
		// Numbers in fewer bytes (RFC 7011 section 6.2), and in more.
		{"numbers of three bytes", []uint16{1, 3, 2, 3, 16, 3, 10, 3}, []byte{1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 9}, func(r *flow.Record) bool {
			return r.Bytes == 65536 && r.Packets == 256 && r.SrcAS == 65537 && r.InIf == 9
		}},
		{"a protocol of two bytes", []uint16{4, 2}, u16(17), func(r *flow.Record) bool { return r.Proto == 17 }},
		{"ports and a protocol of four bytes", []uint16{7, 4, 11, 4, 4, 4}, u32(1000, 443, 6), func(r *flow.Record) bool {
			return r.SrcPort == 1000 && r.DstPort == 443 && r.Proto == 6
		}},
		{"no packet has ports or a protocol with all bits of four bytes set", []uint16{8, 4, 7, 4, 11, 4, 4, 4}, join(ip4, u32(math.MaxUint32, math.MaxUint32, math.MaxUint32)),
			func(r *flow.Record) bool { return r.SrcPort == 0 && r.DstPort == 0 && r.Proto == 0 }},
		{"AS numbers of two and of four bytes", []uint16{16, 2, 17, 4}, join(u16(64500), u32(4_200_000_000)), func(r *flow.Record) bool {
			return r.SrcAS == 64500 && r.DstAS == 4_200_000_000
		}},
		{"an interface of two bytes, and of eight", []uint16{10, 2, 14, 8}, join(u16(40000), u64(3)), func(r *flow.Record) bool {
			return r.InIf == 40000 && r.OutIf == 3
		}},
		{"a MAC address of four bytes is none", []uint16{56, 4, 80, 6}, []byte{1, 2, 3, 4, 2, 0, 0, 0, 0, 5}, func(r *flow.Record) bool {
			return r.SrcMAC == 0 && r.DstMAC == 0x020000000005
		}},
		{"an IPv4 address of 16 bytes is none", []uint16{8, 16, 12, 4}, join(ip6, ip4), func(r *flow.Record) bool {
			return r.SrcAddr.IsZero() && r.DstAddr.Addr().String() == "192.0.2.10"
		}},
		{"a field of no bytes", []uint16{8, 4, 82, 0, 12, 4}, join(ip4, ip4), func(r *flow.Record) bool {
			return r.DstAddr.Addr().String() == "192.0.2.10"
		}},
		// Flags and kin.
		{"TCP flags of one byte", []uint16{6, 1}, []byte{0x1b}, func(r *flow.Record) bool { return r.TCPFlags == 0x1b }},
		{"TCP flags of two bytes, with the length of the header", []uint16{6, 2}, u16(0x5118), func(r *flow.Record) bool { return r.TCPFlags == 0x118 }},
		{"TCP flags of four bytes", []uint16{6, 4}, u32(0x12), func(r *flow.Record) bool { return r.TCPFlags == 0x12 }},
		{"a forwarding status of one byte", []uint16{89, 1}, []byte{0x82}, func(r *flow.Record) bool { return r.ForwardingStatus == 130 }},
		{"a forwarding status behind zeros", []uint16{89, 4}, u32(0x42), func(r *flow.Record) bool { return r.ForwardingStatus == 66 }},
		{"a code point", []uint16{195, 1}, []byte{46}, func(r *flow.Record) bool { return r.IPTOS == 184 }},
		{"a type of service before and after treatment", []uint16{55, 1, 5, 1}, []byte{8, 184}, func(r *flow.Record) bool { return r.IPTOS == 184 }},
		{"a type of service of 0 is one, whatever it is after treatment", []uint16{5, 1, 55, 1}, []byte{0, 184}, func(r *flow.Record) bool {
			return r.IPTOS == 0
		}},
		{"so is a code point", []uint16{98, 1, 195, 1}, []byte{46, 0}, func(r *flow.Record) bool { return r.IPTOS == 0 }},
		{"a precedence after treatment alone", []uint16{257, 1}, []byte{5}, func(r *flow.Record) bool { return r.IPTOS == 160 }},
		{"one after treatment alone", []uint16{55, 1}, []byte{184}, func(r *flow.Record) bool { return r.IPTOS == 184 }},
		// ICMP.
		{"ICMP type and code in one", []uint16{4, 1, 32, 2}, []byte{1, 3, 1}, func(r *flow.Record) bool { return r.ICMPType == 3 && r.ICMPCode == 1 }},
		{"ICMPv6 type and code in two", []uint16{4, 1, 178, 1, 179, 1}, []byte{58, 1, 4}, func(r *flow.Record) bool {
			return r.ICMPType == 1 && r.ICMPCode == 4
		}},
		{"ICMPv6 elements alone say the protocol", []uint16{178, 1, 179, 1}, []byte{135, 0}, func(r *flow.Record) bool {
			return r.ICMPType == 135 && r.Proto == 58
		}},
		{"type and code in one element say nothing of the protocol, as softflowd sends them", []uint16{8, 4, 32, 2}, join(ip4, u16(0x800)), func(r *flow.Record) bool {
			return r.Proto == 0 && r.ICMPType == 8
		}},
		{"room for ICMP of both families, IPv4", []uint16{8, 4, 27, 16, 176, 1, 177, 1, 178, 1, 179, 1}, join(ip4, make([]byte, 20)), func(r *flow.Record) bool {
			return r.Proto == 1
		}},
		{"room for ICMP of both families, IPv6", []uint16{8, 4, 27, 16, 176, 1, 177, 1, 178, 1, 179, 1}, join(u32(0), ip6, []byte{0, 0, 129, 0}),
			func(r *flow.Record) bool { return r.Proto == 58 && r.ICMPType == 129 }},
		{"room for ICMP beside ports says of a flow's protocol nothing", []uint16{8, 4, 7, 2, 11, 2, 176, 1, 177, 1}, join(ip4, u16(1000, 443, 0)),
			func(r *flow.Record) bool { return r.Proto == 0 }},
		{"and so does room for IGMP", []uint16{8, 4, 7, 2, 11, 2, 33, 1}, join(ip4, u16(1000, 443), []byte{0}), func(r *flow.Record) bool {
			return r.Proto == 0
		}},
		{"a type of ICMP in such a template does", []uint16{8, 4, 7, 2, 11, 2, 176, 1, 177, 1}, join(ip4, u16(0, 0, 0x0301)), func(r *flow.Record) bool {
			return r.Proto == 1 && r.ICMPType == 3 && r.ICMPCode == 1
		}},
		{"the beginning of ICMP's header", []uint16{8, 4, 504, 8}, join(ip4, []byte{3, 1, 0, 0, 0, 0, 0, 0}), func(r *flow.Record) bool {
			return r.Proto == 1 && r.ICMPType == 3 && r.ICMPCode == 1
		}},
		{"a part of ICMP's header that begins later", []uint16{8, 4, 504, 4, 409, 2}, join(ip4, u32(0x09090909), u16(4)), func(r *flow.Record) bool {
			return r.Proto == 1 && r.ICMPType == 0 && r.ICMPCode == 0
		}},
		{"a destination port of UDP is no ICMP", []uint16{4, 1, 11, 2}, []byte{17, 3, 1}, func(r *flow.Record) bool {
			return r.ICMPType == 0 && r.DstPort == 769
		}},
		// Addresses.
		{"an IPv4 address within IPv6 stays as exported", []uint16{27, 16, 28, 16},
			join(make([]byte, 10), u16(0xffff), ip4, ip6), func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "::ffff:192.0.2.10" && r.EType == 0x86dd
			}},
		{"addresses after translation are no flow's own", []uint16{8, 4, 12, 4, 225, 4, 226, 4, 227, 2, 228, 2},
			join(ip4, u32(0xc6336414, 0xcb007101, 0xc6336414), u16(1024, 443)), func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "192.0.2.10" && r.SrcPort == 0 && r.DstPort == 0
			}},
		{"a host without an address yet, in a template for both families, IPv4", []uint16{27, 16, 28, 16, 8, 4, 12, 4},
			join(make([]byte, 32), u32(0, 0xffffffff)), func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "0.0.0.0" && r.DstAddr.Addr().String() == "255.255.255.255" && r.EType == 0x800
			}},
		{"the same, IPv6", []uint16{8, 4, 12, 4, 27, 16, 28, 16}, join(make([]byte, 24), ip6), func(r *flow.Record) bool {
			return r.SrcAddr.Addr().String() == "::" && r.DstAddr.Addr().String() == "2001:db8::1" && r.EType == 0x86dd
		}},
		{"the destination is unspecified, IPv4, families by turns", []uint16{27, 16, 8, 4, 28, 16, 12, 4}, join(make([]byte, 16), ip4, make([]byte, 20)),
			func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "192.0.2.10" && r.DstAddr.Addr().String() == "0.0.0.0" && r.EType == 0x800
			}},
		{"the destination is unspecified, IPv6, families by turns", []uint16{8, 4, 27, 16, 12, 4, 28, 16}, join(u32(0), ip6, make([]byte, 20)),
			func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "2001:db8::1" && r.DstAddr.Addr().String() == "::" && r.EType == 0x86dd
			}},
		{"a source alone", []uint16{27, 16, 8, 4}, join(make([]byte, 16), ip4), func(r *flow.Record) bool {
			return r.SrcAddr.Addr().String() == "192.0.2.10" && r.DstAddr.Len() == 0 && r.EType == 0x800
		}},
		{"the first word of IPv6's header in place of its flow label", []uint16{27, 16, 31, 4}, join(ip6, u32(0x6b8abcde)), func(r *flow.Record) bool {
			return r.IPv6FlowLabel == 0xabcde
		}},
		{"MAC addresses of a customer's frame", []uint16{414, 6, 415, 6}, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, func(r *flow.Record) bool {
			return r.SrcMAC == 0x020000000001 && r.DstMAC == 0x020000000002
		}},
		{"those of the backbone count before", []uint16{414, 6, 56, 6}, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, func(r *flow.Record) bool {
			return r.SrcMAC == 0x020000000002
		}},
		{"prefixes and their lengths", []uint16{44, 4, 9, 1, 45, 4, 13, 1}, join(u32(0xc0000200), []byte{24}, u32(0xc6336400), []byte{25}),
			func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "192.0.2.0" && r.SrcNet == 24 && r.DstNet == 25
			}},
		{"prefix lengths of both families, an IPv6 flow", []uint16{8, 4, 27, 16, 9, 1, 13, 1, 29, 1, 30, 1, 28, 16}, join(u32(0), ip6, []byte{32, 32, 64, 48}, ip6),
			func(r *flow.Record) bool { return r.SrcNet == 64 && r.DstNet == 48 }},
		{"prefix lengths of both families, an IPv4 flow", []uint16{29, 1, 30, 1, 8, 4, 27, 16, 12, 4, 9, 1, 13, 1}, join([]byte{128, 16}, ip4, make([]byte, 16), ip4, []byte{24, 25}),
			func(r *flow.Record) bool { return r.SrcNet == 24 && r.DstNet == 25 }},
		{"a prefix length of the other family where there is no other", []uint16{27, 16, 9, 1, 29, 1}, join(ip6, []byte{48, 0}),
			func(r *flow.Record) bool { return r.SrcNet == 48 }},
		{"next hops of zero", []uint16{15, 4, 18, 4}, u32(0, 0), func(r *flow.Record) bool { return r.NextHop.Len() == 0 && r.BGPNextHop.Len() == 0 }},
		// VLANs and interfaces.
		{"802.1Q", []uint16{243, 2, 254, 2}, u16(100, 200), func(r *flow.Record) bool { return r.SrcVLAN == 100 && r.DstVLAN == 200 && r.VLANID == 100 }},
		{"a physical interface where the logical one is none", []uint16{10, 4, 252, 4}, u32(0, 12), func(r *flow.Record) bool { return r.InIf == 12 }},
		// MPLS.
		{"MPLS labels of three bytes", []uint16{70, 3, 71, 3, 72, 3}, []byte{0x03, 0xe8, 0x10, 0x05, 0xdc, 0x21, 0, 0, 0}, func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 2 && r.MPLSLabel[0] == 16001 && r.MPLSLabel[1] == 24002
		}},
		{"the TTL of a label that is not there", []uint16{8, 4, 70, 3, 200, 1}, join(ip4, make([]byte, 4)), func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 0 && len(r.MPLSTTL) == 0
		}},
		{"the TTL of one that is", []uint16{8, 4, 70, 3, 200, 1}, join(ip4, []byte{0x03, 0xe8, 0x11, 63}), func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 1 && len(r.MPLSTTL) == 1 && r.MPLSTTL[0] == 63
		}},
		{"a label stack beside the flow's own addresses", []uint16{8, 4, 316, 8}, join(ip4, u32(16001<<12|63, 24002<<12|0x100|62)), func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 2 && r.MPLSLabel[0] == 16001 && r.MPLSLabel[1] == 24002 && r.Packets == 0 && len(r.LayerStack) == 0
		}},
		{"what the IP header carries, beside the flow's own addresses and flags", []uint16{8, 4, 4, 1, 6, 1, 2, 4, 314, 20},
			join(ip4, []byte{6, 0x1b}, u32(7), u16(1000, 443), u32(1, 2), []byte{0x50, 0x12}, make([]byte, 6)), func(r *flow.Record) bool {
				return r.SrcPort == 1000 && r.DstPort == 443 && r.TCPFlags == 0x1b && r.Packets == 7
			}},
		{"the same of a fragment has no header", []uint16{8, 4, 4, 1, 88, 2, 1, 4, 314, 4}, join(ip4, []byte{17}, u16(185), u32(9), u16(1000, 443)),
			func(r *flow.Record) bool { return r.SrcPort == 0 && r.DstPort == 0 }},
		{"a tunnel's payload beside the flow's own addresses", []uint16{8, 4, 12, 4, 4, 1, 5, 1, 2, 4, 314, 20}, join(ip4, []byte{198, 51, 100, 1}, []byte{4, 0x20}, u32(7),
			[]byte{0x45, 0xb8, 0, 20, 0, 0, 0, 0, 9, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}), func(r *flow.Record) bool {
			return r.SrcAddr.Addr().String() == "192.0.2.10" && r.DstAddr.Addr().String() == "198.51.100.1" && r.Proto == 4 && r.IPTOS == 0x20 && r.IPTTL == 0
		}},
		{"a payload of zeros beside the flow's own ICMP", []uint16{8, 4, 4, 1, 32, 2, 1, 4, 2, 4, 314, 8}, join(ip4, []byte{1, 3, 1}, u32(64, 1), make([]byte, 8)),
			func(r *flow.Record) bool { return r.ICMPType == 3 && r.ICMPCode == 1 && len(r.LayerStack) == 0 }},
		{"a payload beside the flow's own ICMP", []uint16{8, 4, 4, 1, 32, 2, 1, 4, 2, 4, 314, 8}, join(ip4, []byte{1, 3, 1}, u32(64, 1), []byte{8, 0, 1, 2, 3, 4, 5, 6}),
			func(r *flow.Record) bool { return r.ICMPType == 3 && r.ICMPCode == 1 }},
		{"a payload beside addresses and counts of zero", []uint16{8, 4, 4, 1, 1, 4, 2, 4, 314, 8}, join(ip4, []byte{17}, u32(0, 0), u16(1000, 443, 8, 0)),
			func(r *flow.Record) bool { return r.SrcPort == 1000 && r.Packets == 0 && r.Bytes == 0 }},
		{"a label stack of zeros beside the flow's own addresses", []uint16{8, 4, 316, 12}, join(ip4, make([]byte, 12)), func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 0 && len(r.MPLSTTL) == 0
		}},
		{"ICMP's header in zeros beside its type and code", []uint16{8, 4, 176, 1, 177, 1, 504, 8}, join(ip4, []byte{3, 1}, make([]byte, 8)), func(r *flow.Record) bool {
			return r.ICMPType == 3 && r.ICMPCode == 1
		}},
		{"a label stack beside the TTL of its top", []uint16{8, 4, 200, 1, 316, 8}, join(ip4, []byte{63}, u32(16001<<12|63, 24002<<12|0x100|62)), func(r *flow.Record) bool {
			return len(r.MPLSLabel) == 2 && len(r.MPLSTTL) == 2 && r.MPLSTTL[0] == 63 && r.MPLSTTL[1] == 62
		}},
		{"a label stack beside the flow's own labels", []uint16{8, 4, 70, 3, 316, 4}, join(ip4, []byte{0x03, 0xe8, 0x11}, u32(24002<<12|0x100|62)),
			func(r *flow.Record) bool { return len(r.MPLSLabel) == 1 && r.MPLSLabel[0] == 16001 }},
		// Counters.
		{"totals are no delta counts", []uint16{85, 4, 86, 4, 8, 4}, join(u32(1000, 10), ip4), func(r *flow.Record) bool { return r.Bytes == 0 }},
		// A rate in the record.
		{"one packet of so many", []uint16{34, 4, 35, 1}, join(u32(1000), []byte{2}), func(r *flow.Record) bool { return r.SamplingRate == 1000 }},
		{"so many taken, so many left", []uint16{305, 4, 306, 4}, u32(1, 999), func(r *flow.Record) bool { return r.SamplingRate == 1000 }},
		{"so long taken, so long left", []uint16{307, 4, 308, 4}, u32(100, 900), func(r *flow.Record) bool { return r.SamplingRate == 10 }},
		{"so long taken, nothing left", []uint16{307, 4, 308, 4}, u32(100, 0), func(r *flow.Record) bool { return r.SamplingRate == 1 }},
		{"a probability of four bytes", []uint16{311, 4}, u32(math.Float32bits(0.01)), func(r *flow.Record) bool { return r.SamplingRate == 100 }},
		{"a probability of eight bytes", []uint16{311, 8}, u64(math.Float64bits(0.001)), func(r *flow.Record) bool { return r.SamplingRate == 1000 }},
		{"some out of so many", []uint16{309, 4, 310, 4}, u32(2, 1000), func(r *flow.Record) bool { return r.SamplingRate == 500 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t)
			count := uint16(1 + len(test.fields)/2)
			s.ipfix(set(2, u16(300, count), u16(test.fields...), u16(3, 1)), set(300, test.values, []byte{1}))
			if len(s.records) == 0 { // of a flow whose other fields say nothing
				s.ipfix(set(2, u16(300, count+1), u16(test.fields...), u16(3, 1, 7, 2)), set(300, test.values, []byte{1}, u16(9)))
			}
			if r := s.only(); !test.right(&r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestMessagesAreReadAsFarAsTheyAreWhole has the forms of messages that collectors were reported to stumble over.
func TestMessagesAreReadAsFarAsTheyAreWhole(t *testing.T) {
	fields := u16(300, 2, 1, 4, 2, 4)
	for _, test := range []struct {
		name string
		send func(s *station)
		want []uint64 // bytes of each flow
	}{
		{"several templates in one set", func(s *station) {
			s.ipfix(set(2, fields, u16(301, 1, 1, 4), u16(302, 1, 1, 2)), set(302, u16(7)), set(301, u32(8)), set(300, u32(9, 1)))
		}, []uint64{7, 8, 9}},
		{"several options templates in one set", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 144, 4, 34, 4), u16(401, 2, 1, 10, 4, 82, 8)), set(2, fields), set(400, u32(1, 100)), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"four to seven bytes of padding behind templates, as Ixia sends them", func(s *station) {
			s.ipfix(set(2, fields, make([]byte, 4)), set(300, u32(9, 1), make([]byte, 7)))
		}, []uint64{9}},
		{"a template that changes within the message", func(s *station) {
			s.ipfix(set(2, fields), set(300, u32(9, 1)), set(2, u16(300, 2, 2, 4, 1, 4)), set(300, u32(1, 8)))
		}, []uint64{9, 8}},
		{"data before its template, in one message", func(s *station) {
			s.ipfix(set(300, u32(9, 1)), set(2, fields))
		}, []uint64{9}},
		{"withdrawals of one and of all templates over UDP", func(s *station) {
			s.ipfix(set(2, fields))
			s.ipfix(set(2, u16(300, 0)), set(2, u16(2, 0)), set(3, u16(3, 0)))
			s.ipfix(set(300, u32(9, 1)))
		}, []uint64{9}},
		{"two messages in one datagram", func(s *station) {
			one := join(u16(10, 16+16+12), u32(exported, 1, 7), set(2, fields), set(300, u32(9, 1)))
			two := join(u16(10, 16+12), u32(exported, 2, 7), set(300, u32(8, 1)))
			s.send(exporterPort, time.Hour, join(one, two))
		}, []uint64{9, 8}},
		{"several NetFlow v9 packets in one datagram", func(s *station) {
			one := join(u16(9, 2), u32(uptime9, exported, 1, 7), set(0, fields), set(300, u32(9, 1)))
			two := join(u16(9, 1), u32(uptime9, exported, 2, 7), set(300, u32(8, 1)))
			three := join(u16(9, 30), u32(uptime9, exported, 3, 7), set(300, u32(7, 1)), make([]byte, 4))
			s.send(exporterPort, time.Hour, join(one, two, three))
			if s.counts[ledger.SequenceSkipped] != 0 || s.counts[ledger.DatagramsDecoded] != 1 || len(s.problems) != 0 {
				s.t.Errorf("%d missed, %d datagrams, %v", s.counts[ledger.SequenceSkipped], s.counts[ledger.DatagramsDecoded], s.problems)
			}
		}, []uint64{9, 8, 7}},
		{"NetFlow v9 with the ids of IPFIX's sets of templates", func(s *station) {
			s.netflow9(set(3, u16(400, 2, 1, 143, 4, 34, 4)), set(2, fields), set(400, u32(1, 100)), set(300, u32(9, 1)))
			s.netflow9(set(3, u16(401, 4, 4, 1, 4, 34, 4, 0)), set(401, u32(1, 200)), set(300, u32(8, 1))) // in the layout of its own
			for i, want := range []uint64{100, 200} {
				if i < len(s.records) && s.records[i].SamplingRate != want {
					s.t.Errorf("rate %d, want %d", s.records[i].SamplingRate, want)
				}
			}
		}, []uint64{9, 8}},
		{"several of IPFIX's layout in one set of NetFlow v9, and one with a field of an enterprise", func(s *station) {
			s.netflow9(set(3, u16(400, 2, 1, 144, 4, 42, 4), u16(401, 4, 1, 144, 4, 48, 4, 49, 1, 50, 4)), set(3, u16(402, 2, 1, 144, 4, 0x8001, 4, 0, 6871)), set(2, fields),
				set(300, u32(9, 1)))
		}, []uint64{9}},
		{"a set of NetFlow v9 whose id is reserved, and the next", func(s *station) {
			s.netflow9(set(0, fields), set(9, make([]byte, 24)), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"a length that is longer than the datagram", func(s *station) {
			s.send(exporterPort, time.Hour, join(u16(10, 1400), u32(exported, 1, 7), set(2, fields), set(300, u32(9, 1, 8, 1))))
		}, []uint64{9, 8}},
		{"NetFlow v9 with a count of sets, of records and of nothing", func(s *station) {
			for i, count := range []uint16{2, 3, 0, 65535} {
				s.send(exporterPort, time.Hour, join(u16(9, count), u32(uptime9, exported, uint32(i), 7), set(0, fields), set(300, u32(9, 1, 8, 1))))
			}
		}, []uint64{9, 8, 9, 8, 9, 8, 9, 8}},
		{"NetFlow v9 with zeros up to a fixed size", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(9, 1)), make([]byte, 1000))
		}, []uint64{9}},
		{"NetFlow v9 without padding behind sets of odd length", func(s *station) {
			s.netflow9(set(0, u16(300, 2, 1, 4, 4, 1)), set(300, u32(9), []byte{6}), set(300, u32(8), []byte{6}))
		}, []uint64{9, 8}},
		{"an options template of NetFlow v9 without scope", func(s *station) {
			s.netflow9(set(1, u16(400, 0, 4, 34, 4, 0)), set(0, fields), set(400, u32(100)), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"an options template of IPFIX without scope", func(s *station) {
			s.ipfix(set(3, u16(400, 1, 0, 34, 4)), set(2, fields), set(400, u32(100)), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"an options template of NetFlow v9's layout under IPFIX's id", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 8, 149, 4, 34, 4, 35, 1)), set(2, fields), set(400, u32(7, 100), []byte{1}), set(300, u32(9, 1)))
			if len(s.records) == 1 && s.records[0].SamplingRate != 100 {
				s.t.Errorf("rate %d", s.records[0].SamplingRate)
			}
		}, []uint64{9}},
		{"one of IPFIX that is cut is none of NetFlow v9", func(s *station) {
			s.ipfix(set(3, u16(400, 8, 4, 149, 4, 34, 4, 35, 1, 36, 2)), set(2, fields), set(400, u32(7, 100), []byte{1, 0, 9}), set(300, u32(9, 1)))
			if len(s.records) == 1 && s.records[0].SamplingRate != 0 {
				s.t.Errorf("rate %d", s.records[0].SamplingRate)
			}
		}, []uint64{9}},
		{"zeros between sets, four bytes and more", func(s *station) {
			s.netflow9(set(0, fields), make([]byte, 4), set(300, u32(9, 1)), make([]byte, 10), set(300, u32(8, 1)), make([]byte, 7), set(0, fields), set(300, u32(7, 1)))
			s.ipfix(set(2, fields), make([]byte, 8), set(300, u32(6, 1)))
		}, []uint64{9, 8, 7, 6}},
		{"padding behind each of several templates of options", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 1, 4, 42, 4, 0), u16(401, 4, 4, 1, 4, 34, 4, 0)), set(0, fields), set(401, u32(1, 100)), set(300, u32(9, 1)))
			s.ipfix(set(3, u16(402, 2, 1, 149, 4, 42, 4, 0), u16(403, 2, 1, 149, 4, 34, 4, 0)), set(2, fields), set(403, u32(7, 1000)), set(300, u32(8, 1)))
			for i, want := range []uint64{100, 1000} {
				if i < len(s.records) && s.records[i].SamplingRate != want {
					s.t.Errorf("rate %d, want %d", s.records[i].SamplingRate, want)
				}
			}
		}, []uint64{9, 8}},
		{"a set and its message that leave out the end of the last record", func(s *station) {
			s.send(exporterPort, time.Hour, join(u16(10, 16+16+20-3), u32(exported, 1, 7), set(2, fields), u16(300, 20-3), u32(9, 1, 8, 1<<24|2)))
		}, []uint64{9, 8}},
		{"the same with records of variable length", func(s *station) {
			records := join(u32(9), []byte{2, 'e', '0'}, u32(800_000), []byte{5, 'e', 't', 'h', '1', '2'})
			s.send(exporterPort, time.Hour, join(u16(10, uint16(16+16+4+len(records)-4)), u32(exported, 1, 7), set(2, u16(300, 2, 1, 4, 82, 65535)),
				u16(300, uint16(4+len(records)-4)), records))
		}, []uint64{9, 800_000}},
		{"a set that leaves out its own header, between others", func(s *station) {
			s.netflow9(set(0, fields), join(u16(300, 16), u32(9, 1, 8, 1)), set(300, u32(7, 1)))
			s.ipfix(set(2, fields), join(u16(300, 16), u32(6, 1, 5, 1)), set(300, u32(4, 1)))
		}, []uint64{9, 8, 7, 6, 5, 4}},
		{"a set of templates that leaves out its own header", func(s *station) {
			s.netflow9(join(u16(0, 12), fields), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"sets that count their own header twice", func(s *station) {
			s.netflow9(join(u16(0, 20), fields), join(u16(300, 16), u32(9, 1)), join(u16(300, 16), u32(8, 1)), set(300, u32(7, 1)))
			s.ipfix(join(u16(2, 20), fields), join(u16(300, 16), u32(6, 1)), set(300, u32(5, 1)))
		}, []uint64{9, 8, 7, 6, 5}},
		{"all sets of a datagram count their own header twice", func(s *station) {
			s.netflow9(join(u16(0, 20), fields), join(u16(300, 16), u32(9, 1)), join(u16(300, 16), u32(8, 1)))
			s.ipfix(join(u16(2, 20), fields), join(u16(300, 16), u32(7, 1)), join(u16(300, 16), u32(6, 1)))
		}, []uint64{9, 8, 7, 6}},
		{"and these are one of templates and one of data", func(s *station) {
			s.netflow9(join(u16(0, 20), fields), join(u16(300, 16), u32(9, 1)))
			s.ipfix(join(u16(2, 20), fields), join(u16(300, 16), u32(8, 1)))
		}, []uint64{9, 8}},
		{"a set that is cut is no record of the one before", func(s *station) {
			s.netflow9(set(0, fields, u16(301, 2, 1, 4, 2, 4)), set(300, u32(9, 1)), u16(301, 44), u32(8, 1, 7))
			s.ipfix(set(2, fields, u16(301, 2, 1, 4, 2, 4)), set(300, u32(6, 1)), u16(301, 44), u32(5, 1, 4))
		}, []uint64{9, 8, 6, 5}},
		{"nor is one whose template is not known", func(s *station) {
			s.send(exporterPort, time.Hour, join(u16(10, 1000), u32(exported, 1, 7), set(2, fields), set(300, u32(9, 1)), u16(301, 44), u32(8, 1, 7)))
		}, []uint64{9}},
		{"a set of templates behind zeros, whose content may pass for the header of a set", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(9, 1)), make([]byte, 4), set(0, u16(257, 2, 1, 4, 2, 4)), set(257, u32(8, 1)), set(99, u32(make([]uint32, 70)...)))
		}, []uint64{9, 8}},
		{"a set of IPFIX templates behind zeros, two bytes before which one of 512 bytes might begin", func(s *station) {
			s.ipfix(set(2, fields), set(300, u32(9, 1)), make([]byte, 8), set(2, u16(257, 2, 1, 4, 2, 4)), set(257, u32(8, 1)), set(99, u32(make([]uint32, 270)...)))
		}, []uint64{9, 8}},
		{"a packet of NetFlow v9 behind zeros", func(s *station) {
			head := join(u16(9, 1), u32(uptime9, exported, 1, 7))
			s.send(exporterPort, time.Hour, join(head, set(0, fields), set(300, u32(9, 1)), make([]byte, 8), head, set(300, u32(8, 1))))
		}, []uint64{9, 8}},
		{"padding behind a template of options is no set of templates", func(s *station) {
			s.netflow9(set(0, u16(256, 2, 1, 4, 2, 200)), set(1, u16(400, 4, 4, 1, 4, 42, 4, 0)), u16(256, 1000), u32(9), make([]byte, 200), u32(8), make([]byte, 200))
		}, []uint64{9, 8}},
		{"records of zeros before others", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(0, 0, 0, 0, 9, 1, 0, 0)))
		}, []uint64{9}},
		{"a set that leaves out its last record", func(s *station) {
			s.netflow9(set(0, fields), join(u16(300, 12), u32(9, 1, 800_000, 1)))
		}, []uint64{9, 800_000}},
		{"sets that count padding that they do not have", func(s *station) {
			s.netflow9(set(0, u16(300, 2, 1, 4, 4, 1)), u16(300, 12), u32(9), []byte{6}, u16(300, 12), u32(8), []byte{6}, u16(300, 12), u32(7), []byte{6})
		}, []uint64{9, 8, 7}},
		{"a reserved set that would be records of the set before it", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(9, 1)), set(99, u32(1<<30, 1, 2, 3, 4)), set(301, u32(1<<30)), set(300, u32(8, 1)))
			s.ipfix(set(2, fields), set(300, u32(7, 1)), set(99, u32(1<<30, 1, 2, 3, 4)), set(300, u32(6, 1)), set(99, u32(1<<30)))
		}, []uint64{9, 8, 7, 6}},
		{"nor is a set whose template is not known", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(9, 1)), set(301, u32(1<<30)))
			s.ipfix(set(2, fields), set(300, u32(8, 1)), set(301, u32(1<<30)))
		}, []uint64{9, 8}},
		{"what follows a message is no record of its last set", func(s *station) {
			s.send(exporterPort, time.Hour, join(u16(10, 16+16+12), u32(exported, 1, 7), set(2, fields), set(300, u32(9, 1)), u32(0xdeadbeef, 1)))
		}, []uint64{9}},
		{"nor is the beginning of one", func(s *station) {
			s.netflow9(set(0, fields), set(300, u32(9, 1)), u32(0xdeadbeef), []byte{1})
		}, []uint64{9}},
		{"a reserved set between others", func(s *station) {
			s.ipfix(set(2, fields), set(99, u32(1, 2)), set(300, u32(9, 1)))
		}, []uint64{9}},
		{"variable lengths, short and long, before numbers", func(s *station) {
			s.ipfix(set(2, u16(300, 3, 0x8001, 65535, 0, 12356, 82, 65535, 1, 4)), set(300,
				[]byte{255}, u16(300), make([]byte, 300), []byte{2, 'a', 'b'}, u32(9), // one long, one short
				[]byte{255}, u16(3), []byte("abc"), []byte{0}, u32(8))) // the long form for few bytes, and none
		}, []uint64{9, 8}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t)
			test.send(s)
			var have []uint64
			for _, r := range s.records {
				have = append(have, r.Bytes)
			}
			if len(have) != len(test.want) {
				t.Fatalf("bytes %d, want %d; problems %v", have, test.want, s.problems)
			}
			for i := range have {
				if have[i] != test.want[i] {
					t.Errorf("bytes %d, want %d", have, test.want)
				}
			}
		})
	}
}

// An interval of 0 says that sampling has ended, also where all of its record is zero.
func TestARecordOfZerosEndsSampling(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(3, u16(400, 2, 1, 144, 4, 34, 4)), set(2, u16(300, 1, 1, 4)), set(400, u32(0, 100)))
	s.ipfix(set(300, u32(9)))
	s.ipfix(set(400, u32(0, 0)))
	s.ipfix(set(300, u32(8)))
	if len(s.records) != 2 || s.records[0].SamplingRate != 100 || s.records[1].SamplingRate != 0 {
		t.Errorf("%+v", s.records)
	}
	if s.counts[ledger.SequenceSkipped] != 0 {
		t.Errorf("%d records seem to be missing", s.counts[ledger.SequenceSkipped])
	}
}

// The 14 bits below NetFlow v5's sampling mode are the interval; a count of records that are not there invents none.
func TestNetFlow5AsItIsSent(t *testing.T) {
	record := join(ip4, u32(0xc6336414, 0), u16(0xffff, 2), u32(10, 1000, uptime9-9000, uptime9-1000), u16(1024, 443),
		[]byte{0, 0x18, 6, 0}, u16(64500, 64501), []byte{24, 32, 0, 0})
	for _, test := range []struct {
		name     string
		sampling uint16
		count    uint16
		rate     uint64
	}{
		{"mode 1", 1<<14 | 1000, 1, 1000}, {"mode 2", 2<<14 | 1000, 1, 1000}, {"no mode", 1000, 1, 1000}, {"mode without interval", 1 << 14, 1, 0},
		{"a count beyond the datagram", 0, 30, 0},
	} {
		s := newStation(t, func(*netflow.Settings) {})
		s.send(exporterPort, time.Hour, join(u16(5, test.count), u32(uptime9, exported, 0, 1), u16(0, test.sampling), record))
		if r := s.only(); r.SamplingRate != test.rate || r.InIf != 0 || r.OutIf != 2 || r.TCPFlags != 0x18 || r.Bytes != 1000 ||
			r.TimeFlowStartNs != (exported-9)*second || r.TimeFlowEndNs != (exported-1)*second {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}

// Some of Cisco's routers put the type into the source port's lower byte and the code into the upper one (nfdump's change of 15 October 2007). Others have
// an identifier there.
func TestNetFlow5MayHaveICMPInTheSourcePort(t *testing.T) {
	for _, test := range []struct{ source, destination, kind, code uint16 }{
		{8, 0, 8, 0}, {0x0103, 0, 3, 1}, {0x010b, 0, 11, 1}, // an echo, an unreachable host, time exceeded on the way
		{0x1234, 0, 0, 0}, {1, 0, 0, 0}, {0x0108, 0, 0, 0}, {0, 0, 0, 0}, // answers to an echo
		{8, 0x0301, 3, 1},
	} {
		record := join(ip4, ip4, u32(0), u16(1, 2), u32(1, 84, 0, 0), u16(test.source, test.destination), []byte{0, 0, 1, 0}, make([]byte, 8))
		s := newStation(t)
		s.send(exporterPort, time.Hour, join(u16(5, 1), u32(uptime9, exported, 0, 1, 0), record))
		if r := s.only(); r.ICMPType != uint32(test.kind) || r.ICMPCode != uint32(test.code) || r.SrcPort != uint32(test.source) {
			t.Errorf("ports %x and %x: type %d, code %d", test.source, test.destination, r.ICMPType, r.ICMPCode)
		}
	}
}

// Exporters that send datagrams of one size fill them with zeros, and count these.
func TestRecordsOfZerosAreNoFlowsInVersionsWithoutTemplates(t *testing.T) {
	for _, test := range []struct {
		name   string
		header []byte // from the count of records on
		length int
		extra  bool
	}{
		{"version 1", join(u16(1, 3), u32(uptime9, exported, 0)), 48, false},
		{"version 5", join(u16(5, 3), u32(uptime9, exported, 0, 1, 0)), 48, false},
		{"version 6", join(u16(6, 3), u32(uptime9, exported, 0, 1, 0)), 52, false},
		{"version 7", join(u16(7, 3), u32(uptime9, exported, 0, 1, 0)), 52, false},
		{"version 8", join(u16(8, 3), u32(uptime9, exported, 0, 1), []byte{0, 0, 5, 2}, u32(0)), 40, false},
		{"version 8 with the flows of each aggregate", join(u16(8, 3), u32(uptime9, exported, 0, 1), []byte{0, 0, 5, 2}, u32(0)), 40, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.Extra = test.extra })
			zeros := make([]byte, test.length)
			record := join(u32(1, 10, 1000), make([]byte, test.length-12))
			s.send(exporterPort, exported*time.Second, join(test.header, record, zeros, record))
			if len(s.records) != 2 || s.counts[ledger.RecordsDecoded] != 2 || s.counts[ledger.RecordsNotFlows] != 1 {
				t.Errorf("%d flows, %d counted, %d records without a flow: %+v", len(s.records), s.counts[ledger.RecordsDecoded],
					s.counts[ledger.RecordsNotFlows], s.records)
			}
		})
	}
}

// Some exporters send seconds since 1970 in place of uptimes.
func TestNetFlow5MayHaveSecondsSince1970InPlaceOfUptimes(t *testing.T) {
	for _, uptime := range []uint32{0, uptime9} {
		record := join(ip4, ip4, u32(0), u16(1, 2), u32(1, 60, exported-10, exported-5), make([]byte, 16))
		s := newStation(t)
		s.send(exporterPort, exported*time.Second, join(u16(5, 1), u32(uptime, exported, 0, 1, 0), record))
		if r := s.only(); r.TimeFlowStartNs != (exported-10)*second || r.TimeFlowEndNs != (exported-5)*second {
			t.Errorf("an uptime of %d: %d to %d", uptime, r.TimeFlowStartNs, r.TimeFlowEndNs)
		}
	}
}

// A prefix of IPv4 has at most 32 bits: more says that there is none.
func TestNetFlow5And8HaveNoPrefixOfMoreBitsThanAnAddress(t *testing.T) {
	five := join(ip4, ip4, u32(0), u16(1, 2), u32(1, 60, 0, 0), u16(1024, 443), []byte{0, 0, 6, 0}, u16(1, 2), []byte{255, 32, 0, 0})
	eight := join(u32(1, 1, 60, 0, 0), ip4, ip4, []byte{32, 33, 0, 0}, u16(1, 2, 3, 4))
	s := newStation(t)
	s.send(exporterPort, time.Hour, join(u16(5, 1), u32(uptime9, exported, 0, 1, 0), five))
	s.send(exporterPort, time.Hour, join(u16(8, 1), u32(uptime9, exported, 0, 1), []byte{0, 0, 5, 2}, u32(0), eight))
	for i, r := range s.records {
		if r.SrcNet != 0 || r.DstNet != 32 {
			t.Errorf("record %d: prefixes of %d and %d bits", i, r.SrcNet, r.DstNet)
		}
	}
	if len(s.records) != 2 {
		t.Errorf("%d records", len(s.records))
	}
}

// Aggregates by protocol and port have ICMP's type and code where other flows have a port.
func TestNetFlow8HasICMPInTheDestinationPort(t *testing.T) {
	s := newStation(t)
	record := join(u32(1, 1, 84, 0, 0), []byte{1, 0, 0, 0}, u16(0, 0x0301))
	s.send(exporterPort, time.Hour, join(u16(8, 1), u32(uptime9, exported, 0, 1), []byte{0, 0, 2, 2}, u32(0), record))
	if r := s.only(); r.ICMPType != 3 || r.ICMPCode != 1 {
		t.Errorf("type %d, code %d", r.ICMPType, r.ICMPCode)
	}
}

// A capture has other traffic, too: DNS whose number is a version announces hundreds of records (its flags, RFC 1035 section 4.1.1), STUN
// announces its length (RFC 8489 section 5), and both have other lengths than records have.
func TestOtherTrafficIsNoFlow(t *testing.T) {
	record := join(ip4, ip4, u32(0), u16(1, 2), u32(1, 60, 0, 0), u16(1024, 443), []byte{0, 0, 6, 0}, u16(1, 2, 0, 0))
	answer := func(id uint16) []byte {
		return join(u16(id, 0x8180, 1, 7, 0, 0), []byte("\x03www\x07example\x03com\x00"), make([]byte, 130))
	}
	scheme := answer(8)
	scheme[22] = 1
	for _, test := range []struct {
		name    string
		payload []byte
		want    int
	}{
		{"an answer of DNS with the number 5", answer(5), 0},
		{"1", answer(1), 0},
		{"7", answer(7), 0},
		{"8", scheme, 0},
		{"a question of DNS with the number 5", join(u16(5, 0x0100, 1, 0, 0, 1), make([]byte, 89)), 0},
		{"STUN's binding request of 104 bytes", join(u16(1, 84), []byte("!\x12\xa4B"), make([]byte, 96)), 0},
		{"STUN's binding request whose length is that of records", join(u16(1, 92), []byte("!\x12\xa4B"), make([]byte, 104)), 0},
		{"as many as a frame has room for, cut", join(u16(5, 30), u32(uptime9, exported, 0, 1, 0), record, record, record[:20]), 2},
		{"whole records whose number is damaged", join(u16(5, 0x8180), u32(uptime9, exported, 0, 1, 0), record, record), 2},
		{"a record that is cut", join(u16(5, 2), u32(uptime9, exported, 0, 1, 0), record, record[:20]), 1},
	} {
		s := newStation(t)
		s.send(exporterPort, time.Hour, test.payload)
		if len(s.records) != test.want || (s.counts[ledger.RefusedHeader] != 0) != (test.want == 0) {
			t.Errorf("%s: %d records, %d refused", test.name, len(s.records), s.counts[ledger.RefusedHeader])
		}
	}
}
