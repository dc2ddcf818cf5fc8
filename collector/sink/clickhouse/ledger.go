package clickhouse

import (
	"fmt"
	"strings"
)

// minuteColumns are those of ledger.Minute, by the names that its JSON has; those of minuteKey tell one record from another. Tables of
// earlier versions than since lack a column.
var minuteColumns = []struct {
	name, kind string
	since      int
}{
	{"minute", "DateTime('UTC')", 0},
	{"fleet", "LowCardinality(String)", 0},
	{"collector", "LowCardinality(String)", 0},
	{"run", "LowCardinality(String)", 0},
	{"share", "UInt64", 0},
	{"kind", "LowCardinality(String)", 0},
	{"exporter", "IPv6", 0},
	{"protocol", "LowCardinality(String)", 0},
	{"port", "UInt16", 0},
	{"domain", "UInt32", 0},
	{"datagrams", "UInt64", 0},
	{"datagrams_refused", countsType, 0},
	{"sets", "UInt64", 0},
	{"sets_decoded", "UInt64", 0},
	{"sets_lost", countsType, 0},
	{"records", "UInt64", 0},
	{"sampling_rate", "UInt64", 4},
	{"last_seen", "Int64", 0},
	{"sequence_from", "UInt32", 0},
	{"sequence_next", "UInt32", 0},
	{"units", "UInt64", 0},
	{"units_of_run", "UInt64", 0},
	{"duplicated", "UInt64", 0},
	{"restarts", "UInt64", 0},
	{"bytes", "UInt64", 4},
	{"scaled_bytes", "UInt64", 4},
	{"named", countsType, 4},
	{"unnamed", countsType, 4},
	{"kernel_dropped", "UInt64", 0},
	{"records_dropped", countsType, 0},
}

// countsType is what is counted by reason.
const countsType = "Map(LowCardinality(String), UInt64)"

// minuteKey is the same for a record that comes again only.
const minuteKey = "minute, exporter, protocol, port, domain, kind, fleet, collector, run, share"

// ledgerMinutes holds the ledger's minutes. Of records that come again, beyond the window of insert tokens too, one stays.
func (t Tables) ledgerMinutes() string {
	lines := make([]string, 0, len(minuteColumns))
	for _, c := range minuteColumns {
		lines = append(lines, c.name+" "+c.kind+" CODEC("+zstd+")")
	}
	return t.create(ledgerTable) + " (\n    " + strings.Join(lines, ",\n    ") + "\n) ENGINE = " + t.engine("ReplacingMergeTree", "") +
		"\nPARTITION BY toDate(minute)\nORDER BY (" + minuteKey + ")" + ttl("minute", t.Retention.OneMinute) + t.settings()
}

// ledgerColumns adds the columns that a table of an earlier version lacks.
func (t Tables) ledgerColumns(table string) string {
	var lines []string
	for _, c := range minuteColumns {
		if c.since > 0 {
			lines = append(lines, "ADD COLUMN IF NOT EXISTS "+c.name+" "+c.kind)
		}
	}
	return "ALTER TABLE " + t.Database + "." + table + t.onCluster() + "\n    " + strings.Join(lines, ",\n    ")
}

const ledgerTable = "ledger_minutes"

// Whole is the name of a table, or of the one with the rows of all shards where it is on a cluster, behind its database.
func (t Tables) Whole(table string) string {
	if t.Cluster != "" {
		table += "_all"
	}
	return t.Database + "." + table
}

// Numbers of the ledger (package ledger), by which it tells a restart from a gap, and a late datagram from a restart.
const (
	restartGap    = 1 << 20
	reorderWindow = 1 << 12
)

// completeness judges what of all that exporters sent came, was decoded and is stored. What a stream sent in a minute is how far the highest
// number of the fleet went on since the minute before that has one, up to an hour back; see docs/ledger.md.
//
// In a minute in which one collector saw a restart, another may be ahead of it that saw it a minute ago: whoever heard the stream last knows where
// it is. If that one saw no restart, nobody knows what was lost: by its clock it may be the one that heard the last of what came before. A collector
// that heard nothing in the minute is left out: it may have a record of sets that expired, with the number where the exporter left it.
func (t Tables) completeness() string {
	in := func(column, begin string) string {
		return column + " >= " + begin + " AND " + column + " < {to:DateTime('UTC')}"
	}
	const from, before = "{from:DateTime('UTC')}", "{from:DateTime('UTC')} - INTERVAL 1 HOUR"
	const stream = "fleet, exporter, protocol, port, domain"
	records := func(where string) string {
		return "(SELECT * FROM " + t.Whole(ledgerTable) + " WHERE " + where + " LIMIT 1 BY " + minuteKey + ")"
	}
	shares := `SELECT ` + stream + `, minute, sum(m.units) AS units, max(m.restarts) > 0 AS restarted,
            groupArray((m.restarts > 0, m.last_seen, m.sequence_from, m.sequence_next, if(m.restarts > 0, m.units_of_run, m.units))) AS shares,
            arrayFilter(s -> s.1 OR NOT restarted OR s.2 = arrayMax(o -> o.2, shares), shares) AS judged,
            arraySort(s -> (s.2, s.1), judged)[-1] AS heard, heard.4 AS latest,
            arrayFilter(s -> abs(toInt32(s.4 - latest)) <= %[1]d, judged) AS run,
            toUInt32(latest + arrayMax(s -> toInt32(s.4 - latest), run)) AS top,
            if(heard.1 OR NOT restarted, arrayMax(s -> toUInt32(top - s.3), run), 0) AS length, arraySum(s -> s.5, shares) AS came
        FROM ` + records("kind = 'stream' AND (units > 0 OR datagrams > 0 OR restarts > 0) AND "+in("minute", before)) + ` AS m GROUP BY ` + stream + `, minute`
	steps := `SELECT *, lagInFrame(toNullable(top)) OVER w AS last, toInt32(top - last) AS step,
            ifNull(NOT restarted AND step >= -%[2]d AND step - toInt64(units) <= %[1]d, 0) AS goes_on
        FROM (` + shares + `) WINDOW w AS (PARTITION BY ` + stream + ` ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`
	places := `SELECT *, sum(NOT goes_on) OVER w AS begun, sum(if(goes_on, ifNull(step, 0), 0)) OVER w AS place
        FROM (` + steps + `) WINDOW w AS (PARTITION BY ` + stream + ` ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`
	highest := `SELECT *, max(place) OVER (PARTITION BY ` + stream + `, begun ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS highest
        FROM (` + places + `)`
	sent := `SELECT minute, exporter, units AS received, if(goes_on,
            highest - lagInFrame(highest) OVER (PARTITION BY ` + stream + `, begun ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW),
            toInt64(units) + greatest(0, toInt64(length) - toInt64(came))) AS sent
        FROM (` + highest + `)`
	union := func(table string, columns map[string]string, rest string) string {
		var lines []string
		for _, name := range []string{"sent", "received", "datagrams", "datagrams_refused", "sets", "sets_lost", "records", "stored", "without_rate",
			"sides", "sides_named"} {
			expression := columns[name]
			if expression == "" {
				expression = "0"
			}
			lines = append(lines, "toInt64("+expression+") AS "+name)
		}
		return "SELECT " + table + ", " + strings.Join(lines, ", ") + "\n    FROM " + rest
	}
	all := strings.Join([]string{
		union("minute, exporter", map[string]string{"sent": "s.sent", "received": "s.received"}, "("+sent+") AS s WHERE "+in("minute", from)),
		union("minute, exporter", map[string]string{"datagrams": "m.datagrams", "datagrams_refused": "arraySum(mapValues(m.datagrams_refused))",
			"sets": "m.sets", "sets_lost": "arraySum(mapValues(m.sets_lost))", "records": "m.records"},
			records("kind != 'collector' AND "+in("minute", from))+" AS m"),
		union("time AS minute, sampler_address AS exporter", map[string]string{"stored": "f.flows", "without_rate": "f.flows_without_rate"},
			t.Whole("protocols_1m")+" AS f WHERE "+in("time", from)),
		union("time AS minute, sampler_address AS exporter", map[string]string{"sides": "f.flows", "sides_named": "if(f.interface_name != '', f.flows, 0)"},
			t.Whole("interfaces_1m")+" AS f WHERE "+in("time", from)),
	}, "\n    UNION ALL ")
	return "CREATE OR REPLACE VIEW " + t.Database + ".completeness" + t.onCluster() + ` AS
SELECT minute, exporter, sum(a.sent) AS sent, sum(a.received) AS received, sent - received AS missed,
    sum(a.datagrams) AS datagrams, sum(a.datagrams_refused) AS datagrams_refused, sum(a.sets) AS sets, sum(a.sets_lost) AS sets_lost,
    sum(a.records) AS records, sum(a.stored) AS stored,
    if(sent > 0, least(1, received / sent) * if(sets > 0, greatest(0, 1 - sets_lost / sets), 1) * if(records > 0, least(1, stored / records), 1), NULL) AS share,
    if(stored > 0, 1 - sum(a.without_rate) / stored, NULL) AS share_with_rate,
    if(sum(a.sides) > 0, sum(a.sides_named) / sum(a.sides), NULL) AS share_named
FROM (
    ` + fmt.Sprintf(strings.ReplaceAll(all, "%s", "%%s"), restartGap, reorderWindow) + `
) AS a
GROUP BY minute, exporter
ORDER BY minute, exporter`
}
