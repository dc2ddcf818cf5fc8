package packet

import (
	"slices"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

func TestSectionsBeginWhereTheirElementSays(t *testing.T) {
	ip := join(ip4(1, 6, 0), tcp(443, 5000, 0))
	full6 := ip6(1, 6)
	full6[5] = 20
	from := func(a, b byte) []byte { // a packet from a network whose number is an EtherType, where a frame would have one
		packet := slices.Clone(ip)
		packet[12], packet[13] = a, b
		return packet
	}
	label := []byte{0x03, 0xe8, 0x11, 64} // 16001, the last one
	for _, test := range []struct {
		name    string
		section Section
		offset  uint64
		b       []byte
		want    Result
		source  string
		labels  int
	}{
		{"frame", SectionFrame, 0, join(ether(0x800), ip), Complete, "10.0.0.1", 0},
		{"frame without its link layer", SectionFrame, 0, ip, Complete, "10.0.0.1", 0},
		{"frame without its link layer, IPv6", SectionFrame, 0, join(full6, tcp(443, 5000, 0)), Complete, "2000::1", 0},
		{"frame without its link layer, from the network that is TRILL's number", SectionFrame, 0, from(0x22, 0xf3), Complete, "34.243.0.1", 0},
		{"frame without its link layer, from the network that is VN-Tag's number", SectionFrame, 0, from(0x89, 0x26), Complete, "137.38.0.1", 0},
		{"frame from its IP header on", SectionFrame, 14, ip, Complete, "10.0.0.1", 0},
		{"frame from behind its tag on", SectionFrame, 18, ip, Complete, "10.0.0.1", 0},
		{"frame from the middle of its IP header on", SectionFrame, 20, ip[6:], Unsupported, "invalid IP", 0},
		{"frame of another protocol", SectionFrame, 0, join(ether(0x88cc), make([]byte, 40)), Complete, "invalid IP", 0},
		{"packet", SectionIPHeader, 0, ip, Complete, "10.0.0.1", 0},
		{"packet from its middle on", SectionIPHeader, 4, ip[4:], Unsupported, "invalid IP", 0},
		{"labels and packet", SectionMPLSLabels, 0, join(label, ip), Complete, "10.0.0.1", 1},
		{"labels only", SectionMPLSLabels, 0, label, Truncated, "invalid IP", 1},
		{"labels without the first", SectionMPLSLabels, 4, join(label, ip), Complete, "10.0.0.1", 1},
		{"behind labels", SectionMPLSPayload, 0, ip, Complete, "10.0.0.1", 0},
		{"behind labels, a pseudowire", SectionMPLSPayload, 0, make([]byte, 40), Unsupported, "invalid IP", 0},
		{"empty", SectionFrame, 0, nil, Truncated, "invalid IP", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r flow.Record
			if got := DissectSection(&r, test.section, test.offset, test.b, Options{}); got != test.want {
				t.Errorf("result %d, want %d", got, test.want)
			}
			if r.SrcAddr.Addr().String() != test.source || len(r.MPLSLabel) != test.labels {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAPayloadIsReadByTheProtocolThatTheRecordHas(t *testing.T) {
	r := flow.Record{Proto: 17}
	if got := DissectSection(&r, SectionIPPayload, 0, udp(53, 5353), Options{}); got != Complete || r.SrcPort != 53 {
		t.Errorf("result %d: %+v", got, r)
	}
	r = flow.Record{}
	if got := DissectSection(&r, SectionIPPayload, 0, udp(53, 5353), Options{}); got != Unsupported || r.SrcPort != 0 {
		t.Errorf("without a protocol: result %d: %+v", got, r)
	}
}
