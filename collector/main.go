// Command collector receives NetFlow, IPFIX and sFlow and hands the flows on to JetStream. Collectors of one fleet share
// what exporters teach them, so that each decodes every exporter.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/observe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "collector",
		Short: "Collect NetFlow, IPFIX and sFlow",
		Long: `collector receives NetFlow v1, v5, v7 and v9, IPFIX and sFlow v5 over UDP, decodes them and publishes the flows
on NATS JetStream. Collectors of a fleet share templates and sampling rates through a JetStream key-value bucket, so that
any of them decodes any exporter, also right after a restart.`,
		Version:       observe.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRunCommand(), newDecodeCommand(), newTemplatesCommand(), newTailCommand(), newConfigCommand())
	return root
}
