package clickhouse

import "fmt"

// key is one column that a roll-up groups by; its expression is of a flow f.
type key struct{ name, kind, expression string }

// rollup is a sum over flows: a table of 1 minute and one of 5.
type rollup struct {
	name string
	keys []key
	// from is what its rows come of, beside the table.
	from string
}

// Keys of several roll-ups.
var (
	samplerAddress = key{"sampler_address", "IPv6", "f.sampler_address"}
	exporterName   = key{"exporter_name", "LowCardinality(String)", "f.exporter_name"}
)

var rollups = []rollup{
	// A flow counts at the interface that it came in by, and at the one that it left by; 0 where nobody said which.
	{name: "interfaces", keys: []key{
		samplerAddress, exporterName,
		{"direction", "Enum8('in' = 1, 'out' = 2)", "side.1"},
		{"interface", "UInt32", "side.2"},
		{"interface_name", "LowCardinality(String)", "side.3"},
	}, from: " ARRAY JOIN [('in', f.in_if, toString(f.in_if_name)), ('out', f.out_if, toString(f.out_if_name))] AS side"},
	{name: "as", keys: []key{samplerAddress, exporterName, {"src_as", "UInt32", "f.src_as"}, {"dst_as", "UInt32", "f.dst_as"}}},
	// The lower of two ports is usually that of the server; with both, clients' ports would make a row of each flow.
	{name: "protocols", keys: []key{samplerAddress, exporterName, {"proto", "UInt32", "f.proto"},
		{"service_port", "UInt32", "least(f.src_port, f.dst_port)"}}},
	// A flow counts at the network that it came from, and at the one that it went to.
	{name: "prefixes", keys: []key{
		samplerAddress, exporterName,
		{"side", "Enum8('dst' = 1, 'src' = 2)", "end.1"},
		{"prefix", "IPv6", "IPv6CIDRToRange(end.2, end.3).1"},
		{"prefix_length", "UInt8", "toUInt8(end.3 - if(" + mapped("end.2") + ", 96, 0))"},
	}, from: " ARRAY JOIN [" + end("src") + ", " + end("dst") + "] AS end"},
	{name: "applications", keys: []key{samplerAddress, exporterName, {"application_name", "LowCardinality(String)", "f.application_name"}}},
}

// Prefixes are as long as the exporter says, where that is shorter than what is taken otherwise: hosts, or the routes within a site,
// would make a row of each flow.
const longest4, longest6 = 24, 48

// mapped says whether an address is one of IPv4 (RFC 4291 section 2.5.5.2).
func mapped(address string) string {
	return "IPv6CIDRToRange(" + address + ", 96).1 = toIPv6('::ffff:0.0.0.0')"
}

// end is one of the two ends of a flow f: its name, its address, and the length of its prefix in the 128 bits of the column.
func end(side string) string {
	length := func(longest int) string {
		return fmt.Sprintf("if(f.%[1]s_net BETWEEN 1 AND %[2]d, f.%[1]s_net, %[2]d)", side, longest)
	}
	return fmt.Sprintf("('%[1]s', f.%[1]s_addr, toUInt8(if(%[2]s, 96 + %[3]s, %[4]s)))", side, mapped("f."+side+"_addr"),
		length(longest4), length(longest6))
}

// sum is a column of each roll-up that is added up of flows f.
type sum struct{ name, kind, expression string }

var sums = []sum{
	{"flows", "UInt64", "count()"},
	// Those that scaled_bytes and scaled_packets leave out.
	{"flows_without_rate", "UInt64", "countIf(f.scaled_bytes IS NULL)"},
	{"bytes", "UInt64", "sum(f.bytes)"},
	{"packets", "UInt64", "sum(f.packets)"},
	{"scaled_bytes", "Nullable(UInt64)", "sum(f.scaled_bytes)"},
	{"scaled_packets", "Nullable(UInt64)", "sum(f.scaled_packets)"},
}

// interval is the length of time that a row of a roll-up stands for.
type interval struct{ suffix, start, partition string }

var (
	oneMinute   = interval{"1m", "toStartOfMinute(%s)", "toDate(time)"}
	fiveMinutes = interval{"5m", "toStartOfFiveMinutes(%s)", "toYYYYMM(time)"}
)
