package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
)

func newConfigCommand() *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Check a configuration, or print an example"}, &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and report every problem in it",
		Args:  arguments(1, 1, "a file"),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s is valid (hash of what needs a restart: %s)\n", args[0], c.Hash())
			return err
		},
	}, &cobra.Command{
		Use:   "example",
		Short: "Print a complete configuration with comments",
		Args:  arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := command.OutOrStdout().Write(config.Example())
			return err
		},
	})
}
