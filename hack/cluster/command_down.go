package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newDown(name *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster, and remove all that is left of it", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			progress := newProgress()
			p, err := existing(*name)
			if err != nil {
				progress.say("%v; nothing to do", err)
				return nil
			}
			// Half of it is worse than either: it goes on when it is interrupted.
			if err := tearDown(context.WithoutCancel(command.Context()), p, false); err != nil {
				return err
			}
			progress.say("cluster %s is down", p.Name)
			return nil
		},
	}
}
