package netflow_test

import (
	"math"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
)

// report is one record of the kind that users of a collector reported as misread.
type report struct {
	// source is where it was reported, as project and number; what is right by whom stands in the name.
	source, name string
	nine         bool // NetFlow v9; else IPFIX
	fields       []uint16
	values       []byte
	right        func(r *flow.Record) bool
}

func lasts(from, to int64) func(r *flow.Record) bool {
	return func(r *flow.Record) bool {
		return r.TimeFlowStartNs == uint64((exported-from)*int64(second)) && r.TimeFlowEndNs == uint64((exported-to)*int64(second))
	}
}

// TestRecordsThatOthersReportedAsMisread has times, counters, rates and sections as exporters send them.
func TestRecordsThatOthersReportedAsMisread(t *testing.T) {
	const ms = uint64(time.Millisecond)
	ntp := func(before uint64) uint64 { return (exported - before + 2_208_988_800) << 32 }
	tcp := join([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0}, ip4, ip4, u16(1000, 443), make([]byte, 8), []byte{0x50, 0x12}, make([]byte, 6))
	frame := join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(0x8100, 100, 0x8100, 200, 0x800), tcp)
	for _, test := range []report{
		// Times.
		{"goflow2 #305, #325", "the uptime of NetFlow v9 counts milliseconds (RFC 3954 section 8)", true, []uint16{22, 4, 21, 4, 1, 4},
			u32(uptime9-10_000, uptime9-5000, 9), lasts(10, 5)},
		{"nfdump #80", "NX-OS sends uptimes in eight bytes", true, []uint16{22, 8, 21, 8}, u64(uptime9-10_000, uptime9-5000), lasts(10, 5)},
		{"nfdump #80", "what has eight bytes may be milliseconds since 1970", true, []uint16{22, 8, 21, 8}, u64((exported-10)*1000, (exported-5)*1000), lasts(10, 5)},
		{"nfdump #80", "an uptime of more than 32 bits goes on as one that began anew", true, []uint16{22, 8, 21, 8}, u64(1<<32+uptime9-10_000, 1<<32+uptime9-5000), lasts(10, 5)},
		{"netflow_parser #121", "seconds since 1970 in place of uptimes, in NetFlow v9", true, []uint16{22, 4, 21, 4}, u32(exported-10, exported-5), lasts(10, 5)},
		{"netflow_parser #121", "the same in IPFIX", false, []uint16{22, 4, 21, 4}, u32(exported-10, exported-5), lasts(10, 5)},
		{"netflow_parser #121", "seconds of another day are none", false, []uint16{22, 4, 21, 4}, u32(exported-90_000, exported-85_000), lasts(5, 0)},
		{"pmacct #640", "Juniper's flows end just after the header was made", true, []uint16{22, 4, 21, 4}, u32(uptime9-10_000, uptime9+160),
			func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-10)*second && r.TimeFlowEndNs == exported*second+160*ms
			}},
		{"djmdjm/softflowd #8", "an end before the start: no flow ends before it began", true, []uint16{22, 4, 21, 4},
			u32(uptime9-9939, uptime9-10_000), lasts(10, 10)},
		{"nfdump #170, #50", "Sophos sends whole seconds, and no end with some", false, []uint16{150, 4}, u32(exported - 10), lasts(10, 10)},
		{"nfdump #686, vpp #3732", "VPP sends nanoseconds (RFC 7011 section 6.1.10)", false, []uint16{156, 8, 157, 8}, u64(ntp(10), ntp(5)), lasts(10, 5)},
		{"nfdump #38", "Open vSwitch sends microseconds before the export (RFC 5102 section 5.9.6)", false, []uint16{158, 4, 159, 4},
			u32(10_000_000, 5_000_000), lasts(10, 5)},
		{"goflow2 #406", "MikroTik's time of initialization stands behind the uptimes", false, []uint16{22, 4, 21, 4, 160, 8},
			join(u32(90_000, 95_000), u64((exported-100)*1000)), lasts(10, 5)},
		{"any", "a time of initialization in seconds", false, []uint16{22, 4, 21, 4, 160, 8}, join(u32(90_000, 95_000), u64(exported-100)), lasts(10, 5)},
		{"any", "the same in nanoseconds", false, []uint16{22, 4, 21, 4, 160, 8}, join(u32(90_000, 95_000), u64((exported-100)*1e9)), lasts(10, 5)},
		{"ipfix-rita #19", "SonicWall's uptimes without a time of initialization say how long it lasted", false, []uint16{22, 4, 21, 4},
			u32(90_000, 95_000), lasts(5, 0)},
		{"antrea #1417", "seconds in eight bytes", false, []uint16{150, 8, 151, 8}, u64(exported-10, exported-5), lasts(10, 5)},
		{"linux-flow-exporter #33", "the kernel's clock in place of the time is none", false, []uint16{152, 8, 153, 8}, u64(61_676_566, 61_676_578), lasts(0, 0)},
		{"ipt-netflow #253", "nor is it after ten days, when as many seconds would be of 1997", false, []uint16{152, 8, 153, 8}, u64(864_000_000, 864_000_012), lasts(0, 0)},
		{"ipt-netflow #253", "nor in the time of an event", false, []uint16{323, 8, 230, 1, 8, 4, 225, 4}, join(u64(1_200_000_000), []byte{4}, ip4, ip4), lasts(0, 0)},
		{"ipt-netflow #253", "nor in nanoseconds, which may be milliseconds of 1997", false, []uint16{156, 8, 157, 8}, u64(864_000_000_000, 864_000_000_012), lasts(0, 0)},
		{"any", "a time of initialization in seconds, of a year before", false, []uint16{22, 4, 21, 4, 160, 8},
			join(u32((365*86_400_000-10_000)%(1<<32), (365*86_400_000-5000)%(1<<32)), u64(exported-365*86_400)), lasts(10, 5)},
		{"logstash-codec-netflow #132", "Barracuda says how long a flow lasted, and no more", false, []uint16{161, 4}, u32(5000), lasts(5, 0)},
		{"logstash-codec-netflow #132", "the same beside the time of an event", false, []uint16{323, 8, 161, 4}, join(u64((exported-2)*1000), u32(5000)), lasts(7, 2)},
		{"nfdump #62", "an event of address translation has the time it was observed", false, []uint16{323, 8, 230, 1, 8, 4, 225, 4},
			join(u64((exported-3)*1000), []byte{4}, ip4, ip4), lasts(3, 3)},
		{"RFC 7011 section 6.1.9", "the last eleven bits of microseconds say nothing", false, []uint16{154, 8, 155, 8}, u64(ntp(10)|math.MaxUint8, ntp(5)|0x7ff), lasts(10, 5)},
		{"RFC 7011 section 6.1.10", "those of nanoseconds do", false, []uint16{156, 8, 157, 8}, u64(ntp(10)|0x7ff, ntp(5)|0x7ff), func(r *flow.Record) bool {
			return r.TimeFlowStartNs == (exported-10)*second+476 && r.TimeFlowEndNs == (exported-5)*second+476
		}},
		{"python-ipfix #14", "NTP's format with seconds since 1970", false, []uint16{154, 8, 155, 8}, u64((exported-10)<<32, (exported-5)<<32), lasts(10, 5)},
		{"python-ipfix #14", "the same with nanoseconds, and fractions", false, []uint16{156, 8, 157, 8}, u64((exported-10)<<32|1<<31, (exported-5)<<32|3<<30),
			func(r *flow.Record) bool {
				return r.TimeFlowStartNs == (exported-10)*second+500*ms && r.TimeFlowEndNs == (exported-5)*second+750*ms
			}},
		{"RFC 7011 section 6.1.9", "a small fraction is one", false, []uint16{154, 8, 155, 8}, u64(ntp(10)|500_000, ntp(5)|999_999),
			func(r *flow.Record) bool {
				return r.TimeFlowStartNs-(exported-10)*second < ms && r.TimeFlowEndNs-(exported-5)*second < ms
			}},
		{"any", "seconds of four bytes where microseconds belong", false, []uint16{154, 4, 155, 4}, u32(exported-10, exported-5), lasts(10, 5)},
		{"any", "milliseconds where seconds belong", false, []uint16{150, 8, 151, 8}, u64((exported-10)*1000, (exported-5)*1000), lasts(10, 5)},
		{"any", "seconds where milliseconds belong", false, []uint16{152, 8, 153, 8}, u64(exported-10, exported-5), lasts(10, 5)},
		{"any", "microseconds where milliseconds belong", false, []uint16{152, 8, 153, 8}, u64((exported-10)*1e6, (exported-5)*1e6), lasts(10, 5)},
		{"any", "seconds where microseconds belong", false, []uint16{154, 8, 155, 8}, u64(exported-10, exported-5), lasts(10, 5)},
		{"IANA 359, 360", "Cisco's performance monitor says in which interval it measured", false, []uint16{359, 8, 360, 8},
			u64((exported-300)*1000, (exported-5)*1000), lasts(300, 5)},
		{"IANA 359, 360", "the flow's own times count before that", true, []uint16{359, 8, 360, 8, 22, 4, 21, 4},
			join(u64((exported-300)*1000, (exported-5)*1000), u32(uptime9-20_000, uptime9-10_000)), lasts(20, 10)},
		{"IANA 359, 360", "and so does the time of an event", false, []uint16{359, 8, 360, 8, 323, 8},
			u64((exported-300)*1000, (exported-5)*1000, (exported-7)*1000), lasts(7, 7)},
		// Counters.
		{"nfdump #22", "FortiGate counts with eight bytes, before and after", true, []uint16{1, 8, 23, 8, 2, 4}, join(u64(1<<40, 7), u32(3)),
			func(r *flow.Record) bool { return r.Bytes == 1<<40 && r.Packets == 3 }},
		{"ipt-netflow #30, ntop/nProbe #202", "and IPFIX may with four (RFC 7011 section 6.2)", false, []uint16{1, 4, 2, 4}, u32(752_004, 6963),
			func(r *flow.Record) bool { return r.Bytes == 752_004 && r.Packets == 6963 }},
		{"akvorado #191, ntop/nProbe #307", "totals alone", false, []uint16{85, 8, 86, 8}, u64(1000, 10),
			func(r *flow.Record) bool { return r.Bytes == 1000 && r.Packets == 10 }},
		{"DataDog #52198", "what left is not the other direction", false, []uint16{1, 8, 2, 8, 23, 8, 24, 8}, u64(1000, 10, 900, 9),
			func(r *flow.Record) bool { return r.Bytes == 1000 && r.Packets == 10 }},
		{"akvorado #1156, pmacct #502", "a firewall's initiator", true, []uint16{231, 4, 232, 4, 298, 8, 299, 8}, join(u32(1000, 9000), u64(10, 70)),
			func(r *flow.Record) bool { return r.Bytes == 1000 && r.Packets == 10 }},
		{"antrea #7882", "no count is negative", false, []uint16{1, 8, 2, 8}, u64(math.MaxUint64, math.MaxUint64-99),
			func(r *flow.Record) bool { return r.Bytes == 0 && r.Packets == 0 }},
		{"RFC 7011 section 6.2", "four bytes with all bits set are a count", false, []uint16{1, 4, 2, 4}, u32(math.MaxUint32, math.MaxUint32),
			func(r *flow.Record) bool { return r.Bytes == math.MaxUint32 && r.Packets == math.MaxUint32 }},
		{"nfdump #364", "CloudGenix counts nothing", false, []uint16{8, 4, 12, 4}, join(ip4, ip4), func(r *flow.Record) bool { return r.Bytes == 0 && r.SrcAddr.Len() == 4 }},
		// Layouts.
		{"telegraf #14370, scapy #4198", "fields of no bytes between others", false, []uint16{11, 2, 150, 0, 151, 0, 8, 4}, join(u16(443), ip4),
			func(r *flow.Record) bool { return r.DstPort == 443 && r.SrcAddr.Addr().String() == "192.0.2.10" }},
		{"logstash-codec-netflow #181", "Palo Alto's flow id has eight bytes", true, []uint16{8, 4, 148, 8, 12, 4}, join(ip4, u64(1), ip4),
			func(r *flow.Record) bool { return r.DstAddr.Len() == 4 }},
		{"pmacct #674", "several paddings of different lengths", false, []uint16{210, 3, 8, 4, 210, 1, 12, 4, 210, 2}, join(make([]byte, 3), ip4, []byte{9}, ip4, u16(9)),
			func(r *flow.Record) bool { return r.SrcAddr == r.DstAddr && r.SrcAddr.Len() == 4 }},
		{"goflow2 #76", "H3C sends names of variable length in NetFlow v9", true, []uint16{8, 4, 96, 65535, 12, 4}, join(ip4, []byte{3, 'd', 'n', 's'}, ip4),
			func(r *flow.Record) bool { return r.DstAddr.Len() == 4 }},
		{"vflow #80, pmacct #292", "strings of variable length before numbers", false, []uint16{82, 65535, 1, 4}, join([]byte{2, 'e', '0'}, u32(9)),
			func(r *flow.Record) bool { return r.Bytes == 9 }},
		// Numbers that are none.
		{"RFC 7011 section 6.2", "a mask in place of a prefix's length", false, []uint16{8, 4, 9, 4, 13, 4}, join(ip4, u32(0xffffff00, 0xffffffff)),
			func(r *flow.Record) bool { return r.SrcNet == 24 && r.DstNet == 32 }},
		{"RFC 7012 section 5", "no prefix has 255 bits, and none such a mask", false, []uint16{8, 4, 9, 1, 13, 4}, join(ip4, []byte{255}, u32(0xff00ff00)),
			func(r *flow.Record) bool { return r.SrcNet == 0 && r.DstNet == 0 }},
		{"RFC 7012 section 5", "no prefix of IPv4 has more than 32 bits", false, []uint16{9, 1, 13, 1, 8, 4, 12, 4}, join([]byte{64, 32}, ip4, ip4),
			func(r *flow.Record) bool { return r.SrcNet == 0 && r.DstNet == 32 }},
		{"RFC 7012 section 5", "one of IPv6 has", false, []uint16{29, 1, 27, 16}, join([]byte{64, 0x20, 1}, make([]byte, 15)),
			func(r *flow.Record) bool { return r.SrcNet == 64 }},
		{"akvorado #1097, nfdump #454", "an AS that is nobody's (RFC 7300) is told as it was exported", false, []uint16{16, 4, 17, 4}, u32(math.MaxUint32, 0),
			func(r *flow.Record) bool { return r.SrcAS == math.MaxUint32 && r.DstAS == 0 }},
		{"ntop/ntopng #4084", "a VLAN", true, []uint16{58, 2}, u16(95), func(r *flow.Record) bool { return r.SrcVLAN == 95 && r.VLANID == 95 }},
		{"logstash-codec-netflow #153, goflow2 #95", "a label has 20 of 24 bits", true, []uint16{70, 3}, []byte{0x03, 0xe8, 0x11},
			func(r *flow.Record) bool { return len(r.MPLSLabel) == 1 && r.MPLSLabel[0] == 16001 }},
		{"RFC 7270 section 4.12", "a forwarding status in four bytes", false, []uint16{89, 4}, u32(130), func(r *flow.Record) bool { return r.ForwardingStatus == 130 }},
		{"RFC 7270 section 4.12", "the same with three bytes for extensions", false, []uint16{89, 4}, u32(0x40000000), func(r *flow.Record) bool { return r.ForwardingStatus == 64 }},
		{"vpp #3459", "an EtherType in the right order", false, []uint16{56, 6, 256, 2}, []byte{2, 0, 0, 0, 0, 1, 0x08, 0x00},
			func(r *flow.Record) bool { return r.EType == 0x800 }},
		{"vpp #3459", "VPP's EtherType has its bytes in the wrong order: IPv4", false, []uint16{56, 6, 256, 2}, []byte{2, 0, 0, 0, 0, 1, 0x00, 0x08}, func(r *flow.Record) bool { return r.EType == 0x800 }},
		{"vpp #3459", "IPv6", false, []uint16{56, 6, 256, 2}, []byte{2, 0, 0, 0, 0, 1, 0xdd, 0x86}, func(r *flow.Record) bool { return r.EType == 0x86dd }},
		{"vpp #3459", "a tag", false, []uint16{56, 6, 256, 2}, []byte{2, 0, 0, 0, 0, 1, 0x00, 0x81}, func(r *flow.Record) bool { return r.EType == 0x8100 }},
		{"IEEE 802.3 clause 3.2.6", "a length is no EtherType", false, []uint16{56, 6, 256, 2}, []byte{2, 0, 0, 0, 0, 1, 0x00, 0x26},
			func(r *flow.Record) bool { return r.EType == 0 }},
		// ICMP.
		{"pmacct #924, Nemea #18, nfdump #346", "type and code in the destination port", false, []uint16{4, 1, 11, 2}, []byte{1, 3, 1},
			func(r *flow.Record) bool { return r.ICMPType == 3 && r.ICMPCode == 1 }},
		{"RFC 792", "an answer to an echo, whose ports are its identifier", true, []uint16{4, 1, 7, 2, 11, 2, 176, 1, 177, 1}, []byte{1, 0, 0, 0x12, 0x34, 0, 0},
			func(r *flow.Record) bool { return r.ICMPType == 0 && r.ICMPCode == 0 && r.DstPort == 0x1234 }},
		{"RFC 792", "the same in one element", true, []uint16{4, 1, 11, 2, 32, 2}, []byte{1, 0x12, 0x34, 0, 0},
			func(r *flow.Record) bool { return r.ICMPType == 0 && r.ICMPCode == 0 }},
		{"RFC 4443 section 2.1", "ICMPv6 has no type 0", false, []uint16{4, 1, 11, 2, 139, 2}, []byte{58, 129, 0, 0, 0},
			func(r *flow.Record) bool { return r.ICMPType == 129 && r.ICMPCode == 0 }},
		// Rates and sections.
		{"goflow2 #113, akvorado #417", "RouterOS sends an interval's bytes in the wrong order", false, []uint16{8, 4, 34, 4}, join(ip4, u32(0xe8030000)),
			func(r *flow.Record) bool { return r.SamplingRate == 1000 }},
		{"goflow2 #113", "a power of two", false, []uint16{8, 4, 34, 4}, join(ip4, u32(0x00040000)),
			func(r *flow.Record) bool { return r.SamplingRate == 1024 }},
		{"goflow2 #113", "every packet", false, []uint16{8, 4, 34, 4}, join(ip4, u32(0x01000000)), func(r *flow.Record) bool { return r.SamplingRate == 1 }},
		{"Juniper", "a large interval in the right order", false, []uint16{8, 4, 34, 4}, join(ip4, u32(16_000_000)),
			func(r *flow.Record) bool { return r.SamplingRate == 16_000_000 }},
		{"an interval that may be either", "the right order", false, []uint16{8, 4, 34, 4}, join(ip4, u32(65536)),
			func(r *flow.Record) bool { return r.SamplingRate == 65536 }},
		{"an interval that its exporter does not know", "none", false, []uint16{8, 4, 34, 4}, join(ip4, u32(0xffffffff)),
			func(r *flow.Record) bool { return r.SamplingRate == 0 }},
		{"one that it does not know beside one that it does", "the one it does", false, []uint16{8, 4, 34, 4, 50, 4}, join(ip4, u32(100), u32(0xffffffff)),
			func(r *flow.Record) bool { return r.SamplingRate == 100 }},
		{"akvorado #841", "Huawei's interval stands in the record", true, []uint16{8, 4, 34, 4}, join(ip4, u32(1000)), func(r *flow.Record) bool { return r.SamplingRate == 1000 }},
		{"akvorado #1189", "Nokia takes one and leaves 499 (RFC 5477 section 8.2)", false, []uint16{305, 4, 306, 4}, u32(1, 499),
			func(r *flow.Record) bool { return r.SamplingRate == 500 }},
		{"RFC 7014 section 5.2", "one packet of ten, and of such flows one of four", false, []uint16{305, 4, 306, 4, 396, 4, 397, 4}, u32(1, 9, 1, 3),
			func(r *flow.Record) bool { return r.SamplingRate == 40 }},
		{"RFC 7014 section 5.2", "one flow is taken and 99 are left", false, []uint16{396, 4, 397, 4}, u32(1, 99), func(r *flow.Record) bool { return r.SamplingRate == 100 }},
		{"RFC 7014 section 5.2", "flows of two microseconds are taken, of eight left", false, []uint16{398, 8, 399, 8}, u64(2, 8), func(r *flow.Record) bool { return r.SamplingRate == 5 }},
		{"ntop/nProbe #152", "NetFlow-Lite sends frames, padded", true, []uint16{104, uint16(len(frame) + 20)}, join(frame, make([]byte, 20)), func(r *flow.Record) bool {
			return r.DstPort == 443 && r.VLANID == 100 && r.Packets == 1 && r.Bytes == uint64(22+60)
		}},
		{"RFC 5477 section 8.5", "a packet beside interfaces and a protocol that nobody filled in", false, []uint16{4, 1, 10, 4, 14, 4, 313, uint16(len(tcp))},
			join([]byte{0}, u32(5, 6), tcp), func(r *flow.Record) bool { return r.InIf == 5 && r.OutIf == 6 && r.Proto == 6 && r.SrcPort == 1000 }},
		{"RFC 4291 section 2.5.2", "a packet beside addresses that nobody filled in", false, []uint16{8, 4, 12, 4, 27, 16, 28, 16, 313, uint16(len(tcp))},
			join(make([]byte, 40), tcp), func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "192.0.2.10" && r.DstPort == 443 && r.Packets == 1 && r.Bytes == 60
			}},
		{"RFC 5477 section 8.5", "a packet beside the flow's own addresses", false, []uint16{8, 4, 12, 4, 313, uint16(len(tcp))},
			join([]byte{198, 51, 100, 1, 198, 51, 100, 2}, tcp), func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "198.51.100.1" && r.DstPort == 0 && r.Packets == 0
			}},
	} {
		t.Run(test.source+": "+test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.StandInCounters = true })
			// A source port beside it makes a flow of what would be none.
			layout := join(u16(300, uint16(1+len(test.fields)/2)), u16(test.fields...), u16(5, 1))
			values := join(test.values, []byte{8})
			if _, port := index(test.fields, 7); !port {
				layout, values = join(u16(300, uint16(2+len(test.fields)/2)), u16(test.fields...), u16(5, 1, 7, 2)), join(values, u16(9))
				if _, section := index(test.fields, 104, 313); section {
					layout, values = layout[:len(layout)-4], values[:len(values)-2]
					layout[3]--
				}
			}
			if test.nine {
				s.netflow9(set(0, layout), set(300, values))
			} else {
				s.ipfix(set(2, layout), set(300, values))
			}
			if r := s.only(); !test.right(&r) {
				t.Errorf("%d to %d seconds before the export: %+v", exported-int64(r.TimeFlowStartNs/second), exported-int64(r.TimeFlowEndNs/second), r)
			}
		})
	}
}

// index finds the first of ids among the fields of a layout.
func index(fields []uint16, ids ...uint16) (int, bool) {
	for i := 0; i < len(fields); i += 2 {
		for _, id := range ids {
			if fields[i] == id {
				return i / 2, true
			}
		}
	}
	return 0, false
}

// TestMessagesThatOthersReportedAsMisread has what hangs on more than one record.
func TestMessagesThatOthersReportedAsMisread(t *testing.T) {
	flows := u16(300, 2, 1, 4, 48, 1)
	for _, test := range []struct {
		source, name string
		send         func(s *station)
		bytes        []uint64
		rates        []uint64
	}{
		{"akvorado #997", "two samplers in one domain", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 1, 4, 48, 4, 50, 4)), set(0, flows), set(400, u32(1, 1, 2000, 1, 2, 4000)))
			s.netflow9(set(300, u32(9), []byte{2}, u32(8), []byte{1}))
		}, []uint64{9, 8}, []uint64{4000, 2000}},
		{"akvorado #89", "the sampler's table and the flows in one packet", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 12, 1, 4, 48, 4, 49, 1, 50, 4)), set(400, u32(1, 1), []byte{2}, u32(100)), set(0, flows), set(300, u32(9), []byte{1}))
		}, []uint64{9}, []uint64{100}},
		{"akvorado #89", "the sampler's table behind the flows, in one packet", func(s *station) {
			s.netflow9(set(0, flows), set(300, u32(9), []byte{1}), set(1, u16(400, 4, 8, 1, 4, 48, 4, 50, 4)), set(400, u32(1, 1, 100)), set(300, u32(8), []byte{1}))
			s.netflow9(set(300, u32(7), []byte{1}), set(400, u32(1, 1, 200)))
		}, []uint64{8, 9, 7}, []uint64{100, 100, 100}},
		{"any", "a rate of all flows, behind them in one message", func(s *station) {
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(9)), set(3, u16(400, 2, 1, 144, 4, 34, 4)), set(400, u32(1, 1000)))
		}, []uint64{9}, []uint64{1000}},
		{"pmacct #473", "an options template a byte too long", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 9, 1, 4, 48, 4, 50, 4)), set(0, flows), set(400, u32(1, 1, 100)), set(300, u32(9), []byte{1}))
		}, []uint64{9}, []uint64{100}},
		{"fluent-plugin-netflow #33", "an options template without its padding", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 1, 4, 48, 4, 50, 4)), set(0, flows), set(400, u32(1, 1, 100)), set(300, u32(9), []byte{1}))
		}, []uint64{9}, []uint64{100}},
		{"nfdump #231, pmacct #764", "options whose scope is a name of variable length", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 2, 236, 65535, 149, 4, 34, 4)), set(2, u16(300, 1, 1, 4)), set(400, []byte{3, 'r', 'e', 'd'}, u32(7, 1000)), set(300, u32(9)))
		}, []uint64{9}, []uint64{1000}},
		{"IANA 61", "a rate for each direction of an interface, of flows that were metered as they came and as they left", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 2, 4, 34, 4, 61, 1)), set(400, u32(1, 1000), []byte{0}, u32(2, 2000), []byte{1}),
				set(0, u16(300, 4, 1, 4, 10, 4, 14, 4, 61, 1)), set(300, u32(9, 1, 2), []byte{0}, u32(8, 1, 2), []byte{1}, u32(7, 3, 2), []byte{0}))
		}, []uint64{9, 8, 7}, []uint64{1000, 2000, 2000}},
		{"RFC 3954 section 6.1", "a rate for each interface, of flows that were metered as they came and as they left", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 2, 4, 34, 4)), set(400, u32(1, 1000, 2, 2000)), set(0, u16(300, 4, 1, 4, 10, 4, 14, 4, 61, 1)),
				set(300, u32(9, 1, 2), []byte{0}, u32(8, 1, 2), []byte{1}, u32(7, 2, 1), []byte{1}, u32(6, 3, 2), []byte{0}))
		}, []uint64{9, 8, 7, 6}, []uint64{1000, 2000, 1000, 0}},
		{"RFC 3954 section 6.1", "of flows that do not say where, it is the one of the interface that is sampled", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 2, 4, 34, 4)), set(400, u32(1, 1000, 2, 2000)), set(0, u16(300, 3, 1, 4, 10, 4, 14, 4)),
				set(300, u32(9, 1, 2, 8, 3, 2, 7, 3, 4)))
		}, []uint64{9, 8, 7}, []uint64{1000, 2000, 0}},
		{"Plixer, on Juniper's MX", "a direction of 255 says nothing", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 2, 4, 34, 4)), set(400, u32(2, 2000)), set(0, u16(300, 4, 1, 4, 10, 4, 14, 4, 61, 1)),
				set(300, u32(9, 1, 2), []byte{255}, u32(8, 3, 4), []byte{255}))
		}, []uint64{9, 8}, []uint64{2000, 0}},
		{"RFC 7011 section 7", "the direction behind a field of variable length", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 10, 4, 34, 4, 61, 1)), set(400, u32(1, 1000), []byte{0}),
				set(3, u16(401, 3, 1, 14, 4, 34, 4, 61, 1)), set(401, u32(2, 2000), []byte{1}), set(2, u16(300, 5, 82, 65535, 1, 4, 10, 4, 14, 4, 61, 1)),
				set(300, []byte{2, 'e', '0'}, u32(9, 1, 2), []byte{1}, []byte{0}, u32(8, 1, 2), []byte{0}))
		}, []uint64{9, 8}, []uint64{2000, 1000}},
		{"Cisco, interface-table", "the interface of a rate stands behind the scope System", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 1, 4, 10, 4, 34, 4)), set(400, u32(7, 1, 1000, 7, 2, 2000)), set(0, u16(300, 3, 1, 4, 10, 4, 14, 4)),
				set(300, u32(9, 1, 2, 8, 2, 1)))
		}, []uint64{9, 8}, []uint64{1000, 2000}},
		{"RFC 5476 section 6.5", "packets say which selectors they passed one behind the other, and options what these took", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 301, 4, 10, 4, 302, 4, 302, 4), u16(401, 3, 1, 302, 4, 305, 4, 306, 4), u16(402, 3, 1, 301, 4, 10, 4, 302, 4)),
				set(400, u32(7, 1, 1, 2)), set(401, u32(1, 1, 9, 2, 1, 4)), set(402, u32(8, 1, 2)), set(2, u16(300, 2, 1, 4, 301, 8)),
				set(300, u32(9), u64(7), u32(8), u64(8), u32(7), u64(9)))
		}, []uint64{9, 8, 7}, []uint64{50, 5, 0}},
		{"pmacct #764", "rates of interfaces that only have names, which differ: nothing says whose a flow's is", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 82, 65535, 34, 4)), set(400, []byte{4, 'e', 't', 'h', '0'}, u32(100), []byte{9}, []byte("Ethernet1"), u32(200)),
				set(2, u16(300, 2, 1, 4, 10, 4)), set(300, u32(9, 1)))
		}, []uint64{9}, []uint64{0}},
		{"pmacct #764", "a name is the same whatever was in memory behind it", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 82, 8, 34, 4)), set(400, []byte("eth0\x00abc"), u32(100), []byte("eth0\x00xyz"), u32(200)), set(2, u16(300, 2, 1, 4, 10, 4)),
				set(300, u32(9, 1)))
		}, []uint64{9}, []uint64{200}},
		{"pmacct #764", "the same that agree", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 82, 65535, 34, 4)), set(400, []byte{4, 'e', 't', 'h', '0'}, u32(100), []byte{9}, []byte("Ethernet1"), u32(100)),
				set(2, u16(300, 2, 1, 4, 10, 4)), set(300, u32(9, 1)))
		}, []uint64{9}, []uint64{100}},
		{"RFC 5476 section 6.5", "selectors of a sequence that take all that matches, and one whose rate changes behind the sequence's report", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 301, 4, 10, 4, 302, 4, 302, 4), u16(401, 4, 1, 302, 4, 304, 2, 305, 4, 306, 4), u16(402, 2, 1, 302, 4, 304, 2)),
				set(400, u32(7, 1, 1, 2)), set(402, u32(1), u16(5)), set(401, u32(2), u16(1), u32(1, 4)), set(2, u16(300, 2, 1, 4, 301, 8)), set(300, u32(9), u64(7)))
			s.ipfix(set(401, u32(2), u16(1), u32(1, 9)), set(300, u32(8), u64(7)))
		}, []uint64{9, 8}, []uint64{5, 10}},
		{"RFC 5476 section 6.5", "a sequence of one selector, with its rate beside it", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 301, 4, 302, 4, 305, 4, 306, 4)), set(400, u32(7, 1, 1, 9)), set(2, u16(300, 2, 1, 4, 301, 8), u16(301, 2, 1, 4, 302, 8)),
				set(300, u32(9), u64(7)), set(301, u32(8), u64(1)))
		}, []uint64{9, 8}, []uint64{10, 10}},
		{"RFC 7011 section 8", "flows that waited for their template have the rate that comes with it", func(s *station) {
			s.ipfix(set(300, u32(9)))
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(3, u16(400, 2, 1, 149, 4, 34, 4)), set(400, u32(7, 1000)), set(300, u32(8)))
		}, []uint64{8, 9}, []uint64{1000, 1000}},
		{"IANA 61", "metered as it left by an interface of which nobody said a rate", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 2, 4, 34, 4)), set(400, u32(1, 1000)), set(0, u16(300, 4, 1, 4, 10, 4, 14, 4, 61, 1)), set(300, u32(9, 1, 2), []byte{1}))
		}, []uint64{9}, []uint64{0}},
		{"RFC 5476 section 6.5", "the sequence of selectors says its rate itself", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 301, 4, 305, 4, 306, 4)), set(400, u32(7, 1, 9, 8, 1, 4)), set(2, u16(300, 2, 1, 4, 301, 8)),
				set(300, u32(9), u64(7), u32(8), u64(8)))
		}, []uint64{9, 8}, []uint64{10, 5}},
		{"ipt-netflow #138, #185", "ipt_NETFLOW says of its selector how many flows it leaves out (RFC 7014)", func(s *station) {
			s.ipfix(set(3, u16(400, 5, 1, 149, 4, 302, 2, 390, 2, 396, 4, 397, 4)), set(400, u32(7), u16(1, 1), u32(1, 19)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{20}},
		{"RFC 7014 section 5.2", "some flows are taken at random out of so many", func(s *station) {
			s.ipfix(set(3, u16(400, 6, 1, 149, 4, 302, 2, 390, 2, 309, 4, 310, 4, 396, 4)), set(400, u32(7), u16(1, 3), u32(1, 20, 0)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{20}},
		{"RFC 7014 section 8", "one packet of a hundred, and of such flows one of four at random", func(s *station) {
			s.ipfix(set(3, u16(400, 6, 1, 149, 4, 302, 2, 34, 4, 390, 2, 309, 4, 310, 4)), set(400, u32(7), u16(1), u32(100), u16(3), u32(1, 4)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{400}},
		{"RFC 7014 section 8", "one packet of ten by count, and of such flows one of four at random", func(s *station) {
			s.ipfix(set(3, u16(400, 8, 1, 149, 4, 302, 2, 304, 2, 305, 4, 306, 4, 390, 2, 309, 4, 310, 4)),
				set(400, u32(7), u16(1, 1), u32(1, 9), u16(3), u32(1, 4)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{40}},
		{"RFC 7014 section 8", "one packet of a hundred, and flows by their properties", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 149, 4, 302, 2, 34, 4, 390, 2)), set(400, u32(7), u16(1), u32(100), u16(5)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{100}},
		{"RFC 7014 section 5.1", "flows that match properties are chosen, not sampled", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 149, 4, 302, 2, 390, 2, 396, 4)), set(400, u32(7), u16(1, 5), u32(20)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 2)), set(300, u32(9), u16(1)))
		}, []uint64{9}, []uint64{0}},
		{"scapy #3831, #1758", "padding that the lengths of sets leave out", func(s *station) {
			s.netflow9(set(0, u16(300, 2, 1, 4, 4, 1)), set(300, u32(9), []byte{6}), make([]byte, 3), set(300, u32(8), []byte{6}, u32(7), []byte{6}), make([]byte, 2),
				set(300, u32(5), []byte{6}), make([]byte, 3))
		}, []uint64{9, 8, 7, 5}, []uint64{0, 0, 0, 0}},
		{"scapy #3831", "the same of an options template, in IPFIX", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 149, 4, 34, 4)), make([]byte, 2), set(2, u16(300, 1, 1, 4)), set(400, u32(7, 1000)), set(300, u32(9)))
		}, []uint64{9}, []uint64{1000}},
		{"RFC 3954 section 5.2", "a set of templates behind one of odd length is no padding", func(s *station) {
			s.netflow9(set(0, u16(300, 2, 1, 4, 4, 1)), set(300, u32(9), []byte{6}), set(0, u16(301, 2, 1, 4, 4, 1)), set(301, u32(8), []byte{6}))
		}, []uint64{9, 8}, []uint64{0, 0}},
		{"ipfixcol #91", "NetFlow v9 without padding", func(s *station) {
			s.netflow9(set(0, u16(300, 2, 1, 4, 4, 1)), set(300, u32(9), []byte{6}), set(300, u32(8), []byte{6}))
		}, []uint64{9, 8}, []uint64{0, 0}},
		{"CWSL_DIGI #15", "a set of no length ends the message, not what came before", func(s *station) {
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(9)), u16(300, 0), u32(8), []byte{1})
		}, []uint64{9}, []uint64{0}},
		{"CWSL_DIGI #15", "a set of no length has the records that are whole", func(s *station) {
			s.ipfix(set(2, u16(300, 1, 1, 4)), u16(300, 0), u32(9<<24, 8<<24), set(300, u32(7)))
		}, []uint64{9 << 24, 8 << 24, 7}, []uint64{0, 0, 0}},
		{"CWSL_DIGI #15", "a length without its upper byte", func(s *station) {
			s.ipfix(set(2, u16(300, 2, 1, 4, 2, 252)), u16(300, (4+2*256)&0xff), u32(9<<24), make([]byte, 252), u32(8<<24), make([]byte, 252))
		}, []uint64{9 << 24, 8 << 24}, []uint64{0, 0}},
		{"CWSL_DIGI #15", "a set of templates six bytes too short", func(s *station) {
			s.ipfix(join(u16(2, 4+16-6), u16(300, 2, 1, 4, 0x8002, 4, 0, 30351)), set(300, u32(9, 1)))
		}, []uint64{9}, []uint64{0}},
		{"RFC 7011 section 3.3.2", "sets of nothing but their header", func(s *station) {
			s.ipfix(set(2), set(3), set(300), set(2, u16(300, 1, 1, 4)), set(300), set(300, u32(9)), set(300))
		}, []uint64{9}, []uint64{0}},
		{"softflowd #37", "the uptime in place of the time of export", func(s *station) {
			s.send(exporterPort, exported*time.Second, join(u16(9, 2), u32(uptime9, 100, 1, 7), set(0, u16(300, 3, 22, 4, 21, 4, 1, 4)),
				set(300, u32(uptime9-10_000, uptime9-5000, 9))))
			if r := s.only(); !lasts(10, 5)(&r) {
				s.t.Errorf("%d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
			}
		}, []uint64{9}, []uint64{0}},
		{"nfdump #375, #264, #36", "IOS XR says in options since when uptimes count", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 144, 4, 160, 8)), set(400, u32(1), u64((exported-100)*1000)))
			s.ipfix(set(2, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(90_000, 95_000, 9)))
			if r := s.only(); !lasts(10, 5)(&r) {
				s.t.Errorf("%d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
			}
		}, []uint64{9}, []uint64{0}},
	} {
		t.Run(test.source+": "+test.name, func(t *testing.T) {
			s := newStation(t)
			test.send(s)
			if len(s.records) != len(test.bytes) {
				t.Fatalf("%d records; problems %v", len(s.records), s.problems)
			}
			for i, r := range s.records {
				if r.Bytes != test.bytes[i] || r.SamplingRate != test.rates[i] {
					t.Errorf("record %d: %d bytes at rate %d", i, r.Bytes, r.SamplingRate)
				}
			}
		})
	}
}
