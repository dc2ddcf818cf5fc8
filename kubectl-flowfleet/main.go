// Command kubectl-flowfleet is a plugin of kubectl: "kubectl flowfleet" shows fleets, their exporters and their books.
//
// It asks the API server only, which asks the collectors for it: no collector's port needs to be open to anybody, and what a user may see is
// decided by Kubernetes' own rights (the ClusterRole flowfleet-fleet-viewer of the chart).
//
// The folder has the program's name so that "go install" gives it the name by which kubectl finds plugins.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/klog/v2"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/top"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	quietLibraries()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl flowfleet:", complaint(err))
		os.Exit(1)
	}
}

// complaint is an error as it is printed. Its lines stay lines. What else could move a terminal's cursor is left out: some of it may be what a pod
// answered in place of a page, which the API server passes on, and a pod is not always what it seems.
func complaint(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = top.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// quietLibraries keeps what client-go logs of its own away from users, such as how a connection ended that Ctrl-C closed: what matters of
// it is an error that a command returns.
func quietLibraries() {
	klog.SetLogger(logr.Discard()) // with klog.SetOutput errors reach the terminal all the same
}

// connection is where the API server is, as kubectl's own flags and files say.
type connection struct{ *genericclioptions.ConfigFlags }

// client returns a Client for the namespace that is meant.
func (c connection) client() (*fleet.Client, error) {
	rest, err := c.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	namespace, _, err := c.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	return fleet.NewClient(rest, namespace)
}

// view is a fleet as a command looks at it.
type view struct {
	*fleet.Client
	fleet      *v1alpha1.FlowCollector
	collectors []fleet.Collector
}

// open finds the fleet of that name, or the only one of the namespace where the name is empty, and its collectors.
func (c connection) open(ctx context.Context, name string) (v view, err error) {
	if v.Client, err = c.client(); err != nil {
		return v, err
	}
	if v.fleet, err = v.FlowCollector(ctx, name); err != nil {
		return v, err
	}
	v.collectors, err = v.Collectors(ctx, v.fleet)
	return v, err
}

// accounts of the collectors, and what is missing of them: where no collector runs, all.
func (v view) accounts(ctx context.Context) (accounts []ledger.Account, missing []error) {
	if len(v.collectors) == 0 {
		return nil, []error{fleet.NoneRuns(v.fleet)}
	}
	return v.Accounts(ctx, v.collectors)
}

func newCommand() *cobra.Command {
	c := connection{genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:   "kubectl-flowfleet",
		Short: "Look at fleets of flow collectors",
		Long: `kubectl flowfleet shows how fleets of flow collectors are, which exporters they hear, and what became of everything that
these sent. It asks the API server only. FLEET is the name of a FlowCollector; where the namespace has one, it may be left out.`,
		Version:       observe.Version(),
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl flowfleet"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddFlags(root.PersistentFlags())
	root.AddCommand(newStatusCommand(c), newExportersCommand(c), newLedgerCommand(c), newCheckCommand(c), newTopCommand(c), newReportCommand(c), newCaptureCommand(c), newConfigCommand(c))
	root.AddCommand(newCollectorCommands(c)...)
	root.AddCommand(&cobra.Command{Use: "version", Short: "Print the version of this plugin", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Long: "version prints the version of this plugin. Those of the collectors stand in \"kubectl flowfleet status\".",
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(command.OutOrStdout(), observe.Version())
			return err
		}})
	for _, command := range root.Commands() {
		if command.ValidArgsFunction == nil {
			command.ValidArgsFunction = c.completeFleet
		}
	}
	return root
}

// completeFleet has a shell complete the names of the namespace's fleets.
func (c connection) completeFleet(command *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := c.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	fleets, err := client.FlowCollectors(command.Context(), client.Namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for i := range fleets {
		names = append(names, fleets[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// onlyFleet refuses more than the name of a fleet, and says what it does not know.
func onlyFleet(command *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%q: only the name of a FlowCollector is expected; see %s --help", args[1], command.CommandPath())
	}
	return nil
}

// addressAndFleet wants an address, and at most the name of a fleet behind it.
func addressAndFleet(command *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("the exporter's address is missing, as in %s 192.0.2.1", command.CommandPath())
	case len(args) > 2:
		return fmt.Errorf("%q: only an address and the name of a FlowCollector are expected; see %s --help", args[2], command.CommandPath())
	}
	return nil
}

// fleetName is the first argument, or nothing.
func fleetName(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
