// Command collector receives NetFlow, IPFIX and sFlow and hands the flows on to JetStream. Collectors of one fleet share
// what exporters teach them, so that each decodes every exporter.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/observe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if command, err := newCommand().ExecuteContextC(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", explain(command, err))
		os.Exit(1)
	}
}

// misuse is an error in how a command was called.
type misuse struct{ error }

// explain says with an error of usage how the command wants to be called.
func explain(command *cobra.Command, err error) string {
	var usage misuse
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return fmt.Sprintf("%v\nusage: %s\n\"%s --help\" says more", err, command.UseLine(), command.CommandPath())
	}
	return err.Error()
}

// arguments checks what stands behind a command: at least so many and at most so many of them, -1 for any number.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return misuse{fmt.Errorf("%s is missing", what)}
		case most == 0 && len(args) > 0:
			return misuse{fmt.Errorf("%q: no argument is expected", args[0])}
		case most > 0 && len(args) > most:
			return misuse{fmt.Errorf("%q: only %s is expected", args[most], what)}
		}
		return nil
	}
}

// group makes a command that only has commands of its own, and refuses others' names.
func group(command *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	command.AddCommand(commands...)
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) > 0 {
			return misuse{fmt.Errorf("unknown command %q for %q", args[0], command.CommandPath())}
		}
		return command.Help()
	}
	return command
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "collector",
		Short: "Collect NetFlow, IPFIX and sFlow",
		Long: `collector receives NetFlow v1 and v5 to v9, IPFIX and sFlow v2, v4 and v5 over UDP, decodes them and publishes the flows
on NATS JetStream. Collectors of a fleet share templates and sampling rates through a JetStream key-value bucket, so that
any of them decodes any exporter, also right after a restart.`,
		Version:       observe.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	root.AddCommand(newRunCommand(), newDecodeCommand(), newTemplatesCommand(), newTailCommand(), newTopCommand(), newLedgerCommand(), newFleetsCommand(),
		newConfigCommand(), &cobra.Command{
			Use: "version", Short: "Print the version", Args: arguments(0, 0, ""),
			RunE: func(command *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(command.OutOrStdout(), observe.Version())
				return err
			},
		}, newSchemaCommand(), newNamesCommand(), newSinkCommand(), newCaptureCommand(), newSizeCommand(), newTuneNodeCommand())
	return root
}
