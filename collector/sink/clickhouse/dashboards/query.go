package dashboards

import (
	"fmt"
	"regexp"
	"strings"
)

// tableName is a table in a statement; "${" begins a variable of Grafana's instead.
var tableName = regexp.MustCompile(`\{[a-z]+_?(\$\{resolution\}|[a-z0-9]*)\}`)

// Parts of statements. Volumes are those times the sampling rate: where no rate is known they are NULL, which a graph shows as a gap
// and a sum leaves out; the share of such flows stands beside the graphs.
const (
	// bucket is the point of a graph that a row of a roll-up belongs to.
	bucket = "toStartOfInterval(time, INTERVAL $__interval_s second, 'UTC') AS bucket"
	// window is the time of a graph over a roll-up: whole points only, since a part of one would be drawn too low.
	window = "time >= toStartOfInterval($__fromTime, INTERVAL $__interval_s second, 'UTC')" +
		" AND time < toStartOfInterval($__toTime, INTERVAL $__interval_s second, 'UTC')"
	// during is the time of a table over a roll-up, and received that of one over flows.
	during   = "time >= $__fromTime AND time < $__toTime"
	received = "time_received >= $__fromTime AND time_received < $__toTime"
	// ofExporters are the ones chosen, or all; ofExporter is the one chosen.
	ofExporters = "(" + everything + " IN (${exporter:sqlstring}) OR toString(sampler_address) IN (${exporter:sqlstring}))"
	ofExporter  = "toString(sampler_address) = ${exporter:sqlstring}"
	// wholeMinutes are the parameters of the view completeness, which takes a time as the text that it has in its own zone, and ofSenders the exporters chosen of those that it has.
	wholeMinutes = "(from = toDateTime($__fromTime, 'UTC'), to = toDateTime($__toTime, 'UTC'))"
	ofSenders    = "(" + everything + " IN (${exporter:sqlstring}) OR toString(exporter) IN (${exporter:sqlstring}))"

	bitsPerSecond = "sum(scaled_bytes) * 8 / $__interval_s"
	volumes       = "sum(scaled_bytes) AS bytes, sum(scaled_packets) AS packets, sum(flows) AS flows"
	flowVolumes   = "sum(scaled_bytes) AS bytes, sum(scaled_packets) AS packets, count() AS flows"
	mostBytes     = "ORDER BY bytes DESC NULLS LAST, flows DESC, "

	applicationName = "if(application_name = '', 'not told', toString(application_name))"
	interfaceName   = "if(interface_name = '', concat('interface ', toString(interface)), toString(interface_name))"
	// IANA's protocol numbers that are common.
	protocolName = "transform(proto, [1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 89, 103, 112, 132]," +
		" ['ICMP', 'IGMP', 'IPv4', 'TCP', 'UDP', 'IPv6', 'GRE', 'ESP', 'AH', 'ICMPv6', 'OSPF', 'PIM', 'VRRP', 'SCTP'], concat('protocol ', toString(proto)))"
	serviceName = "if(proto IN (6, 17, 132), concat(" + protocolName + ", ' ', toString(service_port)), " + protocolName + ")"
)

// Addresses as people write them.
var (
	exporterName   = "if(exporter_name = '', " + samplerAddress + ", toString(exporter_name))"
	samplerAddress = written("sampler_address")
	sourceAddress  = written("src_addr")
	destination    = written("dst_addr")

	prefix = "concat(" + written("prefix") + ", '/', toString(prefix_length))"
)

// written is an address without what makes an IPv6 of an IPv4 address (RFC 4291 section 2.5.5.2). Only such a one has dots; "::ffff:" stands
// within others, too.
func written(address string) string {
	return fmt.Sprintf("if(startsWith(toString(%[1]s), '::ffff:') AND position(toString(%[1]s), '.') > 0, substring(toString(%[1]s), 8), toString(%[1]s))", address)
}

// shown is how many series a graph has, beside "other".
const shown = 10

// traffic is bits a second over a roll-up, a series for each of the names with most bytes and one for all others.
func traffic(rollup, name string, filters ...string) string {
	where := strings.Join(append([]string{window}, filters...), "\n  AND ")
	table := fmt.Sprintf("{%s_${resolution}}", rollup)
	return fmt.Sprintf(`
WITH top AS (
  SELECT %[1]s AS n FROM %[2]s
  WHERE %[3]s
  GROUP BY n ORDER BY sum(scaled_bytes) DESC NULLS LAST, n LIMIT %[4]d)
SELECT %[5]s, if(%[1]s GLOBAL IN (SELECT n FROM top), %[1]s, 'other') AS name, %[6]s AS "bit/s"
FROM %[2]s
WHERE %[3]s
GROUP BY bucket, name ORDER BY bucket, name`, name, table, where, shown, bucket, bitsPerSecond)
}

// total is one series over a roll-up.
func total(rollup, expression, name string, filters ...string) string {
	return fmt.Sprintf("\nSELECT %s, %s AS \"%s\"\nFROM {%s_${resolution}}\nWHERE %s\nGROUP BY bucket ORDER BY bucket",
		bucket, expression, name, rollup, strings.Join(append([]string{window}, filters...), "\n  AND "))
}

// most is a table over a roll-up: the names with most bytes. Columns are "expression AS name".
func most(rollup, columns string, filters ...string) string {
	return fmt.Sprintf("\nSELECT %s, %s\nFROM {%s_${resolution}}\nWHERE %s\nGROUP BY %[5]s %[6]s%[5]s LIMIT 100",
		columns, volumes, rollup, strings.Join(append([]string{during}, filters...), "\n  AND "), aliases(columns), mostBytes)
}

// mostFlows is the same over the flows themselves, for what roll-ups do not have.
func mostFlows(columns string, filters ...string) string {
	return fmt.Sprintf("\nSELECT %s, %s\nFROM {flows}\nWHERE %s\nGROUP BY %[4]s %[5]s%[4]s LIMIT 100",
		columns, flowVolumes, strings.Join(append([]string{received}, filters...), "\n  AND "), aliases(columns), mostBytes)
}

var alias = regexp.MustCompile(` AS (\w+|"[^"]+")(,|$)`)

// aliases of columns that are written as "expression AS name, ...".
func aliases(columns string) string {
	var out []string
	for _, match := range alias.FindAllStringSubmatch(columns, -1) {
		out = append(out, match[1])
	}
	return strings.Join(out, ", ")
}
