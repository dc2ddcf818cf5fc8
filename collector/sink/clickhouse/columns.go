package clickhouse

import "fmt"

// column is one column of the table flows, and what it is made of.
type column struct {
	// name in both tables, unless field is set.
	name string
	// field of flow.proto, where it is called otherwise.
	field string
	// raw is the type that ClickHouse reads the protobuf's field as.
	raw string
	// stored is the type in the table flows, where it is another one; convert makes it of the field, which stands for %s.
	stored, convert string
	codec           string
}

func (c column) source() string {
	if c.field != "" {
		return c.field
	}
	return c.name
}

func (c column) kind() string {
	if c.stored != "" {
		return c.stored
	}
	return c.raw
}

// expression makes the stored value of the field of a row r.
func (c column) expression() string {
	field := "r." + c.source() // not the column of the result with the same name
	if c.convert == "" {
		return field
	}
	return fmt.Sprintf(c.convert, field)
}

// Types of more than one column.
const (
	timeType  = "DateTime64(9, 'UTC')"
	timeCodec = "Delta, ZSTD(1)"
	zstd      = "ZSTD(1)"
	flowType  = "Enum8('FLOWUNKNOWN' = 0, 'SFLOW_5' = 1, 'NETFLOW_V5' = 2, 'NETFLOW_V9' = 3, 'IPFIX' = 4)"
	layerType = "Enum8('Ethernet' = 0, 'IPv4' = 1, 'IPv6' = 2, 'TCP' = 3, 'UDP' = 4, 'MPLS' = 5, 'Dot1Q' = 6, 'ICMP' = 7, " +
		"'ICMPv6' = 8, 'GRE' = 9, 'IPv6HeaderRouting' = 10, 'IPv6HeaderFragment' = 11, 'Geneve' = 12, 'Teredo' = 13, 'Custom' = 99)"
)

// sixteenBytes makes an IPv6 of an address as the protobuf has it: 16 bytes, 4 (which become ::ffff:a.b.c.d, RFC 4291 section
// 2.5.5.2), or none, which become "::".
func sixteenBytes(address string) string {
	return "toIPv6(toFixedString(multiIf(length(" + address + ") = 16, " + address + ", length(" + address +
		") = 4, concat(unhex('00000000000000000000FFFF'), " + address + "), ''), 16))"
}

func timestamp(name string) column {
	return column{name: name, field: name + "_ns", raw: "UInt64", stored: timeType,
		convert: "fromUnixTimestamp64Nano(toInt64(%s), 'UTC')", codec: timeCodec}
}

func address(name string) column {
	return column{name: name, raw: "String", stored: "IPv6", convert: sixteenBytes("%[1]s"), codec: zstd}
}

func addresses(name string) column {
	return column{name: name, raw: "Array(String)", stored: "Array(IPv6)",
		convert: "arrayMap(a -> " + sixteenBytes("a") + ", %s)", codec: zstd}
}

func number(name, kind string) column { return column{name: name, raw: kind, codec: zstd} }

func text(name string) column {
	return column{name: name, raw: "String", stored: "LowCardinality(String)", codec: zstd}
}

// columns are those of flow.proto, in its order, but for the repeated message "fields".
var columns = []column{
	number("type", flowType),
	timestamp("time_received"),
	number("sequence_num", "UInt32"),
	number("sampling_rate", "UInt64"),
	address("sampler_address"),
	timestamp("time_flow_start"),
	timestamp("time_flow_end"),
	number("bytes", "UInt64"),
	number("packets", "UInt64"),
	address("src_addr"),
	address("dst_addr"),
	number("etype", "UInt32"),
	number("proto", "UInt32"),
	number("src_port", "UInt32"),
	number("dst_port", "UInt32"),
	number("in_if", "UInt32"),
	number("out_if", "UInt32"),
	number("src_mac", "UInt64"),
	number("dst_mac", "UInt64"),
	number("src_vlan", "UInt32"),
	number("dst_vlan", "UInt32"),
	number("vlan_id", "UInt32"),
	number("ip_tos", "UInt32"),
	number("forwarding_status", "UInt32"),
	number("ip_ttl", "UInt32"),
	number("ip_flags", "UInt32"),
	number("tcp_flags", "UInt32"),
	number("icmp_type", "UInt32"),
	number("icmp_code", "UInt32"),
	number("ipv6_flow_label", "UInt32"),
	number("fragment_id", "UInt32"),
	number("fragment_offset", "UInt32"),
	number("src_as", "UInt32"),
	number("dst_as", "UInt32"),
	address("next_hop"),
	number("next_hop_as", "UInt32"),
	number("src_net", "UInt32"),
	number("dst_net", "UInt32"),
	address("bgp_next_hop"),
	number("bgp_communities", "Array(UInt32)"),
	number("as_path", "Array(UInt32)"),
	number("mpls_ttl", "Array(UInt32)"),
	number("mpls_label", "Array(UInt32)"),
	addresses("mpls_ip"),
	number("observation_domain_id", "UInt32"),
	number("observation_point_id", "UInt32"),
	number("layer_stack", "Array("+layerType+")"),
	number("layer_size", "Array(UInt32)"),
	addresses("ipv6_routing_header_addresses"),
	number("ipv6_routing_header_seg_left", "UInt32"),
	text("in_if_name"),
	text("in_if_description"),
	text("out_if_name"),
	text("out_if_description"),
	text("application_name"),
	text("ingress_vrf_name"),
	text("egress_vrf_name"),
	text("sampler_name"),
	text("exporter_name"),
	text("observation_domain_name"),
}

// scaled is a counter times the rate: a column that nobody can write. NULL says that the volume is not known: nobody said the rate, or
// the product has more than 64 bits, which no link can have carried.
func scaled(counter string) string {
	return "scaled_" + counter + " Nullable(UInt64) MATERIALIZED if(sampling_rate = 0 OR toUInt128(" + counter +
		") * sampling_rate > 18446744073709551615, NULL, " + counter + " * sampling_rate) CODEC(" + zstd + ")"
}
