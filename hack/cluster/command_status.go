package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/supervise"
)

func newStatus(name *string) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the cluster's parts, its nodes, and the router's neighbours and routes", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			pid := supervisor(p)
			if pid == 0 {
				return fmt.Errorf("cluster %s has ended: take down what is left of it", p.Name)
			}
			status, err := supervise.NewClient(p).Status(command.Context())
			if err != nil {
				return err
			}
			fmt.Printf("cluster %s, supervised by process %d, in %s\n\n", p.Name, pid, p.Directory)
			table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "PART\tSTATE\tRESTARTS")
			for _, part := range slices.Sorted(maps.Keys(status)) {
				state := "running"
				if status[part].PID == 0 {
					state = "off"
				}
				fmt.Fprintf(table, "%s\t%s\t%d\n", part, state, status[part].Restarts)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			for _, show := range []*exec.Cmd{
				kubectl{p}.command(command.Context(), "get", "nodes", "-o", "wide"),
				exec.CommandContext(command.Context(), "birdc", "-r", "-s", p.Path("bird.sock"), "show", "protocols"),
				exec.CommandContext(command.Context(), "birdc", "-r", "-s", p.Path("bird.sock"), "show", "route"),
			} {
				fmt.Println()
				show.Stdout, show.Stderr = os.Stdout, os.Stderr
				if err := show.Run(); err != nil {
					return fmt.Errorf("%v: %w", show.Args, err)
				}
			}
			return nil
		},
	}
}
