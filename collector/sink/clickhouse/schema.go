// Package clickhouse is ClickHouse as a destination of flows: its tables, and batches that are stored there once.
//
// ClickHouse reads the collectors' batches as they are (FORMAT Protobuf). They go into the table flows_raw, which keeps nothing; a
// materialized view makes the rows of the table flows of them, and further ones add the roll-ups up.
package clickhouse

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Version of the tables. It rises with each change of them.
const Version = 5

// Retention says how long rows are kept; 0 is for ever. ClickHouse drops whole days (of the roll-ups of five minutes: months).
type Retention struct {
	Flows, OneMinute, FiveMinutes time.Duration
}

// Tables says where the tables are, and what they are like.
type Tables struct {
	// Database that holds them; a name of letters, digits and "_".
	Database string
	// Cluster, where it is not empty: tables on all its servers, replicated by way of Keeper within each shard, and tables *_all that
	// read from all shards.
	Cluster   string
	Retention Retention
}

// DefaultTables are those of a single server.
var DefaultTables = Tables{Database: "flowfleet", Retention: Retention{
	Flows: 30 * 24 * time.Hour, OneMinute: 90 * 24 * time.Hour, FiveMinutes: 400 * 24 * time.Hour}}

// Window is how many inserts back a server knows one that comes again: of a table on one server, or of one shard.
const Window = 10_000

// windowTime bounds that on a cluster, in seconds: a week.
const windowTime = 7 * 24 * 60 * 60

var (
	databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	clusterName  = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_.]*$`)
)

// Check returns what is wrong with the names and times, nil for nothing.
func (t Tables) Check() error {
	switch {
	case !databaseName.MatchString(t.Database):
		return fmt.Errorf("database %q is not a name of letters, digits and \"_\"", t.Database)
	case t.Cluster != "" && !clusterName.MatchString(t.Cluster):
		return fmt.Errorf("cluster %q is not a name of letters, digits, \"_\", \"-\" and \".\"", t.Cluster)
	}
	for _, d := range []time.Duration{t.Retention.Flows, t.Retention.OneMinute, t.Retention.FiveMinutes} {
		if d != 0 && d < time.Hour {
			return fmt.Errorf("rows cannot be kept for %s: give at least 1h, or 0 for ever", d)
		}
	}
	return nil
}

// Statements make all tables, in this order, where they are missing. Each is one statement, without a semicolon.
func (t Tables) Statements() []string {
	statements := []string{
		"CREATE DATABASE IF NOT EXISTS " + t.Database + t.onCluster(),
		t.flows(),
	}
	for _, r := range rollups {
		for _, i := range []interval{oneMinute, fiveMinutes} {
			statements = append(statements, t.rollup(r, i), t.rollupView(r, i))
		}
	}
	// What lets rows in comes last: none goes past a roll-up.
	statements = append(statements, t.raw(), t.viewOfRaw(), t.ledgerMinutes(), t.ledgerColumns(ledgerTable))
	if t.Cluster != "" {
		statements = append(statements, t.distributed("flows"))
		for _, r := range rollups {
			statements = append(statements, t.distributed(r.table(oneMinute)), t.distributed(r.table(fiveMinutes)))
		}
		statements = append(statements, t.distributed(ledgerTable), t.ledgerColumns(ledgerTable+"_all"))
	}
	statements = append(statements, t.completeness())
	// A view, since a row would be on one shard of a cluster only. It comes last: what it says is there.
	return append(statements, "CREATE OR REPLACE VIEW "+t.Database+".schema_version"+t.onCluster()+
		fmt.Sprintf(" AS SELECT %d AS version", Version))
}

func (t Tables) onCluster() string {
	if t.Cluster == "" {
		return ""
	}
	return " ON CLUSTER '" + t.Cluster + "'"
}

func (t Tables) create(table string) string {
	return "CREATE TABLE IF NOT EXISTS " + t.Database + "." + table + t.onCluster()
}

// engine of the MergeTree family; on a cluster each shard's replicas share what they have.
func (t Tables) engine(name, arguments string) string {
	if t.Cluster != "" {
		name = "Replicated" + name
	}
	return name + "(" + arguments + ")"
}

// settings have a server know inserts that come again, and drop what is too old by the day.
func (t Tables) settings() string {
	window := fmt.Sprintf("non_replicated_deduplication_window = %d", Window)
	if t.Cluster != "" {
		window = fmt.Sprintf("replicated_deduplication_window = %d, replicated_deduplication_window_seconds = %d", Window, windowTime)
	}
	return "\nSETTINGS ttl_only_drop_parts = 1, " + window
}

func ttl(column string, keep time.Duration) string {
	if keep == 0 {
		return ""
	}
	return fmt.Sprintf("\nTTL %s + INTERVAL %d SECOND", column, int64(keep/time.Second))
}

// flows is partitioned and ordered by the time of receipt, which collectors know; what exporters say of their flows' times could make
// a partition of each row.
func (t Tables) flows() string {
	lines := make([]string, 0, len(columns)+2)
	for _, c := range columns {
		lines = append(lines, fmt.Sprintf("%s %s CODEC(%s)", c.name, c.kind(), c.codec))
	}
	lines = append(lines, scaled("bytes"), scaled("packets"))
	return t.create("flows") + " (\n    " + strings.Join(lines, ",\n    ") + "\n) ENGINE = " + t.engine("MergeTree", "") +
		"\nPARTITION BY toDate(time_received)" +
		"\nORDER BY (toStartOfFiveMinutes(time_received), sampler_address, in_if, src_addr, dst_addr, time_received)" +
		ttl("toDateTime(time_received)", t.Retention.Flows) + t.settings()
}

// raw is what FORMAT Protobuf fills.
func (t Tables) raw() string {
	lines := make([]string, 0, len(columns))
	for _, c := range columns {
		lines = append(lines, c.source()+" "+c.raw)
	}
	return t.create("flows_raw") + " (\n    " + strings.Join(lines, ",\n    ") + "\n) ENGINE = Null"
}

func (t Tables) view(name, to string) string {
	return "CREATE MATERIALIZED VIEW IF NOT EXISTS " + t.Database + "." + name + t.onCluster() + " TO " + t.Database + "." + to + " AS SELECT\n    "
}

func (t Tables) viewOfRaw() string {
	lines := make([]string, 0, len(columns))
	for _, c := range columns {
		lines = append(lines, c.expression()+" AS "+c.name)
	}
	return t.view(rawView, "flows") + strings.Join(lines, ",\n    ") + "\nFROM " + t.Database + ".flows_raw AS r"
}

func (r rollup) table(i interval) string { return r.name + "_" + i.suffix }

func (t Tables) rollup(r rollup, i interval) string {
	keep := t.Retention.OneMinute
	if i == fiveMinutes {
		keep = t.Retention.FiveMinutes
	}
	lines := []string{"time DateTime('UTC') CODEC(Delta, ZSTD(1))"}
	order := []string{"time"}
	for _, k := range r.keys {
		lines = append(lines, k.name+" "+k.kind+" CODEC("+zstd+")")
		order = append(order, k.name)
	}
	var added []string
	for _, s := range sums {
		lines = append(lines, s.name+" "+s.kind+" CODEC("+zstd+")")
		added = append(added, s.name)
	}
	return t.create(r.table(i)) + " (\n    " + strings.Join(lines, ",\n    ") + "\n) ENGINE = " +
		t.engine("SummingMergeTree", "("+strings.Join(added, ", ")+")") +
		"\nPARTITION BY " + i.partition + "\nORDER BY (" + strings.Join(order, ", ") + ")" + ttl("time", keep) + t.settings()
}

func (t Tables) rollupView(r rollup, i interval) string {
	lines := []string{fmt.Sprintf(i.start, "toDateTime(f.time_received, 'UTC')") + " AS time"}
	groups := []string{"time"}
	for _, k := range r.keys {
		lines = append(lines, k.expression+" AS "+k.name)
		groups = append(groups, k.name)
	}
	for _, s := range sums {
		lines = append(lines, s.expression+" AS "+s.name)
	}
	return t.view(r.table(i)+"_from_flows", r.table(i)) + strings.Join(lines, ",\n    ") +
		"\nFROM " + t.Database + ".flows AS f" + r.from + "\nGROUP BY " + strings.Join(groups, ", ")
}

// distributed reads a table from all shards.
func (t Tables) distributed(table string) string {
	return t.create(table+"_all") + " AS " + t.Database + "." + table +
		fmt.Sprintf("\nENGINE = Distributed('%s', '%s', '%s')", t.Cluster, t.Database, table)
}
