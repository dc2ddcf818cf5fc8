package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/verify"
)

func newStatusCommand(c connection) *cobra.Command {
	return &cobra.Command{
		Use:   "status [FLEET]",
		Short: "Show a fleet on one screen: what is wrong, its collectors, and what is lost where",
		Long: `status shows the conditions that want attention, each collector with what it received and lost, and where flows go. Counts begin
with the collectors. Of the records that are not published yet, those that are WAITING are in memory, and are lost if the collector is
killed. Those that are ON DISK are in its spool.`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			v, err := c.open(ctx, fleetName(args))
			if err != nil {
				return err
			}
			statuses, missing := v.Statuses(ctx, v.collectors)
			runs, known := v.OperatorRuns(ctx)
			return errors.Join(append([]error{printStatus(command.OutOrStdout(), v.fleet, known && !runs, v.collectors, statuses)}, missing...)...)
		},
	}
}

// printStatus shows a fleet. NoOperator is set where it is known that no operator runs.
func printStatus(out io.Writer, f *v1alpha1.FlowCollector, noOperator bool, collectors []fleet.Collector, statuses []*status.Document) error {
	w := tabwriter.NewWriter(forTerminal(out), 0, 0, 2, ' ', 0)
	line := func(format string, arguments ...any) { _, _ = fmt.Fprintf(w, format+"\n", arguments...) } // Flush reports errors
	ready, summary := verify.Condition(f, v1alpha1.ConditionReady), "Unknown"
	if ready != nil {
		summary = fmt.Sprintf("%s\t%s", ready.Status, ready.Message)
	}
	line("Fleet\t%s/%s", f.Namespace, f.Name)
	line("Ready\t%s", summary)
	if noOperator {
		line("Operator\tnone is ready, so conditions may be out of date: %s", verify.OperatorPods)
	}
	if since := f.DeletionTimestamp; since != nil {
		line("Deletion\tunder way since %s; Ready says what it waits for", since.UTC().Format(time.RFC3339))
	}
	line("Exporters send to\t%s", orDash(addresses(f)))
	line("Stream\t%s", orDash(streamName(f)))
	line("Templates\t%s", orDash(bucketName(f)))
	if attention := verify.Brief(verify.Attention(f.Status.Conditions)); len(attention) > 0 {
		line("\nWANTS ATTENTION\tSTATUS\tREASON\tMESSAGE")
		for _, c := range attention {
			line("%s\t%s\t%s\t%s", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	line("\nNODE\tCOLLECTOR\tREADY\tRESTARTS\tVERSION\tDATAGRAMS\tKERNEL DROPS\tREFUSED\tSETS LOST\tRECORDS\tPUBLISHED\tWAITING\tON DISK\tDROPPED")
	for i, one := range collectors {
		row := fmt.Sprintf("%s\t%s\t%t\t%d", orDash(one.Node), one.Pod, one.Ready, one.Restarts)
		if d := statuses[i]; d == nil {
			row += strings.Repeat("\t?", 10)
		} else {
			n := verify.Sum(d)
			row += fmt.Sprintf("\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", d.Build, n.Datagrams, n.KernelDrops, n.Refused, n.SetsLost, n.Records,
				d.Output.Published, d.Output.Waiting, d.Output.Spooled, n.Dropped)
		}
		line("%s", row)
	}
	return w.Flush()
}

// addresses that exporters send to, with their ports.
func addresses(f *v1alpha1.FlowCollector) string {
	var all []string
	for _, a := range f.Status.Addresses {
		var ports []string
		for _, p := range a.Ports {
			ports = append(ports, fmt.Sprintf("%s %d", p.Name, p.Port))
		}
		all = append(all, fmt.Sprintf("%s (%s)", a.Address, strings.Join(ports, ", ")))
	}
	return strings.Join(all, ", ")
}

func streamName(f *v1alpha1.FlowCollector) string {
	if f.Status.Stream == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", f.Status.Stream.Name, copies(f.Status.Stream.Replicas))
}

func bucketName(f *v1alpha1.FlowCollector) string {
	b := f.Status.Bucket
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s, %d keys, %s bytes)", b.Name, copies(b.Replicas), b.Keys, b.Bytes.String())
}

func copies(n int32) string {
	if n == 1 {
		return "one copy"
	}
	return fmt.Sprintf("%d copies", n)
}

// mark of a step's outcome.
func mark(s metav1.ConditionStatus) string {
	switch s {
	case metav1.ConditionTrue:
		return "ok"
	case metav1.ConditionFalse:
		return "NOT OK"
	}
	return "unknown"
}
