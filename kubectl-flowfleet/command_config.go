package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfigCommand(c connection) *cobra.Command {
	return &cobra.Command{
		Use:   "config [FLEET]",
		Short: "Show the configuration that the operator wrote for the collectors of a fleet",
		Long: `config prints the collectors' configuration file, as the operator made it of the FlowCollector. Secrets are not in it: it names
the files that they are in. It needs the right to get configmaps, which the cluster's own role "view" has. While a change is held back or
is being rolled out, collectors run with an earlier one: see "kubectl flowfleet status".`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			f, err := client.FlowCollector(command.Context(), fleetName(args))
			if err != nil {
				return err
			}
			file, err := client.Configuration(command.Context(), f)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(command.OutOrStdout(), file)
			return err
		},
	}
}
