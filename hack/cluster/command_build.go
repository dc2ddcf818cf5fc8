package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the cluster's programs ahead of \"up\" (15 to 20 minutes on 2 cores the first time, and a second from then on)",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := prepareMachine(command.Context(), newProgress()); err != nil {
				return err
			}
			builder, err := build.New(os.Stderr)
			if err != nil {
				return err
			}
			_, err = builder.Build(command.Context(), programs...)
			return err
		},
	}
}
