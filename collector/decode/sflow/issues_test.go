package sflow

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// TestSamplesThatOthersReportedAsMisread has samples of the kinds that users of collectors reported as misread, by project and number. Each
// sample is sent twice: what the first says must not be the second's, and both are found.
func TestSamplesThatOthersReportedAsMisread(t *testing.T) {
	v6 := []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	ip := join([]byte{0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20}, u32(0x03e807d0, 0x00a20000))
	macs := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	raw := func(protocol, length, stripped uint32, parts ...[]byte) []byte {
		b := join(parts...)
		return tagged(recordRawHeader, u32(protocol, length, stripped, uint32(len(b))), b, make([]byte, -len(b)&3))
	}
	inner := join(macs, []byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64}, v6, v6, u32(0x00350035, 8<<16))
	vxlan := join(macs, []byte{8, 0}, ip[:20], u32(0x03e812b5, 0x00a20000, 8<<24, 5001<<8), inner)
	for _, test := range []struct {
		source, name string
		sample       []byte
		options      Options
		right        func(r *flow.Record) bool
	}{
		{"goflow2 #518, fastnetmon #990", "a header, a frame and an IP packet: the frame's length (sFlow version 5, sampled_header)",
			sample(tagged(recordIPv4, u32(182, 17, 0xc000020a, 0xc6336414, 1000, 2000, 0, 0)), header(),
				tagged(recordEthernet, u32(200, 0x02000000, 0x00020000, 0x02000000, 0x00010000, 0x800))), Options{},
			func(r *flow.Record) bool { return r.Bytes == 200 && r.SrcPort == 1000 && r.Proto == 17 }},
		{"host-sflow #69, akvorado #153", "the device itself is no interface", tagged(formatFlow, u32(1, 2, 100, 19_800, 0, 1<<30-1, 9, 1), frame), Options{},
			func(r *flow.Record) bool { return r.InIf == 0 && r.OutIf == 9 && r.SamplingRate == 100 }},
		{"akvorado #370, elastiflow #410", "large indices of the expanded form",
			tagged(formatExpandedFlow, u32(1, 0, 11_001, 1000, 50_000, 0, 0, 29_001, 0, 1_285_816_721, 1), frame), Options{},
			func(r *flow.Record) bool { return r.InIf == 29_001 && r.OutIf == 1_285_816_721 }},
		{"sflowtool #30", "two tags of the same type", sample(raw(1, 200, 4, macs, []byte{0x81, 0, 0, 100, 0x81, 0, 0, 200, 8, 0}, ip)), Options{},
			func(r *flow.Record) bool { return r.VLANID == 100 && r.SrcVLAN == 0 && r.DstPort == 2000 }},
		{"goflow #79, vflow #50", "a header of IPv4 without a frame", sample(raw(11, 182, 0, ip)), Options{},
			func(r *flow.Record) bool {
				return r.DstPort == 2000 && r.EType == packet.EtherTypeIPv4 && r.Bytes == 182
			}},
		{"sflowtool #8, fastnetmon #626", "Brocade's sample is four bytes longer than its records", tagged(formatFlow, u32(1, 3, 1000, 50_000, 0, 7, 8, 1), frame, u32(0)),
			Options{}, func(r *flow.Record) bool { return r.InIf == 7 && r.OutIf == 8 }},
		{"gopacket #191", "a next hop of IPv6 in an expanded sample", tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50_000, 0, 0, 7, 0, 8, 2), frame,
			tagged(recordRouter, u32(2), v6, u32(48, 32))), Options{},
			func(r *flow.Record) bool {
				return r.NextHop.Addr().String() == "2001:db8::1" && r.SrcNet == 48 && r.DstNet == 32
			}},
		{"logstash-codec-sflow #23", "Brocade's extended_mpls_tunnel between others", sample(tagged(1008, text("lsp-1"), u32(7, 1)), header(), tagged(recordSwitch, u32(10, 0, 20, 0))),
			Options{}, func(r *flow.Record) bool { return r.SrcVLAN == 10 && r.DstVLAN == 20 && r.SrcAddr.Len() != 0 }},
		{"akvorado #1603, vflow #64", "communities and path of the gateway", sample(frame, tagged(recordGateway, u32(1, 0xcb007109, 65000, 64500, 64499, 2, 2, 2, 64501, 64502, 1, 1,
			64503, 2, 65000<<16|1, 65000<<16|2, 100))), Options{}, func(r *flow.Record) bool {
			return slices.Equal(r.BGPCommunities, []uint32{65000<<16 | 1, 65000<<16 | 2}) && slices.Equal(r.ASPath, []uint32{64501, 64502, 64503}) &&
				r.SrcAS == 64500 && r.DstAS == 64503 && r.NextHopAS == 64501
		}},
		{"goflow2 #125, akvorado #173", "without a path and a source it is the router's own AS", sample(frame, tagged(recordGateway, u32(1, 0xcb007109, 65000, 0, 0, 0, 0, 100))),
			Options{}, func(r *flow.Record) bool { return r.SrcAS == 65000 && r.DstAS == 65000 && len(r.ASPath) == 0 }},
		{"pmacct #619", "a path of an AS that does not exist (RFC 7607)", sample(frame, tagged(recordGateway, u32(1, 0xcb007109, 65000, 64500, 0, 1, 2, 1, 0, 0, 100))),
			Options{}, func(r *flow.Record) bool {
				return r.SrcAS == 64500 && r.DstAS == 65000 && r.NextHopAS == 0 && len(r.ASPath) == 0
			}},
		{"nfdump #262", "no gateway, no AS", sample(frame), Options{}, func(r *flow.Record) bool { return r.SrcAS == 0 && r.DstAS == 0 && r.BGPNextHop.Len() == 0 }},
		{"RFC 4291 section 2.5.2", "next hops of zero are none", sample(frame, tagged(recordRouter, u32(1, 0, 24, 16)), tagged(recordGateway, u32(1, 0, 65000, 0, 0, 0, 0, 100))),
			Options{}, func(r *flow.Record) bool { return r.NextHop.Len() == 0 && r.BGPNextHop.Len() == 0 && r.SrcNet == 24 }},
		{"RFC 4291 section 2.5.2", "and leave room for that of the labels", sample(frame, tagged(recordRouter, u32(1, 0, 24, 16)), tagged(recordMPLS, u32(1, 0xcb007101, 1, 0x03e81140, 0))),
			Options{}, func(r *flow.Record) bool { return r.NextHop.Addr().String() == "203.0.113.1" }},
		{"pmacct #887, #224, goflow2 #528", "VXLAN, the carrier's addresses", sample(raw(1, 200, 4, vxlan)), Options{},
			func(r *flow.Record) bool { return r.SrcAddr.Addr().String() == "192.0.2.10" && r.DstPort == 4789 }},
		{"pmacct #887, akvorado #1445", "VXLAN, those inside", sample(raw(1, 200, 4, vxlan)), Options{Inner: true},
			func(r *flow.Record) bool {
				return r.SrcAddr.Addr().String() == "2001:db8::1" && r.DstPort == 53 && r.EType == packet.EtherTypeIPv6
			}},
		{"goflow #11", "the tag of the packet and the VLANs of the switch are two things", sample(raw(1, 200, 4, macs, []byte{0x81, 0, 0, 100, 8, 0}, ip),
			tagged(recordSwitch, u32(100, 0, 300, 0))), Options{},
			func(r *flow.Record) bool { return r.VLANID == 100 && r.SrcVLAN == 100 && r.DstVLAN == 300 }},
		{"akvorado #2071", "a packet that left by nowhere", tagged(formatFlow, u32(1, 3, 16_384, 50_000, 0, 0, 0, 1), frame), Options{},
			func(r *flow.Record) bool { return r.InIf == 0 && r.OutIf == 0 && r.SamplingRate == 16_384 }},
		{"fastnetmon #893", "a frame's length is what the agent says of it, also where it is shorter than the packet", sample(raw(1, 64, 4, macs, []byte{8, 0}, ip)), Options{},
			func(r *flow.Record) bool { return r.Bytes == 64 && r.DstPort == 2000 }},
	} {
		t.Run(test.source+": "+test.name, func(t *testing.T) {
			other := sample(frame, tagged(recordGateway, u32(1, 0xcb007109, 65010, 64510, 0, 1, 2, 1, 64511, 0, 100)), tagged(recordRouter, u32(1, 0xcb007109, 8, 8)),
				tagged(recordVLANTunnel, u32(1, 7)))
			c, counts, _, _ := decode(datagram(other, test.sample, test.sample), test.options)
			if len(c.records) != 3 || counts[ledger.DatagramsTruncated]+counts[ledger.RecordsTruncated]+counts[ledger.SamplesDroppedMalformed] != 0 {
				t.Fatalf("%d records", len(c.records))
			}
			for _, r := range c.records[1:] {
				if !test.right(&r) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// Agents that nobody gave an address send 0.0.0.0: the sender is all that is known of them.
func TestAnAgentWithTheUnspecifiedAddressIsItsSender(t *testing.T) {
	b := datagram(sample(frame))
	copy(b[8:12], make([]byte, 4))
	sender := flow.AddressFrom(netip.MustParseAddr("198.51.100.7"))
	var c collected
	var counts ledger.Counts
	h, _ := Decode(b, 5, sender, Options{}, &flow.Record{}, &counts, &c)
	if h.Agent != sender || c.records[0].SamplerAddress != sender {
		t.Errorf("the agent is %s", h.Agent.Addr())
	}
}

// Agents whose socket is one of IPv6 have IPv4 addresses mapped into it: they are the devices that the operator names by their own addresses.
func TestAnAgentWithAMappedAddressIsThatOfIPv4(t *testing.T) {
	b := datagram(sample(frame))
	mapped := join(b[:4], u32(2, 0, 0, 0xffff, 0xc0000207), b[12:])
	var c collected
	var counts ledger.Counts
	h, outcome := Decode(mapped, 5, flow.AddressFrom(netip.MustParseAddr("198.51.100.7")), Options{}, &flow.Record{}, &counts, &c)
	if want := flow.AddressFrom(netip.MustParseAddr("192.0.2.7")); outcome != ledger.DatagramsDecoded || h.Agent != want || c.records[0].SamplerAddress != want {
		t.Errorf("the agent is %s", h.Agent.Addr())
	}
}
