package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/exporters"
)

type exportersFlags struct {
	output, sort string
	within       []string
	interval     time.Duration
	limit        int
}

func newExportersCommand(c connection) *cobra.Command {
	var flags exportersFlags
	command := &cobra.Command{
		Use:   "exporters [FLEET]",
		Short: "List the exporters that a fleet hears, with their rates and losses",
		Long: `exporters lists what sends to a fleet, summed up over its collectors: an exporter is an address with a protocol.

RECORDS/S is what was decoded between two looks at the books, --interval apart. LOSS is the share of what the exporter numbered that
no collector received: lost in the network, or in the kernel of a node. It is "?" for exporters whose sequences are not followed
(exporters.limits.exporterMetrics). Counts begin with the collectors. A collector that was replaced took its books along: what it had
received then counts as lost, until the others are newer. "kubectl get flowexporters" shows the loss of the last five minutes, which
begins anew there. NAMED, with -o wide, is the share of the records with interfaces whose interfaces all have a name, since the
collectors began.`,
		Example: `  kubectl flowfleet exporters -n flows
  kubectl flowfleet exporters edge --sort loss --limit 10
  kubectl flowfleet exporters edge --within 10.20.0.0/16 -o wide
  kubectl flowfleet exporters edge -o json`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), c, fleetName(args), command.OutOrStdout())
		},
	}
	command.Flags().StringVarP(&flags.output, "output", "o", "", "wide, json, yaml or name")
	command.Flags().StringVar(&flags.sort, "sort", "address", "the order: "+strings.Join(slices.Sorted(maps.Keys(exporters.Orders)), ", "))
	command.Flags().StringSliceVar(&flags.within, "within", nil, "show those of these networks or addresses only")
	command.Flags().DurationVar(&flags.interval, "interval", 2*time.Second, "the time between the two looks; 0 looks once, and knows no rates")
	command.Flags().IntVar(&flags.limit, "limit", 0, "show no more than this many; 0 shows all")
	command.AddCommand(newExportersDescribeCommand(c))
	return command
}

func (flags *exportersFlags) run(ctx context.Context, c connection, name string, out io.Writer) error {
	order, ok := exporters.Orders[flags.sort]
	if !ok {
		return fmt.Errorf("--sort %q: one of %s is needed", flags.sort, strings.Join(slices.Sorted(maps.Keys(exporters.Orders)), ", "))
	}
	if !slices.Contains([]string{"", "wide", "json", "yaml", "name"}, flags.output) {
		return fmt.Errorf("--output %q: one of wide, json, yaml and name is needed", flags.output)
	}
	if flags.limit < 0 {
		return fmt.Errorf("--limit %d: 1 is the least, and 0 shows all", flags.limit)
	}
	networks, err := parseNetworks(flags.within)
	if err != nil {
		return err
	}
	v, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	before, now, missing, err := v.twice(ctx, flags.lookFor())
	if err != nil {
		return err
	}
	all := exporters.Rows(before, now)
	rows := exporters.Within(all, networks)
	slices.SortStableFunc(rows, order)
	if flags.limit > 0 && len(rows) > flags.limit {
		rows = rows[:flags.limit]
	}
	if table := flags.output == "" || flags.output == "wide"; table && len(now) == 0 {
		// Nobody answers, and nobody knows what was heard.
	} else if table && len(rows) == 0 && len(all) > 0 {
		_, err = fmt.Fprintln(out, noneWithin(networks, len(all)))
	} else {
		err = printRows(out, rows, flags.output, time.Now())
	}
	return errors.Join(append([]error{err}, missing...)...)
}

// lookFor is the time between two looks: names alone need no rates, unless they are in the order of these.
func (flags *exportersFlags) lookFor() time.Duration {
	if flags.output == "name" && flags.sort != "records" {
		return 0
	}
	return flags.interval
}

// twice looks at the books of the collectors, and again after a time, 0 for once only. missing are those of the last look.
func (v view) twice(ctx context.Context, interval time.Duration) (before, now []ledger.Account, missing []error, err error) {
	before, missing = v.accounts(ctx)
	if interval <= 0 || len(v.collectors) == 0 {
		return before, before, missing, nil
	}
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return nil, nil, nil, ctx.Err()
	}
	now, missing = v.accounts(ctx)
	return before, now, missing, nil
}

// noneWithin says that exporters were heard, and none of these networks.
func noneWithin(networks []netip.Prefix, heard int) string {
	var texts []string
	for _, one := range networks {
		texts = append(texts, one.String())
	}
	return fmt.Sprintf("no exporter within %s was heard; without --within there are %d lines", strings.Join(texts, ", "), heard)
}

func parseNetworks(texts []string) (networks []netip.Prefix, err error) {
	for _, text := range texts {
		one, ok := network.Parse(text)
		if !ok {
			return nil, fmt.Errorf("--within %q: an address or a network such as 10.20.0.0/16 is needed", text)
		}
		networks = append(networks, one)
	}
	return networks, nil
}

// printRows in a form of kubectl's.
func printRows(out io.Writer, rows []exporters.Row, form string, now time.Time) error {
	switch form {
	case "json", "yaml":
		return printData(out, rows, form)
	case "name":
		var names strings.Builder
		told := make(map[string]bool) // one with two protocols has two rows
		for i := range rows {
			if name := rows[i].Address; !told[name] {
				told[name] = true
				names.WriteString(name + "\n")
			}
		}
		_, err := io.WriteString(out, names.String())
		return err
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "no exporter was heard")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	heading := "ADDRESS\tPROTOCOL\tRECORDS/S\tLOSS\tLAST HEARD\tCOLLECTORS"
	if form == "wide" {
		heading += "\tRECORDS\tSENT\tMISSED\tREFUSED\tSETS LOST\tWAITING\tDOMAINS\tPORTS\tRESTARTS\tNAMED"
	}
	_, _ = fmt.Fprintln(w, heading) // Flush reports errors
	for i := range rows {
		r := &rows[i]
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d", r.Address, r.Protocol, rateText(r.RecordsPerSecond), lossText(r), ago(r.LastSeen, now), r.Collectors)
		if form == "wide" {
			line += fmt.Sprintf("\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s", r.Records, r.Sent, r.Missed, r.Refused, r.Lost, r.Waiting, r.Domains,
				r.Ports, r.Restarts, namedText(r.Naming))
		}
		_, _ = fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// namedText is how many of the records that have interfaces got names for them: "-" where none has, "?" where not all collectors say.
func namedText(n *ledger.Naming) string {
	if n == nil {
		return "?"
	}
	return cmp.Or(n.Interfaces.Percent(), "-")
}

// rateText has a digit behind the point where it matters, and is "?" where there were no two looks.
func rateText(perSecond *float64) string {
	switch {
	case perSecond == nil:
		return "?"
	case *perSecond > 0 && *perSecond < 10:
		return fmt.Sprintf("%.1f", *perSecond)
	}
	return fmt.Sprintf("%.0f", *perSecond)
}

// lossText never says 0% where something was lost.
func lossText(r *exporters.Row) string {
	loss, known := r.Loss()
	switch {
	case !known:
		return "?"
	case loss == 0:
		return "0%"
	case loss < 0.0001:
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", loss*100)
}

// ago is such as 12s, 5m or 3h; what a clock ahead of this one says is now.
func ago(then, now time.Time) string {
	if then.IsZero() {
		return "?"
	}
	switch since := max(now.Sub(then), 0); {
	case since < 2*time.Minute:
		return since.Round(time.Second).String()
	case since < 2*time.Hour:
		return fmt.Sprintf("%dm", since/time.Minute)
	default:
		return fmt.Sprintf("%dh", since/time.Hour)
	}
}

// orDash is for columns that may be empty.
func orDash(text string) string { return cmp.Or(text, "-") }
