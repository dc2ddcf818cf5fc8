package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
)

func newNamesCommand() *cobra.Command {
	var flags serverFlags
	command := &cobra.Command{
		Use:   "names",
		Short: "Show what exporters say their numbers mean: interfaces, applications, VRFs, ...",
	}
	flags.add(command)
	flags.addFleet(command)
	flags.addBucket(command)
	var asJSON bool
	var exporter, table string
	child := func(use, short string, print func(io.Writer, []sharedTable, bool) error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Args: arguments(0, 0, ""), RunE: func(command *cobra.Command, _ []string) error {
			wanted, err := wantedTables(exporter, table)
			if err != nil {
				return err
			}
			return flags.withBucket(command.Context(), func(ctx context.Context, kv jetstream.KeyValue) error {
				tables, err := flags.sharedTables(ctx, kv, wanted)
				if err != nil {
					return err
				}
				if len(tables) == 0 && !asJSON {
					_, err = fmt.Fprintln(command.OutOrStdout(), nothingKnown(exporter, table))
					return err
				}
				return print(command.OutOrStdout(), tables, asJSON)
			})
		}}
		c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
		c.Flags().StringVar(&exporter, "exporter", "", "only those of one exporter's address")
		c.Flags().StringVar(&table, "table", "", "only one table: "+strings.Join(tableWords(), ", "))
		return c
	}
	list := child("list", "List the tables in the bucket", printTables)
	list.Long = `list shows the tables in the bucket. WRITTEN is how long ago a collector wrote the table, HEARD how long before now the exporter had last
sent it at that time. A table that is sent again unchanged is not written until half of the bucket's ttl has passed (15 days of the
default 720h). So an old HEARD does not mean that the exporter has stopped: "kubectl flowfleet capture" shows what it sends.`
	return group(command, list, child("show", "Show the names in them", printRows))
}

// nothingKnown says what to do where there are no tables.
func nothingKnown(exporter, table string) string {
	if exporter != "" || table != "" {
		return "Nothing is known of that. Without --exporter and --table, all tables are shown."
	}
	return `No names are known yet. Exporters send them in options tables every few minutes: wait for 30 minutes.
If none come, have the exporters send options tables (see docs/routers.md), or say the names yourself
(exporters.namesFrom, see docs/names.md: they are not in the bucket). Collectors learn names unless decoding.names is empty.`
}

func tableWords() (out []string) {
	for _, t := range names.Tables {
		out = append(out, t.String())
	}
	return out
}

// wantedTables reports whether a key is of a table that was asked for.
func wantedTables(exporter, table string) (func(template.Key) bool, error) {
	var address netip.Addr
	if exporter != "" {
		a, err := netip.ParseAddr(exporter)
		if err != nil {
			return nil, fmt.Errorf("--exporter %q is not an address such as 192.0.2.1 or 2001:db8::1", exporter)
		}
		address = a.Unmap()
	}
	wanted, ok := names.ParseTable(table)
	if !ok && table != "" {
		return nil, misuse{fmt.Errorf("--table %q: there are %s", table, strings.Join(tableWords(), ", "))}
	}
	return func(k template.Key) bool {
		return k.Family == template.FamilyNames && (!address.IsValid() || k.Scope.Exporter == address) && (table == "" || k.ID == uint64(wanted))
	}, nil
}

// sharedTable is a table of names as the bucket has it.
type sharedTable struct {
	share.Entry
	table names.Table
	rows  []names.Entry
	err   error
}

func (f *serverFlags) sharedTables(ctx context.Context, kv jetstream.KeyValue, wanted func(template.Key) bool) ([]sharedTable, error) {
	entries, err := share.List(ctx, kv, everything, f.timeout)
	if err != nil {
		return nil, err
	}
	pages := make(map[names.Hash][]byte)
	for _, e := range entries {
		if e.Err == nil && e.Key.Family == template.FamilyPage {
			pages[names.HashOf(e.Record)] = e.Record
		}
	}
	var out []sharedTable
	for _, e := range entries {
		if e.Err == nil && wanted(e.Key) {
			t := sharedTable{Entry: e, table: names.Table(e.Key.ID)}
			t.rows, t.err = names.Rows(e.Record, pages)
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b sharedTable) int {
		return cmp.Or(a.Key.Scope.Exporter.Compare(b.Key.Scope.Exporter), cmp.Compare(a.Key.Scope.Domain, b.Key.Scope.Domain), cmp.Compare(a.table, b.table))
	})
	return out, nil
}

// shownTable is a table for programs, shownName a row.
type shownTable struct {
	Exporter string    `json:"exporter"`
	Domain   uint32    `json:"domain"`
	Table    string    `json:"table"`
	Rows     int       `json:"rows"`
	Exported time.Time `json:"exported"`
	Heard    time.Time `json:"heard"`
	Written  time.Time `json:"written"`
	Writer   string    `json:"writer"`
	Error    string    `json:"error,omitempty"`
}

type shownName struct {
	names.Record
	Exported time.Time `json:"exported"`
}

// latestSecond is the last one of the year 9999: JSON has no later times, and the bucket may have anything.
const latestSecond = 253_402_300_799

func stampTime(s template.Stamp) time.Time {
	return time.Unix(int64(min(s.Seconds(), latestSecond)), 0).UTC()
}

func (t *sharedTable) shown() shownTable {
	out := shownTable{Exporter: t.Key.Scope.Exporter.String(), Domain: t.Key.Scope.Domain, Table: t.table.String(), Rows: len(t.rows),
		Exported: stampTime(t.Stamp), Heard: t.Heard.UTC(), Written: t.Written.UTC(), Writer: t.Writer}
	if t.err != nil {
		out.Error = t.err.Error()
	}
	return out
}

func printTables(out io.Writer, tables []sharedTable, asJSON bool) error {
	encoder, table := newJSONEncoder(out), tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(table, "EXPORTER\tDOMAIN\tTABLE\tROWS\tHEARD\tWRITTEN\tWRITER")
	}
	for i := range tables {
		s := tables[i].shown()
		if asJSON {
			if err := encoder.Encode(s); err != nil {
				return err
			}
			continue
		}
		rows := fmt.Sprint(s.Rows)
		if s.Error != "" {
			rows = s.Error
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", s.Exporter, s.Domain, s.Table, rows, ago(s.Heard), ago(s.Written), printable(s.Writer))
	}
	return table.Flush()
}

func ago(t time.Time) string { return time.Since(t).Round(time.Second).String() }

func printRows(out io.Writer, tables []sharedTable, asJSON bool) error {
	encoder, table := newJSONEncoder(out), tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(table, "EXPORTER\tDOMAIN\tTABLE\tNUMBER\tNAME\tDESCRIPTION\tMORE\tEXPORTED")
	}
	for i := range tables {
		t := &tables[i]
		for j := range t.rows {
			s := t.name(&t.rows[j])
			if asJSON {
				if err := encoder.Encode(s); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Exporter, s.Domain, s.Table, s.Number, s.Name, s.Description, s.more(),
				s.Exported.Format(time.RFC3339))
		}
	}
	return table.Flush()
}

func (t *sharedTable) name(e *names.Entry) shownName {
	scope := names.Scope{Exporter: t.Key.Scope.Exporter, Domain: t.Key.Scope.Domain}
	return shownName{names.NewRecord(scope, t.table, e, t.Heard.UnixNano()), stampTime(e.Stamp)}
}

// more is what a row says beside its name.
func (n *shownName) more() string {
	var out []string
	if n.Speed != 0 {
		out = append(out, fmt.Sprintf("%d bit/s", n.Speed))
	}
	for name, text := range n.Attributes {
		out = append(out, name+"="+text)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
