package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/report"
)

type reportFlags struct {
	file, operator string
	collectors     int
}

func newReportCommand(c connection) *cobra.Command {
	var flags reportFlags
	command := &cobra.Command{
		Use:   "report [FLEET]",
		Short: "Put what is known of a fleet into one archive, without secrets",
		Long: `report writes one archive for those who help you: the FlowCollector and its objects, its FlowExporters and FlowSinks, events, what each
collector says of itself (status, books, metrics, log), and the operator's log. Secrets are not read; values of variables, credentials in addresses, tokens and
keys are taken out. Addresses of exporters, nodes and servers stay: look through it before you pass it on.

What may not be read, or does not answer, is named in README.txt of the archive, and does not keep the rest away.`,
		Example: `  kubectl flowfleet report -n flows edge
  kubectl flowfleet report edge -o report.tar.gz --collectors 5`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), c, fleetName(args), command.OutOrStdout())
		},
	}
	command.Flags().StringVarP(&flags.file, "output", "o", "", "the archive to write; one that is there is kept (default: flowfleet-NAMESPACE-FLEET-TIME.tar.gz)")
	command.Flags().StringVarP(&flags.file, "file", "f", "", "the same as --output, whose name it had before")
	_ = command.Flags().MarkHidden("file") // it is there
	command.Flags().StringVar(&flags.operator, "operator-namespace", "flowfleet-system", "where the operator runs")
	command.Flags().IntVar(&flags.collectors, "collectors", 20, "ask so many collectors at most; those that are not ready, or started anew, come first")
	return command
}

func (flags *reportFlags) run(ctx context.Context, c connection, name string, out io.Writer) (err error) {
	if flags.collectors < 0 {
		return fmt.Errorf("--collectors %d: 0 asks none, and is the least", flags.collectors)
	}
	v, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	folder := fmt.Sprintf("flowfleet-%s-%s-%s", v.fleet.Namespace, v.fleet.Name, now.Format("20060102-150405"))
	path := cmp.Or(flags.file, folder+".tar.gz")
	file, err := newFile(path)
	if err != nil {
		return err
	}
	archive := report.NewArchive(file, folder, now)
	archive.AddObjects("flowcollector.yaml", []any{v.fleet}, nil)
	objects, err := v.Objects(ctx, v.fleet)
	archive.AddObjects("objects.yaml", objects, err)
	exporters, err := v.Exporters(ctx, v.fleet)
	archive.AddObjects("flowexporters.yaml", exporters, err)
	sinks, err := v.Sinks(ctx, v.fleet)
	archive.AddObjects("flowsinks.yaml", sinks, err)
	events, err := v.Events(ctx, v.fleet, append(slices.Clone(exporters), sinks...)...)
	archive.AddText("events.txt", events, err)
	for _, one := range worst(v.collectors, flags.collectors) {
		addCollector(ctx, archive, v.Client, one)
	}
	logs, err := v.OperatorLogs(ctx, flags.operator)
	for pod, text := range logs {
		archive.AddText("operator/"+pod+".log", text, nil)
	}
	if err != nil {
		archive.AddText("operator", nil, err)
	}
	introduction := fmt.Sprintf("A report on the FlowCollector %s of namespace %s, of %s, by kubectl flowfleet %s.\n%d of %d collectors were asked.",
		v.fleet.Name, v.fleet.Namespace, now.Format(time.RFC3339), observe.Version(), min(flags.collectors, len(v.collectors)), len(v.collectors))
	if err := errors.Join(archive.Close(introduction), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = fmt.Fprintln(out, "wrote", path)
	for _, missing := range archive.Missing() {
		_, _ = fmt.Fprintln(out, "missing:", status.Text(missing)) // what could not be written is in the archive, too
	}
	return err
}

// worst are the collectors that most likely have something to say.
func worst(all []fleet.Collector, most int) []fleet.Collector {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b fleet.Collector) int {
		if a.Ready != b.Ready {
			if b.Ready {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Restarts, a.Restarts)
	})
	return sorted[:min(most, len(sorted))]
}

func addCollector(ctx context.Context, archive *report.Archive, client *fleet.Client, one fleet.Collector) {
	folder := "collectors/" + one.Pod + "/"
	for file, path := range map[string]string{"status.json": "/status", "ledger.json": "/ledger", "metrics.txt": "/metrics"} {
		page, err := client.Page(ctx, one, path)
		archive.AddText(folder+file, page, err)
	}
	text, err := client.Log(ctx, one, false)
	archive.AddText(folder+"log.txt", text, err)
	if one.Restarts > 0 {
		text, err = client.Log(ctx, one, true)
		archive.AddText(folder+"log-before.txt", text, err)
	}
}
