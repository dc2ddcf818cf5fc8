package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
)

func newTemplatesCommand() *cobra.Command {
	var flags serverFlags
	command := &cobra.Command{
		Use:   "templates",
		Short: "Show what collectors share: templates and sampling rates",
	}
	flags.add(command)
	flags.addFleet(command)
	flags.addBucket(command)
	var asJSON bool
	var exporter string
	list := &cobra.Command{
		Use:   "list",
		Short: "List the definitions in the bucket",
		Args:  arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			pattern, err := exporterPattern(exporter)
			if err != nil {
				return err
			}
			return flags.withBucket(command.Context(), func(ctx context.Context, kv jetstream.KeyValue) error {
				entries, err := flags.findEntries(ctx, kv, pattern, nil)
				if err != nil {
					return err
				}
				if len(entries) == 0 && !asJSON {
					return printNothing(command.OutOrStdout(), exporter)
				}
				return printEntries(command.OutOrStdout(), entries, asJSON, false)
			})
		},
	}
	show := &cobra.Command{
		Use:   "show [KEY...]",
		Short: "Show definitions with their fields",
		RunE: func(command *cobra.Command, args []string) error {
			pattern, err := exporterPattern(exporter)
			if err != nil {
				return err
			}
			return flags.withBucket(command.Context(), func(ctx context.Context, kv jetstream.KeyValue) error {
				entries, err := flags.findEntries(ctx, kv, pattern, args)
				if err != nil {
					return err
				}
				if len(entries) == 0 && !asJSON {
					return printNothing(command.OutOrStdout(), exporter)
				}
				return printEntries(command.OutOrStdout(), entries, asJSON, true)
			})
		},
	}
	for _, c := range []*cobra.Command{list, show} {
		c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
		c.Flags().StringVar(&exporter, "exporter", "", "only those of one exporter's address")
	}
	var yes bool
	remove := &cobra.Command{
		Use:   "delete KEY...",
		Short: "Delete definitions; collectors forget them until the exporter sends them again",
		Args:  arguments(1, -1, "a key, see \"collector templates list\","),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.withBucket(command.Context(), func(ctx context.Context, kv jetstream.KeyValue) error {
				return flags.deleteEntries(ctx, kv, args, yes, command.InOrStdin(), command.OutOrStdout())
			})
		},
	}
	remove.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return group(command, list, show, remove)
}

func (f *serverFlags) withBucket(ctx context.Context, do func(context.Context, jetstream.KeyValue) error) (err error) {
	c, err := f.load()
	if err != nil {
		return err
	}
	js, err := f.jetStream(ctx, "templates command", c, c.Templates.NATS)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	defer func() { err = connect.Denied(js.Conn(), err) }()
	if c.Templates.Bucket, err = f.bucketOf(ctx, js, c); err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, c.Templates.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return fmt.Errorf("there is no bucket %s on %s: a collector creates it when it starts; --fleet NAMESPACE/NAME, --bucket "+
			"or --config name another one",
			c.Templates.Bucket, js.Conn().ConnectedUrlRedacted())
	}
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", c.Templates.Bucket, err)
	}
	return do(ctx, kv)
}

// everything is the pattern of all keys.
const everything = ">"

// exporterPattern is the pattern of one exporter's keys, of all where none is given.
func exporterPattern(exporter string) (string, error) {
	if exporter == "" {
		return everything, nil
	}
	a, err := netip.ParseAddr(exporter)
	if err != nil {
		return "", fmt.Errorf("--exporter %q is not an address such as 192.0.2.1 or 2001:db8::1", exporter)
	}
	return share.ExporterFilter(a.Unmap()), nil
}

// printNothing says that the bucket has nothing of an exporter, or of all.
func printNothing(out io.Writer, exporter string) error {
	text := "No exporter has taught a template or a sampling rate yet."
	if exporter != "" {
		text = exporter + " has taught no template and no sampling rate, or none for templateStore.ttl. Without --exporter, those of all are shown."
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// findEntries lists what a pattern matches, of that only the keys given where there are any.
func (f *serverFlags) findEntries(ctx context.Context, kv jetstream.KeyValue, pattern string, keys []string) ([]share.Entry, error) {
	entries, err := share.List(ctx, kv, pattern, f.timeout)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e share.Entry) bool { // "collector names" has these
		return e.Key.Family == template.FamilyNames || e.Key.Family == template.FamilyPage
	})
	if len(keys) > 0 {
		for _, key := range keys {
			if !slices.ContainsFunc(entries, func(e share.Entry) bool { return e.Name == key }) {
				return nil, fmt.Errorf("there is no key %s: \"collector templates list\" has them all", key)
			}
		}
		entries = slices.DeleteFunc(entries, func(e share.Entry) bool { return !slices.Contains(keys, e.Name) })
	}
	slices.SortFunc(entries, func(a, b share.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// shownField is a field of a template for people and programs.
type shownField struct {
	Name       string `json:"name"`
	Enterprise uint32 `json:"enterprise,omitempty"`
	ID         uint16 `json:"id"`
	// Length in bytes, 65535 for variable.
	Length uint16 `json:"length"`
	Scope  bool   `json:"scope,omitempty"`
}

// shownEntry is a definition for people and programs.
type shownEntry struct {
	Key          string `json:"key"`
	Kind         string `json:"kind"`
	Exporter     string `json:"exporter,omitempty"`
	Domain       uint32 `json:"domain"`
	Port         uint16 `json:"port,omitempty"`
	ID           uint64 `json:"id,omitempty"`
	Sampler      string `json:"sampler,omitempty"`
	SamplingRate uint64 `json:"samplingRate,omitempty"`
	// Disputed: devices that share address, domain and port announce, or announced, this rate and others.
	Disputed bool         `json:"disputed,omitempty"`
	Fields   []shownField `json:"fields,omitempty"`
	Exported time.Time    `json:"exported"`
	Heard    time.Time    `json:"heard"`
	Written  time.Time    `json:"written"`
	// Silent: another layout is said in its place.
	Silent      bool       `json:"silent,omitempty"`
	Initialized *time.Time `json:"initialized,omitempty"`
	Writer      string     `json:"writer"`
	Error       string     `json:"error,omitempty"`
}

func describeEntry(e share.Entry) shownEntry {
	out := shownEntry{Key: e.Name, Written: e.Written.UTC(), Writer: e.Writer}
	if e.Err != nil {
		out.Kind, out.Error = "unreadable", e.Err.Error()
		return out
	}
	out.Kind = e.Kind.String()
	out.Exporter, out.Domain, out.Port = e.Key.Scope.Exporter.String(), e.Key.Scope.Domain, e.Key.Port
	out.Exported = stampTime(e.Stamp)
	out.Heard, out.Silent = e.Heard.UTC(), e.Silent
	switch e.Key.Family {
	case template.FamilyClock:
		initialized, err := boot.Decode(e.Record)
		if err != nil {
			out.Error = err.Error()
		}
		at := time.UnixMilli(int64(min(initialized, latestSecond*1000))).UTC()
		out.Initialized = &at
		return out
	case template.FamilySampling:
		out.Sampler = e.Name[strings.LastIndexByte(e.Name, '.')+1:]
		if out.Disputed = e.Key.Layout != 0; out.Disputed {
			out.Sampler = out.Sampler[:strings.LastIndexByte(out.Sampler, '-')]
		}
		rate, err := sampling.Decode(e.Record)
		if err != nil {
			out.Error = err.Error()
		}
		out.SamplingRate = rate
		return out
	}
	out.ID = e.Key.ID
	t, _, err := template.Parse(e.Key.Scope.Version, e.Kind, e.Record, 1<<16)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	isNetFlow9 := e.Key.Scope.Version == template.NetFlow9
	for i, f := range t.Fields {
		field := shownField{Name: element.Name(isNetFlow9, f.Enterprise, f.ID), Enterprise: f.Enterprise, ID: f.ID,
			Length: f.Length, Scope: i < t.ScopeFields}
		if field.Scope && isNetFlow9 {
			field.Name = element.ScopeName(f.ID)
		}
		out.Fields = append(out.Fields, field)
	}
	return out
}

func printEntries(out io.Writer, entries []share.Entry, asJSON, fields bool) error {
	if asJSON {
		encoder := newJSONEncoder(out)
		for _, e := range entries {
			if err := encoder.Encode(describeEntry(e)); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if !fields {
		fmt.Fprintln(table, "KEY\tEXPORTER\tDOMAIN\tID\tKIND\tWHAT\tAGE\tWRITER")
	}
	for _, e := range entries {
		d := describeEntry(e)
		age := time.Since(d.Written).Round(time.Second).String()
		id, what := fmt.Sprint(d.ID), fmt.Sprintf("%d fields", len(d.Fields))
		switch {
		case d.Error != "":
			what = d.Error
		case d.Sampler != "":
			id, what = d.Sampler, fmt.Sprintf("%s: 1 of %d", d.Sampler, d.SamplingRate)
			if d.SamplingRate == 0 {
				what = d.Sampler + ": not sampled any more"
			}
			if d.Disputed {
				what += ", disputed by devices that share the port"
			}
		case d.Initialized != nil:
			id, what = "boot", "since "+d.Initialized.Format(time.RFC3339)
		case d.Silent:
			what += ", silent: another layout is said in its place"
		}
		if !fields {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", d.Key, d.Exporter, d.Domain, id, d.Kind, what, age, printable(d.Writer))
			continue
		}
		fmt.Fprintf(table, "%s\n  %s of exporter %s, domain %d; %s; written %s ago by %s\n", d.Key, d.Kind, d.Exporter, d.Domain,
			what, age, printable(d.Writer))
		for _, f := range d.Fields {
			length, scope := fmt.Sprint(f.Length), ""
			if f.Length == template.VariableLength {
				length = "variable"
			}
			if f.Scope {
				scope = "scope"
			}
			id := fmt.Sprint(f.ID)
			if f.Enterprise != 0 {
				id = fmt.Sprintf("%d/%d", f.Enterprise, f.ID)
			}
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", id, f.Name, length, scope)
		}
	}
	return table.Flush()
}

func (f *serverFlags) deleteEntries(ctx context.Context, kv jetstream.KeyValue, keys []string, yes bool, in io.Reader, out io.Writer) error {
	entries, err := f.findEntries(ctx, kv, everything, keys)
	if err != nil {
		return err
	}
	if !yes {
		if in == os.Stdin && !stdinIsTerminal() {
			return fmt.Errorf("nobody is there to be asked; --yes deletes without asking")
		}
		if err := printEntries(out, entries, false, false); err != nil {
			return err
		}
		fmt.Fprintf(out, "Delete %d of bucket %s? Data of these exporters waits until they send them again. [y/N] ",
			len(entries), kv.Bucket())
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") {
			return fmt.Errorf("nothing was deleted")
		}
	}
	for _, e := range entries {
		// Only what was shown is deleted, not what an exporter sent since.
		if err := kv.Delete(ctx, e.Name, jetstream.LastRevision(e.Revision)); err != nil {
			return fmt.Errorf("deleting %s: %w", e.Name, err)
		}
		fmt.Fprintln(out, "deleted", e.Name)
	}
	return nil
}

// stdinIsTerminal reports whether a person can answer.
func stdinIsTerminal() bool {
	info, err := os.Stdin.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
