package dashboards

// Titles say of what; descriptions say what a reader must know to read it right.

const scaledNote = "Bytes are multiplied by the sampling rate. Flows whose rate nobody said are left out: see their share."

var overview = board{
	name: "overview", title: "Flowfleet: overview", description: "What the network carries, and who causes it",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Now and here", kind: figures, width: 24, height: 4,
			description: "Of the time range. Volumes are multiplied by the sampling rate; flows without a rate are those that cannot be.",
			query: `
SELECT formatReadableDecimalSize(sum(scaled_bytes)) AS "Volume", formatReadableQuantity(sum(flows)) AS "Flows",
  uniqExact(sampler_address) AS "Exporters", concat(toString(round(100 * sum(flows_without_rate) / greatest(sum(flows), 1), 2)), ' %') AS "Flows without a rate"
FROM {protocols_${resolution}}
WHERE ` + during + `
  AND ` + ofExporters},
		{title: "Traffic by exporter", kind: graph, unit: "bps", width: 12, height: 9, description: scaledNote,
			query: traffic("protocols", exporterName, ofExporters)},
		{title: "Traffic by application", kind: graph, unit: "bps", width: 12, height: 9,
			description: scaledNote + " \"Not told\": the exporter names no application.",
			query:       traffic("applications", applicationName, ofExporters)},
		{title: "Sources", kind: rows, width: 8, height: 11, description: scaledNote,
			query: mostFlows(sourceAddress+" AS source", ofExporters)},
		{title: "Destinations", kind: rows, width: 8, height: 11, description: scaledNote,
			query: mostFlows(destination+" AS destination", ofExporters)},
		{title: "Conversations", kind: rows, width: 8, height: 11, description: scaledNote + " Each direction is one of its own.",
			query: mostFlows(sourceAddress+" AS source, "+destination+" AS destination", ofExporters)},
	},
}

// ofInterface is the one chosen; the others say the same of a flow.
const (
	ofInterface = "toString(interface) = ${interface:sqlstring}"
	inByIt      = "toString(in_if) = ${interface:sqlstring}"
	outByIt     = "toString(out_if) = ${interface:sqlstring}"
)

var oneInterface = board{
	name: "interface", title: "Flowfleet: an interface", description: "What comes in and goes out by one interface of one exporter",
	variables: []variable{exporter, interfaces},
	panels: []panel{
		{title: "In and out", kind: graph, unit: "bps", width: 24, height: 8,
			description: scaledNote + "",
			query:       traffic("interfaces", "toString(direction)", ofExporter, ofInterface)},
		{title: "In, by service", kind: rows, width: 12, height: 10, description: scaledNote,
			query: mostFlows(flowService+" AS service", ofExporter, inByIt)},
		{title: "Out, by service", kind: rows, width: 12, height: 10, description: scaledNote,
			query: mostFlows(flowService+" AS service", ofExporter, outByIt)},
		{title: "In, by conversation", kind: rows, width: 12, height: 10, description: scaledNote,
			query: mostFlows(sourceAddress+" AS source, "+destination+" AS destination", ofExporter, inByIt)},
		{title: "Out, by conversation", kind: rows, width: 12, height: 10, description: scaledNote,
			query: mostFlows(sourceAddress+" AS source, "+destination+" AS destination", ofExporter, outByIt)},
	},
}

// flowService is serviceName of a flow: the lower port is usually the server's.
const flowService = "if(proto IN (6, 17, 132), concat(" + protocolName + ", ' ', toString(least(src_port, dst_port))), " + protocolName + ")"

var applications = board{
	name: "applications", title: "Flowfleet: applications", description: "Applications, as exporters name them",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Traffic by application", kind: graph, unit: "bps", width: 24, height: 10, description: scaledNote,
			query: traffic("applications", applicationName, ofExporters)},
		{title: "Applications", kind: rows, width: 12, height: 12, description: scaledNote,
			query: most("applications", applicationName+" AS application", ofExporters)},
		{title: "Applications by exporter", kind: rows, width: 12, height: 12, description: scaledNote,
			query: most("applications", exporterName+" AS exporter, "+applicationName+" AS application", ofExporters)},
	},
}

var protocols = board{
	name: "protocols", title: "Flowfleet: protocols and ports", description: "The lower of a flow's two ports counts as the service's",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Traffic by protocol", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("protocols", protocolName, ofExporters)},
		{title: "Traffic by service", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("protocols", serviceName, ofExporters)},
		{title: "Services", kind: rows, width: 24, height: 12, description: scaledNote,
			query: most("protocols", serviceName+" AS service", ofExporters)},
	},
}

var autonomousSystems = board{
	name: "as", title: "Flowfleet: autonomous systems", description: "By AS number, 0 where the exporter does not say it (often its own)",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Traffic by source AS", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("as", "toString(src_as)", ofExporters)},
		{title: "Traffic by destination AS", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("as", "toString(dst_as)", ofExporters)},
		{title: "From AS to AS", kind: rows, width: 24, height: 12, description: scaledNote,
			query: most("as", "src_as AS source, dst_as AS destination", ofExporters)},
	},
}

// A flow counts at both its ends: a graph or a sum is of one side.
const (
	fromSide = "side = 'src'"
	toSide   = "side = 'dst'"
)

var prefixes = board{
	name: "prefixes", title: "Flowfleet: prefixes", description: "By network: of the length that the exporter says, at most /24 and /48",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Traffic by source prefix", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("prefixes", prefix, fromSide, ofExporters)},
		{title: "Traffic by destination prefix", kind: graph, unit: "bps", width: 12, height: 10, description: scaledNote,
			query: traffic("prefixes", prefix, toSide, ofExporters)},
		{title: "From", kind: rows, width: 12, height: 12, description: scaledNote,
			query: most("prefixes", prefix+" AS source", fromSide, ofExporters)},
		{title: "To", kind: rows, width: 12, height: 12, description: scaledNote,
			query: most("prefixes", prefix+" AS destination", toSide, ofExporters)},
	},
}

var oneExporter = board{
	name: "exporter", title: "Flowfleet: an exporter", description: "What one router, switch or firewall sends",
	variables: []variable{exporter},
	panels: []panel{
		{title: "Flows", kind: graph, unit: "short", width: 12, height: 9, description: "Records a second, as they came.",
			query: total("protocols", "sum(flows) / $__interval_s", "flows/s", ofExporter)},
		{title: "Traffic", kind: graph, unit: "bps", width: 12, height: 9, description: scaledNote,
			query: total("protocols", bitsPerSecond, "bit/s", ofExporter)},
		{title: "Interfaces", kind: rows, width: 12, height: 12, description: scaledNote,
			query: most("interfaces", interfaceName+" AS name, interface AS if_index, toString(direction) AS way", ofExporter)},
		{title: "Sampling rates", kind: rows, width: 12, height: 12,
			description: "Rates in force, by domain and protocol; 0 where nobody said one.",
			query: `
SELECT type AS protocol, observation_domain_id AS domain, sampling_rate AS rate, count() AS flows,
  max(time_received) AS last
FROM {flows}
WHERE ` + received + `
  AND ` + ofExporter + `
GROUP BY protocol, domain, rate ORDER BY flows DESC LIMIT 100`},
	},
}

var conversations = board{
	name: "conversations", title: "Flowfleet: conversations", description: "Look for the flows of an address or a port",
	variables: []variable{exporters,
		{name: "address", label: "Address (10.1. for all that begin so)", text: true}, {name: "port", label: "Port", text: true}},
	panels: []panel{
		{title: "Conversations", kind: rows, width: 24, height: 11, description: scaledNote,
			query: mostFlows(sourceAddress+" AS source, src_port AS source_port, "+destination+" AS destination, dst_port AS destination_port, "+
				protocolName+" AS protocol", ofExporters, ofAddress, ofPort)},
		{title: "Flows", kind: rows, width: 24, height: 13, description: "The last 500, as they came: bytes are not multiplied.",
			query: `
SELECT time_flow_start AS first, time_flow_end AS last, ` + exporterName + ` AS exporter, ` + sourceAddress + ` AS source, src_port AS source_port,
  ` + destination + ` AS destination, dst_port AS destination_port, ` + protocolName + ` AS protocol, bytes, packets, sampling_rate,
  if(in_if_name = '', toString(in_if), in_if_name) AS in_interface, if(out_if_name = '', toString(out_if), out_if_name) AS out_interface
FROM {flows}
WHERE ` + received + `
  AND ` + ofExporters + `
  AND ` + ofAddress + `
  AND ` + ofPort + `
ORDER BY time_received DESC LIMIT 500`},
	},
}

// What readers type is a string for ClickHouse, whatever it says: what is no address or number finds nothing. An address may be written in any
// way, also "2001:DB8:0::1".
var ofAddress = "(${address:sqlstring} = '' OR src_addr = toIPv6OrNull(${address:sqlstring}) OR dst_addr = toIPv6OrNull(${address:sqlstring})" +
	" OR match(${address:sqlstring}, '[.:]$') AND (startsWith(" + sourceAddress + ", lower(${address:sqlstring})) OR startsWith(" + destination +
	", lower(${address:sqlstring}))))"

const ofPort = "(${port:sqlstring} = '' OR toString(src_port) = ${port:sqlstring} OR toString(dst_port) = ${port:sqlstring})"

// minutesNote is what one must know where the tables have no minutes of the ledger.
const minutesNote = " Empty where the fleet publishes no minutes of its ledger (output.ledger: Minutes)."

// shareOfSums is the share of the view completeness for several of its minutes. Of what came at the end of one minute and was counted in the next,
// shares of single minutes would make a loss: there can be less than all in one, and not more than all in the other. Sets
// that came before may be given up, more than came since: nothing is read then, not less.
const shareOfSums = "least(1, sum(c.received) / sum(c.sent)) * if(sum(c.sets) > 0, greatest(0, 1 - sum(c.sets_lost) / sum(c.sets)), 1)" +
	" * if(sum(c.records) > 0, least(1, sum(c.stored) / sum(c.records)), 1)"

var completeness = board{
	name: "completeness", title: "Flowfleet: how complete is this", description: "What the other dashboards cannot show",
	variables: []variable{exporters},
	panels: []panel{
		{title: "Of what exporters sent, here", kind: graph, unit: "percentunit", width: 24, height: 8,
			description: "What came of what was sent, times what was decoded of what came, times what is stored of what was decoded." + minutesNote,
			query: `
SELECT bucket, sum(here_of * units_sent) / sum(units_sent) AS "here"
FROM (SELECT toStartOfInterval(minute, INTERVAL $__interval_s second, 'UTC') AS bucket, exporter, sum(c.sent) AS units_sent, ` + shareOfSums + ` AS here_of
  FROM {completeness}` + wholeMinutes + ` AS c
  WHERE ` + ofSenders + `
  GROUP BY bucket, exporter HAVING units_sent > 0)
GROUP BY bucket ORDER BY bucket`},
		{title: "Flows with a sampling rate", kind: graph, unit: "percentunit", width: 12, height: 9,
			description: "Volumes of the others are not known: no graph has them.",
			query:       total("protocols", "1 - sum(flows_without_rate) / sum(flows)", "with rate", ofExporters)},
		{title: "Flows by interface that have its name", kind: graph, unit: "percentunit", width: 12, height: 9,
			description: "Of those that say an interface. Exporters send the names in options data.",
			query:       total("interfaces", "sumIf(flows, interface_name != '') / sum(flows)", "named", ofExporters, "interface != 0")},
		{title: "What exporters sent, and what became of it", kind: rows, width: 24, height: 12,
			description: "Sent, received and missed are units of an exporter's own sequence: datagrams, records or samples. " +
				"Those who lost most come first." + minutesNote,
			query: `
SELECT ` + written("exporter") + ` AS exporter_address, sum(c.sent) AS units_sent, sum(c.received) AS units_received,
  sum(c.missed) AS units_missed, sum(c.datagrams_refused) AS refused, sum(c.sets_lost) AS lost_sets, sum(c.records) AS flows_decoded,
  sum(c.stored) AS flows_stored, if(units_sent > 0, ` + shareOfSums + `, NULL) AS share_here
FROM {completeness}` + wholeMinutes + ` AS c
WHERE ` + ofSenders + `
GROUP BY exporter ORDER BY share_here NULLS LAST, units_missed DESC, exporter LIMIT 1000`},
		{title: "Exporters", kind: rows, width: 24, height: 12,
			description: "Share of flows with a rate, and when the last flow came.",
			query: `
SELECT ` + exporterName + ` AS exporter, sum(flows) AS flows_all, sum(bytes) AS bytes_as_sent,
  1 - sum(flows_without_rate) / sum(flows) AS share_with_rate, max(time) AS last_minute
FROM {protocols_${resolution}}
WHERE ` + during + `
  AND ` + ofExporters + `
GROUP BY exporter ORDER BY share_with_rate, flows_all DESC LIMIT 1000`},
	},
}
