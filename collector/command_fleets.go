package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/share"
)

// property is a bucket or stream that says which fleet it is of.
type property struct {
	fleet, uid string
	kind, name string // as users know it
	info       *jetstream.StreamInfo
	js         jetstream.JetStream
}

func newFleetsCommand() *cobra.Command {
	var flags serverFlags
	list := &cobra.Command{
		Use:   "list",
		Short: "List the buckets and streams of all FlowCollectors, also of those that were deleted",
		Args:  arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.withProperties(command.Context(), func(all []property) error {
				return printProperties(command.OutOrStdout(), all)
			})
		},
	}
	var yes bool
	remove := &cobra.Command{
		Use:   "remove NAMESPACE/NAME",
		Short: "Delete bucket and stream of a FlowCollector that was deleted",
		Long: `remove deletes bucket and stream of one fleet, with all flows and templates in them. Delete its FlowCollector first: while it is
there, its collectors make them anew. Without --yes it only shows what it would delete.`,
		Args: arguments(1, 1, "the namespace and name of a FlowCollector, such as flows/edge"),
		RunE: func(command *cobra.Command, args []string) error {
			if _, _, err := fleetName(args[0]); err != nil {
				return err
			}
			return flags.withProperties(command.Context(), func(all []property) error {
				return removeFleet(command.Context(), command.OutOrStdout(), all, args[0], yes)
			})
		},
	}
	remove.Flags().BoolVar(&yes, "yes", false, "delete, and do not only show")
	command := group(&cobra.Command{
		Use:   "fleets",
		Short: "List and delete buckets and streams that FlowCollectors left behind",
		Long: `fleets looks at the buckets and streams that say which FlowCollector they are of. With deletionPolicy Retain they stay when it is
deleted. The NATS user needs to publish on $JS.API.STREAM.LIST and, to delete, on $JS.API.STREAM.DELETE.*.`,
		Example: `  collector fleets list --server nats://127.0.0.1:4222
  collector fleets remove flows/edge --server nats://127.0.0.1:4222 --yes`,
	}, list, remove)
	flags.add(command)
	return command
}

// fleetName cuts NAMESPACE/NAME.
func fleetName(text string) (namespace, name string, err error) {
	namespace, name, found := strings.Cut(text, "/")
	if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", "", misuse{fmt.Errorf("%q is not the namespace and name of a FlowCollector, such as flows/edge", text)}
	}
	return namespace, name, nil
}

// withProperties lists what is on the servers of buckets and streams.
func (f *serverFlags) withProperties(ctx context.Context, do func([]property) error) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	servers := []*config.NATS{nil}
	if c.Templates.NATS != nil || c.Output.NATS != nil {
		servers = []*config.NATS{c.Templates.NATS, c.Output.NATS}
	}
	var all []property
	for _, server := range servers {
		js, err := f.jetStream(ctx, "fleets command", c, server)
		if err != nil {
			return err
		}
		defer js.Conn().Close()
		found, err := propertiesOn(ctx, js, f.timeout)
		if err != nil {
			return fmt.Errorf("listing the streams of %s: %w", js.Conn().ConnectedUrlRedacted(), connect.Denied(js.Conn(), err))
		}
		for _, p := range found { // two sections may name one server
			if !slices.ContainsFunc(all, func(o property) bool {
				return o.info.Config.Name == p.info.Config.Name && o.info.Created.Equal(p.info.Created)
			}) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b property) int {
		return cmp.Or(cmp.Compare(a.fleet, b.fleet), cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	return do(all)
}

func propertiesOn(ctx context.Context, js jetstream.JetStream, timeout time.Duration) (all []property, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	streams := js.ListStreams(ctx)
	for info := range streams.Info() {
		metadata := info.Config.Metadata
		if metadata[share.MetadataName] == "" {
			continue
		}
		p := property{fleet: metadata[share.MetadataNamespace] + "/" + metadata[share.MetadataName], uid: metadata[share.MetadataUID],
			kind: "stream", name: info.Config.Name, info: info, js: js}
		if bucket, ok := strings.CutPrefix(p.name, "KV_"); ok {
			p.kind, p.name = "bucket", bucket
		}
		all = append(all, p)
	}
	return all, streams.Err()
}

func printProperties(out io.Writer, all []property) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FLEET\tKIND\tNAME\tMESSAGES\tBYTES\tLAST WRITTEN\tUID")
	for _, p := range all {
		last := "never"
		if at := p.info.State.LastTime; !at.IsZero() {
			last = at.UTC().Format(time.RFC3339)
		}
		// What stands in metadata was written by others.
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", printable(p.fleet), p.kind, printable(p.name),
			p.info.State.Msgs, p.info.State.Bytes, last, printable(cmp.Or(p.uid, "-")))
	}
	return table.Flush()
}

// printable quotes what is no plain text, so that it cannot write over a terminal.
func printable(text string) string {
	if quoted := fmt.Sprintf("%q", text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

func removeFleet(ctx context.Context, out io.Writer, all []property, fleet string, yes bool) error {
	all = slices.DeleteFunc(all, func(p property) bool { return p.fleet != fleet })
	if len(all) == 0 {
		return fmt.Errorf("no bucket or stream says that it is of %s: \"collector fleets list\" shows those that there are", fleet)
	}
	if !yes {
		if err := printProperties(out, all); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, "Nothing is deleted: --yes deletes these, with all that is in them.")
		return err
	}
	var failed []error
	for _, p := range all {
		if err := p.js.DeleteStream(ctx, p.info.Config.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			failed = append(failed, fmt.Errorf("deleting %s %s: %w", p.kind, printable(p.name), connect.Denied(p.js.Conn(), err)))
			continue
		}
		_, _ = fmt.Fprintf(out, "deleted %s %s\n", p.kind, printable(p.name))
	}
	return errors.Join(failed...)
}
