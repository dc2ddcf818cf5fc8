package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/kubectl-flowfleet/verify"
)

// longestCheck bounds --interval: exporters that send less often are seen by their FlowExporters.
const longestCheck = 10 * time.Minute

func newCheckCommand(c connection) *cobra.Command {
	var interval time.Duration
	command := &cobra.Command{
		Use:   "check [FLEET]",
		Short: "Verify an installation step by step, from the address to the stream and its readers",
		Long: `check goes the way of the flows: whether exporters have an address to send to, whether their own addresses arrive, whether the
collectors share what exporters teach, whether flows get into the stream, whether collectors lose anything, whether the FlowExporters are
Ready (of those that nobody declared, the ones that send), whether the readers of output.consumers keep up, and whether FlowSinks store
the flows, where there are any of these. Each step is "ok", "NOT OK" with what to do, or "unknown" where nobody can tell yet, as while
nothing sends. It fails where a step is not ok.
If no operator runs, or the FlowCollector waits to be deleted, a further step says so. To see operators, check needs the right to list the
pods of all namespaces. Without it this step is left out, and also if only pods of other programs have the label
app.kubernetes.io/component=operator: one of them may be the operator under another name.`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			if interval < time.Second || interval > longestCheck {
				return fmt.Errorf("--interval %s: from 1s to %s is possible", interval, longestCheck)
			}
			v, err := c.open(ctx, fleetName(args))
			if err != nil {
				return err
			}
			before, _ := v.Statuses(ctx, v.collectors)
			_, _ = fmt.Fprintf(command.ErrOrStderr(), "watching what arrives for %s\n", interval) // a courtesy
			select {
			case <-time.After(interval):
			case <-ctx.Done():
				return ctx.Err()
			}
			now, missing := v.Statuses(ctx, v.collectors)
			w := tabwriter.NewWriter(forTerminal(command.OutOrStdout()), 0, 0, 2, ' ', 0)
			failed := false
			exporters, notListed := v.AllFlowExporters(ctx, v.fleet)
			facts := verify.Facts{FlowCollector: v.fleet, Before: before, Now: now, Exporters: exporters, ExportersError: notListed}
			facts.Sinks, facts.SinksError = v.FlowSinks(ctx, v.fleet)
			runs, known := v.OperatorRuns(ctx)
			facts.NoOperator = known && !runs
			for i, step := range verify.Steps(facts) {
				_, _ = fmt.Fprintf(w, "%d. %s\t%s\t%s\n", i+1, step.Name, mark(step.Status), step.Says) // Flush reports errors
				failed = failed || step.Status == metav1.ConditionFalse
			}
			err = errors.Join(append([]error{w.Flush()}, missing...)...)
			if failed && err == nil {
				err = errors.New("a step is not ok")
			}
			return err
		},
	}
	command.Flags().DurationVar(&interval, "interval", 5*time.Second, "the time in which datagrams are watched for, from 1s to 10m")
	return command
}
