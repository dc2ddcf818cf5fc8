package flow

import (
	"encoding/hex"
	"math/bits"
	"net/netip"
	"strconv"
)

// ExtraJSON appends the value of an extra field as JSON, and returns its name. The name needs no escaping.
type ExtraJSON func(dst []byte, r *Record, x *Extra) (out []byte, name string)

// AppendJSON appends r as one JSON object, without a line feed: names, order and renderings are those of goflow2's JSON
// format in its default configuration, but for protocols without a well-known name, see appendProtocol. Names that the flow
// carries follow under their own keys (in_if_name, ...), and extra fields, if there are any, as the object "fields"; extra renders
// them, a repeated name gets "#2", "#3", ... Without extra they are left out.
func (r *Record) AppendJSON(dst []byte, extra ExtraJSON) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, r.Type.String()...)
	dst = append(dst, '"')
	dst = appendNumber(dst, "time_received_ns", r.TimeReceivedNs)
	dst = appendNumber(dst, "sequence_num", uint64(r.SequenceNum))
	dst = appendNumber(dst, "sampling_rate", r.SamplingRate)
	dst = appendIP(dst, "sampler_address", &r.SamplerAddress)
	dst = appendNumber(dst, "time_flow_start_ns", r.TimeFlowStartNs)
	dst = appendNumber(dst, "time_flow_end_ns", r.TimeFlowEndNs)
	dst = appendNumber(dst, "bytes", r.Bytes)
	dst = appendNumber(dst, "packets", r.Packets)
	dst = appendIP(dst, "src_addr", &r.SrcAddr)
	dst = appendIP(dst, "dst_addr", &r.DstAddr)
	dst = appendString(dst, "etype", etherTypeName(r.EType))
	dst = appendProtocol(dst, "proto", r.Proto)
	dst = appendNumber(dst, "src_port", uint64(r.SrcPort))
	dst = appendNumber(dst, "dst_port", uint64(r.DstPort))
	dst = appendNumber(dst, "in_if", uint64(r.InIf))
	dst = appendNumber(dst, "out_if", uint64(r.OutIf))
	dst = appendMAC(dst, "src_mac", r.SrcMAC)
	dst = appendMAC(dst, "dst_mac", r.DstMAC)
	dst = appendNumber(dst, "src_vlan", uint64(r.SrcVLAN))
	dst = appendNumber(dst, "dst_vlan", uint64(r.DstVLAN))
	dst = appendNumber(dst, "vlan_id", uint64(r.VLANID))
	dst = appendNumber(dst, "ip_tos", uint64(r.IPTOS))
	dst = appendNumber(dst, "forwarding_status", uint64(r.ForwardingStatus))
	dst = appendNumber(dst, "ip_ttl", uint64(r.IPTTL))
	dst = appendNumber(dst, "ip_flags", uint64(r.IPFlags))
	dst = appendNumber(dst, "tcp_flags", uint64(r.TCPFlags))
	dst = appendNumber(dst, "icmp_type", uint64(r.ICMPType))
	dst = appendNumber(dst, "icmp_code", uint64(r.ICMPCode))
	dst = appendNumber(dst, "ipv6_flow_label", uint64(r.IPv6FlowLabel))
	dst = appendNumber(dst, "fragment_id", uint64(r.FragmentID))
	dst = appendNumber(dst, "fragment_offset", uint64(r.FragmentOffset))
	dst = appendNumber(dst, "src_as", uint64(r.SrcAS))
	dst = appendNumber(dst, "dst_as", uint64(r.DstAS))
	dst = appendIP(dst, "next_hop", &r.NextHop)
	dst = appendNumber(dst, "next_hop_as", uint64(r.NextHopAS))
	dst = appendNetwork(dst, "src_net", &r.SrcAddr, r.SrcNet)
	dst = appendNetwork(dst, "dst_net", &r.DstAddr, r.DstNet)
	dst = appendIP(dst, "bgp_next_hop", &r.BGPNextHop)
	dst = appendNumbers(dst, "bgp_communities", r.BGPCommunities)
	dst = appendNumbers(dst, "as_path", r.ASPath)
	dst = appendNumbers(dst, "mpls_ttl", r.MPLSTTL)
	dst = appendNumbers(dst, "mpls_label", r.MPLSLabel)
	dst = appendIPs(dst, "mpls_ip", r.MPLSIP)
	dst = appendNumber(dst, "observation_domain_id", uint64(r.ObservationDomainID))
	dst = appendNumber(dst, "observation_point_id", uint64(r.ObservationPointID))
	dst = appendLayers(dst, "layer_stack", r.LayerStack)
	dst = appendNumbers(dst, "layer_size", r.LayerSize)
	dst = appendIPs(dst, "ipv6_routing_header_addresses", r.IPv6RoutingHeaderAddresses)
	dst = appendNumber(dst, "ipv6_routing_header_seg_left", uint64(r.IPv6RoutingHeaderSegLeft))
	dst = r.appendNames(dst)
	if len(r.Extra) > 0 && extra != nil {
		dst = r.appendExtra(dst, extra)
	}
	return append(dst, '}')
}

// AppendScaled appends to an object of AppendJSON, with which dst ends, what the volumes were before sampling: scaled_bytes and
// scaled_packets, which are bytes and packets times the sampling rate. They are null where nobody said the rate, or where a product has
// more than 64 bits.
func (r *Record) AppendScaled(dst []byte) []byte {
	dst = dst[:len(dst)-1]
	dst = appendProduct(dst, "scaled_bytes", r.Bytes, r.SamplingRate)
	dst = appendProduct(dst, "scaled_packets", r.Packets, r.SamplingRate)
	return append(dst, '}')
}

// appendProduct writes null where it is not known.
func appendProduct(dst []byte, key string, v, rate uint64) []byte {
	high, low := bits.Mul64(v, rate)
	if rate == 0 || high != 0 {
		return append(appendKey(dst, key), "null"...)
	}
	return appendNumber(dst, key, low)
}

func (r *Record) appendExtra(dst []byte, extra ExtraJSON) []byte {
	dst = append(dst, `,"fields":`...)
	return r.appendFields(dst, r.Extra, extra)
}

// appendFields writes fields as an object. Lists (RFC 6313) are arrays of objects, one for each record within.
func (r *Record) appendFields(dst []byte, fields []Extra, extra ExtraJSON) []byte {
	dst = append(dst, '{')
	for i := 0; i < len(fields); i += 1 + fields[i].Items {
		x := &fields[i]
		nth := 1
		for j := 0; j < i; j += 1 + fields[j].Items {
			if fields[j].Enterprise == x.Enterprise && fields[j].ID == x.ID {
				nth++
			}
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		// The value is rendered first, to learn the name, and then moved behind it.
		start := len(dst)
		var name string
		dst, name = extra(dst, r, x)
		if x.List {
			dst = r.appendItems(dst[:start], fields[i+1:i+1+x.Items], extra)
		}
		length := len(dst) - start
		dst = append(dst, '"')
		dst = append(dst, name...)
		if nth > 1 {
			dst = append(dst, '#')
			dst = strconv.AppendInt(dst, int64(nth), 10)
		}
		dst = append(dst, '"', ':')
		dst = append(dst, dst[start:start+length]...)
		dst = append(dst[:start], dst[start+length:]...)
	}
	return append(dst, '}')
}

func (r *Record) appendItems(dst []byte, items []Extra, extra ExtraJSON) []byte {
	dst = append(dst, '[')
	for i := 0; i < len(items); i += 1 + items[i].Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = r.appendFields(dst, items[i+1:i+1+items[i].Items], extra)
	}
	return append(dst, ']')
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

func appendNumber(dst []byte, key string, v uint64) []byte {
	return strconv.AppendUint(appendKey(dst, key), v, 10)
}

func appendString(dst []byte, key, v string) []byte {
	dst = append(appendKey(dst, key), '"')
	dst = append(dst, v...)
	return append(dst, '"')
}

// appendProtocol writes goflow2's name of a protocol where that tells which one it is, else the number, as a string too.
// goflow2 has one word for all numbers without a name, and calls 4 and 94 what others call the other way round.
func appendProtocol(dst []byte, key string, protocol uint32) []byte {
	switch protocol {
	case 0, 1, 2, 6, 17, 41, 47, 50, 51, 58, 88, 97, 103, 112, 115, 132:
		return appendString(dst, key, ProtocolName(protocol))
	}
	dst = append(appendKey(dst, key), '"')
	dst = strconv.AppendUint(dst, uint64(protocol), 10)
	return append(dst, '"')
}

func appendAddr(dst []byte, a *Address) []byte {
	dst = append(dst, '"')
	if a.length != 0 {
		dst = a.Addr().AppendTo(dst)
	}
	return append(dst, '"')
}

func appendIP(dst []byte, key string, a *Address) []byte { return appendAddr(appendKey(dst, key), a) }

func appendIPs(dst []byte, key string, list []Address) []byte {
	dst = append(appendKey(dst, key), '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendAddr(dst, &list[i])
	}
	return append(dst, ']')
}

func appendMAC(dst []byte, key string, v uint64) []byte {
	dst = append(appendKey(dst, key), '"')
	for shift := 40; shift >= 0; shift -= 8 {
		dst = hex.AppendEncode(dst, []byte{byte(v >> shift)})
		if shift > 0 {
			dst = append(dst, ':')
		}
	}
	return append(dst, '"')
}

func appendNetwork(dst []byte, key string, a *Address, length uint32) []byte {
	dst = append(appendKey(dst, key), '"')
	var network netip.Prefix
	if length <= 128 {
		network, _ = a.Addr().Prefix(int(length))
	}
	if network.IsValid() {
		dst = network.AppendTo(dst)
	} else {
		dst = append(dst, "invalid Prefix"...) // goflow2's word, by way of netip
	}
	return append(dst, '"')
}

func appendNumbers(dst []byte, key string, list []uint32) []byte {
	dst = append(appendKey(dst, key), '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return append(dst, ']')
}

func appendLayers(dst []byte, key string, list []Layer) []byte {
	dst = append(appendKey(dst, key), '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, v.String()...)
		dst = append(dst, '"')
	}
	return append(dst, ']')
}
