package main

import (
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sizing"
)

// objectName is a name of a FlowCollector.
var objectName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

func newSizeCommand() *cobra.Command {
	load := sizing.Load{TemplatesPerExporter: 8, FlowsPerDatagram: 20, Nodes: 3, ReceiveLimit: 208 << 10, Burst: 5000,
		Away: time.Minute, Keep: config.StandardStreamAge.Std(), Replicas: 3}
	var datagrams float64
	receiveLimit := int64(load.ReceiveLimit)
	name, server := "edge", "nats://nats.nats:4222"
	command := &cobra.Command{
		Use:   "size",
		Short: "Reckon what a network needs, and print a FlowCollector for it",
		Long: `size reckons from exporters and flows what a fleet needs: processors, workers, receive buffers and memory of a collector, bytes of
stream and bucket. It prints a FlowCollector for kubectl, with the figures and their reasons in comments.

It is an estimate. Its constants were measured by "make bench-size", "make bench-process" and "make scale" of the source
(docs/scaling.md has the figures, and how they compare). It reckons with one node away, and with processors that are half busy then.
It reckons with Protobuf: as JSON (output.encoding) a flow takes about 1,000 bytes in stream and spool, eight times as many.`,
		Example: `  collector size --exporters 2000 --flows-per-second 400000 --nodes 6
  collector size --exporters 50 --datagrams-per-second 2000 --flows-per-datagram 7 | kubectl apply -n flows -f -`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			flows := command.Flags().Changed("flows-per-second")
			switch {
			case !flows && !command.Flags().Changed("datagrams-per-second"):
				return misuse{fmt.Errorf("--flows-per-second or --datagrams-per-second is needed")}
			case !flows:
				load.FlowsPerSecond = datagrams * load.FlowsPerDatagram
			case datagrams != 0:
				if load.FlowsPerDatagram = load.FlowsPerSecond / datagrams; !(load.FlowsPerDatagram >= 1 && load.FlowsPerDatagram <= 100) { // NaN neither
					return misuse{fmt.Errorf("--flows-per-second %g and --datagrams-per-second %g: from 1 to 100 flows in a datagram are possible, not %.3g",
						load.FlowsPerSecond, datagrams, load.FlowsPerDatagram)}
				}
			}
			load.ReceiveLimit = config.Size(receiveLimit)
			if err := load.Check(); err != nil {
				return misuse{err}
			}
			if !objectName.MatchString(name) {
				return misuse{fmt.Errorf("--name: %q is no name of a FlowCollector: a letter, and up to 39 more of a-z, 0-9 and '-'", name)}
			}
			if u, err := url.Parse(server); err != nil || u.Host == "" || u.String() != server {
				return misuse{fmt.Errorf("--server: %q is no address such as nats://nats.nats:4222", server)}
			}
			return sizing.Manifest(command.OutOrStdout(), name, server, load)
		},
	}
	flags := command.Flags()
	flags.IntVar(&load.Exporters, "exporters", 100, "exporters of all nodes")
	flags.Float64Var(&load.FlowsPerSecond, "flows-per-second", 0, "flow records (sFlow: samples) of all exporters")
	flags.Float64Var(&datagrams, "datagrams-per-second", 0, "datagrams of all exporters")
	flags.Float64Var(&load.FlowsPerDatagram, "flows-per-datagram", load.FlowsPerDatagram,
		"flows in a datagram; a full one of NetFlow v9 has about 26, of IPFIX 20, of sFlow 7. Reckoned where both rates are given")
	flags.IntVar(&load.TemplatesPerExporter, "templates-per-exporter", load.TemplatesPerExporter, "templates of an exporter")
	flags.IntVar(&load.Nodes, "nodes", load.Nodes, "nodes with a collector each")
	flags.Int64Var(&receiveLimit, "rmem-max", receiveLimit, "the nodes' sysctl net.core.rmem_max, in bytes")
	flags.IntVar(&load.Burst, "burst", load.Burst, "datagrams that one exporter sends at once")
	flags.DurationVar(&load.Away, "nats-away", load.Away, "how long NATS may be away without a loss")
	flags.DurationVar(&load.Keep, "keep", load.Keep, "how long the stream keeps flows")
	flags.IntVar(&load.Replicas, "replicas", load.Replicas, "of stream and bucket: 1, 3 or 5")
	flags.StringVar(&name, "name", name, "of the FlowCollector")
	flags.StringVar(&server, "server", server, "the NATS server's address")
	return command
}
