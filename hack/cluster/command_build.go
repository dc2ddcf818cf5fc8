package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the cluster's programs ahead of \"up\" (about 15 minutes on 2 cores the first time, and a second from then on)",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, _, err := buildPrograms(command.Context(), newProgress())
			return err
		},
	}
}

// buildPrograms returns what built the programs, and the directory that has them.
func buildPrograms(ctx context.Context, progress progress) (builder *build.Builder, directory string, err error) {
	if err := prepareMachine(ctx, progress); err != nil {
		return nil, "", err
	}
	if builder, err = build.New(os.Stderr); err != nil {
		return nil, "", err
	}
	progress.say("programs: building what is not cached (about 15 minutes on 2 cores when nothing is)")
	directory, err = builder.Build(ctx, programs...)
	return builder, directory, err
}
