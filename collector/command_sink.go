package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/run"
	"github.com/flowfleet/flowfleet/collector/sink/service"
)

// podVariable names the environment variable with the name of the pod that the sink runs in. The operator sets it; an image of an earlier version
// would not start with a flag in its place.
const podVariable = "POD_NAME"

func newSinkCommand() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "sink --config FILE",
		Short: "Pass flows on from a stream to ClickHouse, as a service",
		Long: `sink reads a stream of flows and inserts each message into ClickHouse as it came. A message is acknowledged once it is
stored, and one that comes again is stored once. While ClickHouse is away, flows wait in the stream.

At SIGTERM or an interrupt, what waits goes back to the stream. "collector sink example" prints a complete configuration, and
"collector schema clickhouse" the tables.`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := arguments(0, 0, "")(command, args); err != nil {
				return err
			}
			if path == "" {
				return misuse{fmt.Errorf("--config is missing: \"collector sink example\" prints a file to begin with")}
			}
			c, err := service.Load(path)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			run.SetLevel(level, c.Log.Level)
			log := newLogger(command.ErrOrStderr(), c.Log.Format, level)
			if node := os.Getenv(nodeVariable); node != "" {
				log = log.With("node", node)
			}
			return service.Run(command.Context(), c, os.Getenv(podVariable), log)
		},
	}
	command.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	command.AddCommand(&cobra.Command{
		Use:   "example",
		Short: "Print a complete configuration with comments",
		Args:  arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := command.OutOrStdout().Write(service.Example())
			return err
		},
	})
	return command
}
