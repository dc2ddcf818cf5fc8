package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/nodetuning"
)

func newTuneNodeCommand() *cobra.Command {
	var receiveBuffer int64
	hostProc := "/host/proc"
	command := &cobra.Command{
		Use:   "tune-node",
		Short: "Raise the node's limit for receive buffers (needs a privileged container)",
		Long: `tune-node raises the node's sysctl net.core.rmem_max to --receive-buffer, and never lowers it. It holds for all pods of the node, until
the node restarts. The operator runs it before a collector starts where a FlowCollector has collector.nodeTuning: ReceiveBuffer.

Where the node does not allow it, tune-node logs why and ends without an error, so that the collector starts all the same, with the
receive buffers that it is given. Then the condition ReceiveBuffersGranted says what it has.`,
		Example: `  collector tune-node --receive-buffer 33554432`,
		Args:    arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			log := newLogger(command.ErrOrStderr(), "json", new(slog.LevelVar))
			change, err := nodetuning.RaiseReceiveBuffer(hostProc, receiveBuffer)
			switch {
			case err != nil:
				log.Error("the node's limit for receive buffers is as it was; set the sysctl net.core.rmem_max on the node, or leave "+
					"collector.nodeTuning out", "wantBytes", receiveBuffer, "error", err)
			case change.Before == change.After:
				log.Info("the node allows receive buffers of this size already", "bytes", change.After)
			default:
				log.Info("raised the node's limit for receive buffers", "fromBytes", change.Before, "bytes", change.After)
			}
			return nil
		},
	}
	command.Flags().Int64Var(&receiveBuffer, "receive-buffer", 32<<20, "bytes that a socket may have at least")
	command.Flags().StringVar(&hostProc, "host-proc", hostProc, "where the node's /proc is mounted")
	return command
}
