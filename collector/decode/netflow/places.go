package netflow

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/template"
)

// source is an information element that fills a place.
type source struct {
	enterprise uint32
	id         uint16
	operation  operation
	// implies is the IP protocol that a flow with this element has, 0 where it may have any.
	implies uint8
}

// place is a field of FlowMessage, or what several of them are worked out from, and who fills it.
type place struct {
	// field is its name in JSON.
	field string
	// order has the elements that fill it, the best first; those within one step are as good as each other, and stand in the order
	// of the template.
	order [][]source
	// special says in the words of the documentation which values are none, and what else there is to know.
	special string
}

// iana are elements of IANA's registry, and the field types of NetFlow v9 that share their numbers (RFC 3954 section 8, RFC 7012).
func iana(op operation, ids ...uint16) []source {
	var out []source
	for _, id := range ids {
		out = append(out, source{id: id, operation: op})
	}
	return out
}

// of are elements of another enterprise.
func of(enterprise uint32, op operation, ids ...uint16) []source {
	var out []source
	for _, id := range ids {
		out = append(out, source{enterprise: enterprise, id: id, operation: op})
	}
	return out
}

// implying makes sources say which protocol their flows have.
func implying(protocol uint8, sources []source) []source {
	for i := range sources {
		sources[i].implies = protocol
	}
	return sources
}

func either(lists ...[]source) (out []source) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// Private enterprise numbers (IANA "Private Enterprise Numbers").
const (
	enterpriseCisco   = 9
	enterpriseJuniper = 2636
	enterpriseIxia    = 3054
	enterpriseCERT    = 6871
	enterpriseNtop    = 35632

	enterpriseNetScaler = 5951
	enterprisePaloAlto  = 25461
)

// IP protocols that elements imply.
const (
	protocolICMP   = 1
	protocolIGMP   = 2
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// places is the whole of what records are read for. The documentation's table is checked against it.
var places = []place{
	{"bytes", [][]source{iana(opBytes, 1), iana(opPacketBytes, 312), iana(opPacketBytes, 224), iana(opPacketBytes, 242),
		iana(opPacketBytes, 190)},
		"none: above 9223372036854775807, a negative difference (fields_invalid counts them). Where a template has no delta count, others stand in: 23, 85, 231, 171, 352, 353, 417, 420, what a client sent (9.8338, in NetFlow v9 41106), and what a host sent (9.12347). 312, 224, 242 and 190 are the " +
			"length of a single packet: 312 is read where a template does not count bytes, the others where it counts neither bytes nor packets"},
	{"packets", [][]source{iana(opPackets, 2)},
		"as bytes; others stand in: 24, 86, 298, 172, 430, 431"},
	{"src_addr", [][]source{either(iana(opSrcIPv4, 8), iana(opSrcIPv6, 27)), either(iana(opSrcIPv4, 44), iana(opSrcIPv6, 170)),
		either(of(enterpriseCisco, opSrcIPv4, 12236), of(enterpriseCisco, opSrcIPv6, 12238))},
		"the unspecified address is none where another element has one. Prefixes stand in for addresses, the client of Cisco's " +
			"transactions (45004 and 45006 in NetFlow v9) does too"},
	{"dst_addr", [][]source{either(iana(opDstIPv4, 12), iana(opDstIPv6, 28)), either(iana(opDstIPv4, 45), iana(opDstIPv6, 169)),
		either(of(enterpriseCisco, opDstIPv4, 12237), of(enterpriseCisco, opDstIPv6, 12239))},
		"as src_addr, with the server of Cisco's transactions (45005, 45007)"},
	{"etype", [][]source{iana(opEtherType, 256), iana(opIPVersion, 60)},
		"an address says its family first; these count where there is none. none: below 0x0600, a length. IPv4, IPv6, ARP, MPLS and VLAN tags " +
			"are known in the wrong order of bytes, too (VPP)"},
	{"proto", [][]source{iana(opProto, 4), iana(opProto, 193)},
		"none: above 255. Where a template has neither, what it has instead says so: 180, 181, 205 are UDP; 182 to 188 and 218 to 223 TCP; 176, 177, " +
			"504 ICMP; 178, 179 ICMPv6 (by the addresses); 33 IGMP; 32 and 139 say nothing, as in other collectors. In templates with ports, those of ICMP and IGMP do so only if " +
			"they are not 0"},
	{"src_port", [][]source{either(iana(opSrcPort, 7), implying(protocolUDP, iana(opSrcPort, 180)),
		implying(protocolTCP, iana(opSrcPort, 182))), of(enterpriseCisco, opSrcPort, 12240)}, "none: above 65535. 45008 in NetFlow v9"},
	{"dst_port", [][]source{either(iana(opDstPort, 11), implying(protocolUDP, iana(opDstPort, 181)),
		implying(protocolTCP, iana(opDstPort, 183))), of(enterpriseCisco, opDstPort, 12241)}, "none: above 65535. 45009 in NetFlow v9"},
	{"in_if", [][]source{iana(opInIf, 10), iana(opInIf, 252)},
		"none: 0, all bits of the field set (two bytes or more), 0x3FFFFFFF, and whatever 32 bits cannot hold. Indices above 2147483647 (RFC 2863, InterfaceIndex) are kept: NetScaler sends such"},
	{"out_if", [][]source{iana(opOutIf, 14), iana(opOutIf, 253)}, "as in_if"},
	{"src_mac", [][]source{iana(opSrcMAC, 56), iana(opSrcMAC, 81), iana(opSrcMAC, 414)},
		"none: zero, and what has not 6 bytes. 81 is after treatment, 414 that of the customer's frame within another"},
	{"dst_mac", [][]source{iana(opDstMAC, 80), iana(opDstMAC, 57), iana(opDstMAC, 415)},
		"none: zero, and what has not 6 bytes. 57 is after treatment, 415 that of the customer's frame within another"},
	{"src_vlan", [][]source{iana(opSrcVLAN, 58), iana(opSrcVLAN, 243), iana(opSrcVLAN, 245)},
		"none: 0 and above 4094 (IEEE 802.1Q). It is vlan_id too"},
	{"dst_vlan", [][]source{iana(opDstVLAN, 59), iana(opDstVLAN, 254), iana(opDstVLAN, 255)}, "as src_vlan"},
	{"ip_tos", [][]source{iana(opTOS, 5), iana(opDSCP, 195), iana(opTOS, 55), iana(opDSCP, 98), iana(opPrecedence, 196), iana(opPrecedence, 257)},
		"195 and 98 are its upper six bits, 196 and 257 its upper three; 55, 98 and 257 are after treatment, and read where a template has neither 5 " +
			"nor 195"},
	{"tcp_flags", [][]source{iana(opTCPFlags, 6), of(enterpriseCERT, opTCPFlagsPart, 14, 15)},
		"the lower 12 bits (RFC 9565 section 3). YAF's of the first packet (6871.14) and of the others (6871.15) stand in together, where other counters stand in, too"},
	{"ip_ttl", [][]source{iana(opTTL, 192), iana(opTTL, 52), iana(opTTL, 53)}, "the lowest before the highest"},
	{"ip_flags", [][]source{iana(opFragmentFlags, 197)}, "the three upper bits of the octet"},
	{"fragment_id", [][]source{iana(opFragmentID, 54)}, ""},
	{"fragment_offset", [][]source{iana(opFragmentOffset, 88)}, ""},
	{"ipv6_flow_label", [][]source{iana(opFlowLabel, 31)}, "the lower 20 bits"},
	{"icmp_type, icmp_code", [][]source{either(iana(opICMPTypeCode, 32, 139), implying(protocolICMP, iana(opICMPType, 176)),
		implying(protocolICMP, iana(opICMPCode, 177)), implying(protocolICMPv6, iana(opICMPType, 178)),
		implying(protocolICMPv6, iana(opICMPCode, 179))), implying(protocolICMP, iana(opICMPSection, 504))},
		"where a template has none of them for protocol 1, or none says anything for 58, the destination port: type * 256 + code (Cisco, " +
			"NetFlow v5; also v1, v6 to v9, IPFIX); dst_port stays as exported. NetFlow v1 and v5 to v7 may have code * 256 + type in the source port where " +
			"the destination port is 0"},
	{"src_as", [][]source{iana(opSrcAS, 16)}, "4294967295, which routers send where they know none (RFC 7300), stays as exported"},
	{"dst_as", [][]source{iana(opDstAS, 17)}, "as src_as"},
	{"next_hop_as", [][]source{iana(opNextHopAS, 128)}, "as src_as"},
	{"src_net", [][]source{either(iana(opSrcNet, 9), iana(opSrcNet6, 29))}, "none: more than 128, of IPv4 more than 32. Four bytes may be a mask. " +
		"Where both say something, the one of the address's family counts"},
	{"dst_net", [][]source{either(iana(opDstNet, 13), iana(opDstNet6, 30))}, "as src_net"},
	{"next_hop", [][]source{either(iana(opNextHopIPv4, 15), iana(opNextHopIPv6, 62))},
		"none: the unspecified address (RFC 4291 section 2.5.2)"},
	{"bgp_next_hop", [][]source{either(iana(opBGPNextHopIPv4, 18), iana(opBGPNextHopIPv6, 63))}, "none: the unspecified address"},
	{"bgp_communities", [][]source{iana(opCommunities, 485), iana(opCommunities, 484), iana(opCommunities, 483)},
		"lists (RFC 8549): those of the destination before those of the source"},
	{"as_path", [][]source{iana(opASPath, 512), iana(opASPath, 511)}, "lists: that of the destination before that of the source"},
	{"mpls_label", [][]source{iana(opMPLSLabel, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79)},
		"3 bytes: label, EXP and S; 4 bytes: a label stack entry with its TTL (RFC 3032 section 2.1). Entries of zero bits are none"},
	{"mpls_ttl", [][]source{iana(opMPLSTopTTL, 200)}, "also of labels with 4 bytes"},
	{"mpls_ip", [][]source{either(iana(opMPLSIPv4, 47), iana(opMPLSIPv6, 140))}, "none: the unspecified address"},
	{"forwarding_status", [][]source{iana(opForwardingStatus, 89), of(enterpriseJuniper, opJuniperException, 137)},
		"8 bits: the first ones of a longer field, where that is more than 255 (RFC 7270 section 4.12). Juniper's exception code (a property " +
			"of kind 2), where it is not 0, is 128: dropped"},
	{"observation_point_id", [][]source{iana(opObservationPoint, 138)}, "a number of more than 32 bits stays an extra field"},
	{"ipv6_routing_header_addresses", [][]source{iana(opRoutingHeader, 499), iana(opSegmentSection, 497), iana(opSegmentList, 496)}, ""},
	{"ipv6_routing_header_seg_left", [][]source{iana(opSegmentsLeft, 498)}, "also of 499"},
	{"time_flow_start_ns", [][]source{iana(opStartNTP, 156), iana(opStartNTP, 154), iana(opStartMilliseconds, 152),
		iana(opStartSeconds, 150), iana(opStartDelta, 158), iana(opStartUptime, 22)},
		"see Times"},
	{"time_flow_end_ns", [][]source{iana(opEndNTP, 157), iana(opEndNTP, 155), iana(opEndMilliseconds, 153), iana(opEndSeconds, 151),
		iana(opEndDelta, 159), iana(opEndUptime, 21)}, "see Times"},
	{"time_flow_start_ns, time_flow_end_ns", [][]source{iana(opDurationMicroseconds, 162), iana(opDurationMilliseconds, 161),
		iana(opSystemInit, 160), iana(opObservedNTP, 325), iana(opObservedNTP, 324), iana(opObserved, 323), iana(opObservedSeconds, 322),
		iana(opIntervalStart, 359), iana(opIntervalEnd, 360)},
		"see Times"},
	{"sampling_rate", [][]source{either(iana(opSampling, 34, 50, 305, 306, 307, 308, 309, 310, 311, 329, 330, 331, 332, 396, 397, 398, 399),
		iana(opSamplerID, 48), iana(opSelectorID, 302), iana(opSampling, 301))}, "see above. 301 is what passed several selectors (RFC 5476). 329 to 332 are the ranges of a hash (RFC 5475 section 6.2), 396 to " +
		"399 select flows, not packets (RFC 7014)"},
	{"layer_stack and all of a packet", [][]source{iana(opFrameSection, 315), iana(opFrameSection, 104), iana(opPacketSection, 313),
		iana(opMPLSSection, 316), iana(opMPLSPayload, 317), iana(opPayloadSection, 314), iana(opSectionOffset, 409),
		iana(opFrameOffset, 102), iana(opSectionLength, 410, 103), iana(opFrameType, 408)},
		"dissected where the record has no addresses of its own; beside addresses 314 tells ports, flags and ICMP where the record has none, " +
			"and 316 its labels; 409 and 102 say where a section begins, 410 and 103 how much of it " +
			"is not padding, 408 that it is a frame of IEEE 802.11 (2)"},
	{"flows of their own, or more of the same flow", [][]source{iana(opList, 291, 292, 293)}, "see Structured data"},
}

// impliedOnly are elements without a place that say which protocol a flow has.
var impliedOnly = map[uint16]uint8{33: protocolIGMP, 184: protocolTCP, 185: protocolTCP, 186: protocolTCP, 187: protocolTCP,
	188: protocolTCP, 205: protocolUDP, 218: protocolTCP, 219: protocolTCP, 220: protocolTCP, 221: protocolTCP, 222: protocolTCP,
	223: protocolTCP}

// meaning is what an element does, and how good it is at that: 0 is best.
type meaning struct {
	operation operation
	rank      uint8
	implies   uint8
}

type elementKey struct {
	enterprise uint32
	id         uint16
}

func keyOf(f template.Field) elementKey { return elementKey{f.Enterprise, f.ID} }

// is reports whether k is an element, and the same as other. The zero key is none: some templates have fields of element 0.
func (k elementKey) is(other elementKey) bool { return k != (elementKey{}) && k == other }

var meanings = meaningsOf(places)

func meaningsOf(places []place) map[elementKey]meaning {
	out := make(map[elementKey]meaning)
	for id, protocol := range impliedOnly {
		out[elementKey{0, id}] = meaning{implies: protocol}
	}
	for _, p := range places {
		for rank, step := range p.order {
			for _, s := range step {
				out[elementKey{s.enterprise, s.id}] = meaning{s.operation, uint8(rank), s.implies}
			}
		}
	}
	return out
}

// cisco9 is the bit that Cisco sets in field types of NetFlow v9 that are elements of its own in IPFIX.
const cisco9 = 0x8000

// asElement is a field of a version as the element of IPFIX that it is.
func asElement(version template.Version, f template.Field) template.Field {
	if version == template.NetFlow9 && f.ID&cisco9 != 0 {
		f.Enterprise, f.ID = enterpriseCisco, f.ID&^cisco9
	}
	return f
}

// meaningOf looks up a field of a template.
func meaningOf(version template.Version, f template.Field) meaning {
	m, ok := meanings[keyOf(asElement(version, f))]
	if !ok && f.Enterprise != element.ReverseEnterprise {
		// Lists of other elements than 291 to 293, also of vendors', are opened in the same way (RFC 6313 section 4.5). What one of the
		// other direction says is not this one's.
		if e, known := element.Lookup(f.Enterprise, f.ID); known && isList(e.Type) {
			m.operation = opList
		}
	}
	return m
}

// isList reports whether values of a type hold others.
func isList(t element.DataType) bool {
	return t == element.BasicList || t == element.SubTemplateList || t == element.SubTemplateMultiList
}

// ntop9 is where the elements of ntop begin among the field types of NetFlow v9, which has none of enterprises; ntopEnd is behind the last
// one ("Flow Information Elements", nProbe).
const (
	ntop9   = 57472
	ntopEnd = ntop9 + 2048
)

// countsBack reports whether postOctetDeltaCount and postPacketDeltaCount of t count what went back: so nProbe means them ("Flow Information
// Elements": OUT_BYTES is from destination to source), which shows in other elements of its own.
func countsBack(t *template.Template) bool {
	return slices.ContainsFunc(t.Fields, func(f template.Field) bool {
		return f.Enterprise == enterpriseNtop || t.Version == template.NetFlow9 && f.ID >= ntop9 && f.ID < ntopEnd
	})
}

// reverseOf turns a field of the reverse direction of a biflow into the same of the forward direction (RFC 5103 section 6.1; the
// responder's counters of firewalls; CERT's, Ixia's and Cisco's elements of their own; nProbe's, where back says so).
func reverseOf(f template.Field, back bool) (template.Field, bool) {
	switch {
	case f.Enterprise == 0 && back && f.ID == elementPostOctets:
		f.ID = elementOctets
	case f.Enterprise == 0 && back && f.ID == elementPostPackets:
		f.ID = elementPackets
	case f.Enterprise == element.ReverseEnterprise:
		f.Enterprise = 0
	case f.Enterprise == enterpriseCERT && f.ID&reverseCERT != 0:
		f.ID &^= reverseCERT
	case f.Enterprise == enterpriseIxia && f.ID == ixiaReverseOctets:
		f.Enterprise, f.ID = 0, elementOctets
	case f.Enterprise == enterpriseIxia && f.ID == ixiaReversePackets:
		f.Enterprise, f.ID = 0, elementPackets
	case f.Enterprise == enterpriseCisco && f.ID == ciscoBytesIn:
		f.ID = ciscoBytesOut
	case f.Enterprise == enterpriseCisco && f.ID == ciscoServerBytes:
		f.ID = ciscoClientBytes
	case f.Enterprise == 0 && f.ID == elementResponderOctets:
		f.ID = elementOctets
	case f.Enterprise == 0 && f.ID == elementResponderPackets:
		f.ID = elementPackets
	default:
		return f, false
	}
	return f, true
}

// reverseCERT is the bit by which CERT's elements of the reverse direction differ from those of the forward one (YAF, "Information Elements").
const reverseCERT = 1 << 14

// ixiaReverseOctets and ixiaReversePackets are what went back (Ixia, "IxFlow": ixiaRevOctetDeltaCount, ixiaRevPacketDeltaCount).
const (
	ixiaReverseOctets  = 176
	ixiaReversePackets = 177
)

// isOfConnection reports whether a field says something of a connection, which is as true of the one direction of it as of the other: its number, what
// happened to it, its application and its user. Who adds up a firewall's flows chooses by that.
func isOfConnection(version template.Version, f template.Field) bool {
	switch f.Enterprise {
	case 0:
		switch f.ID {
		case 95, 96, 136, 148, 230, 233, 371: // applicationId, applicationName, flowEndReason, flowId, natEvent, firewallEvent, userName
			return true
		case 33002, 40000, 40005, 56701, 56702: // Cisco's firewalls: extended event, user and event; Palo Alto's: application and user
			return version == template.NetFlow9
		}
	case enterprisePaloAlto:
		return f.ID == 56701-cisco9 || f.ID == 56702-cisco9
	}
	return false
}

// Elements of the type of service, before the exporter's treatment and after it.
const (
	elementTOS      = 5
	elementDSCP     = 195
	elementPostTOS  = 55
	elementPostDSCP = 98

	elementPostPrecedence = 257
)

// isPostTOS reports whether an element has the type of service after treatment.
func isPostTOS(id uint16) bool {
	return id == elementPostTOS || id == elementPostDSCP || id == elementPostPrecedence
}

// Values of flowDirection: where at the interface the flow was metered.
const (
	directionIngress = 0
	directionEgress  = 1
)

// elementReverseDelta is CERT's reverseFlowDeltaMilliseconds: how much later than a flow its other direction began.
const elementReverseDelta = 21

// Elements that count, and where.
const (
	elementOctets           = 1
	elementEndUptime        = 21
	elementStartUptime      = 22
	elementPackets          = 2
	elementInput            = 10
	elementPostOctets       = 23
	elementPostPackets      = 24
	elementDirection        = 61
	elementInterfaceName    = 82
	elementPoint            = 138
	elementLineCard         = 141
	elementPort             = 142
	elementInitiatorOctets  = 231
	elementResponderOctets  = 232
	elementInitiatorPackets = 298
	elementResponderPackets = 299
	elementSelector         = 302
)
