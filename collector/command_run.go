package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/run"
)

// nodeVariable names the environment variable with the name of the machine that the collector runs on: a container does not see
// it. Each line of the log has it.
const nodeVariable = "NODE_NAME"

func newRunCommand() *cobra.Command {
	var path, instance string
	command := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the collector as a service",
		Long: `run receives flows until it gets SIGTERM or an interrupt. It then stops being ready, reads on for the configured
drain time, hands on what is waiting and exits with status 0.

The configuration is read again on SIGHUP and when the file changes: what can change live does so, what needs a restart
is named in the log. "collector config example" prints a complete configuration.

Where the environment variable NODE_NAME is set, each line of the log has it as "node".`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			if path == "" {
				return misuse{fmt.Errorf("--config is missing: \"collector config example\" prints a file to begin with")}
			}
			c, file, err := config.LoadFile(path)
			if err != nil {
				return err
			}
			if instance != "" {
				c.Instance = instance
				if problems := c.Check(); len(problems) > 0 {
					return fmt.Errorf("--%s", problems[0])
				}
			}
			level := new(slog.LevelVar)
			run.SetLevel(level, c.Log.Level)
			log := newLogger(command.ErrOrStderr(), c.Log.Format, level)
			if node := os.Getenv(nodeVariable); node != "" {
				log = log.With("node", node)
			}
			return run.Run(command.Context(), path, file, instance, c, level, log)
		},
	}
	command.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	command.Flags().StringVar(&instance, "instance", "",
		"name of this collector in its fleet, in place of the file's (for a file that collectors have in common)")
	return command
}

func newLogger(out io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}
