package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/flowgen/check"
	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

func newCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "flowgen", Short: "Send numbered flows of many exporters, and verify them on JetStream",
		SilenceUsage: true, SilenceErrors: true,
	}
	command.AddCommand(newSend(), newVerify(), newRun())
	return command
}

// sendFlags become Settings.
type sendFlags struct {
	settings       traffic.Settings
	target, source string
	protocols      []string
	netflow, ipfix uint16
	sflow, run     uint16
	manifest       string
}

func (f *sendFlags) add(command *cobra.Command) {
	flags, s := command.Flags(), &f.settings
	flags.StringVar(&f.target, "target", "127.0.0.1", "address or name of the collectors")
	flags.StringVar(&f.source, "source", "", "address of the first exporter; the others have those that follow (default: one address, different ports)")
	flags.StringSliceVar(&f.protocols, "protocols", []string{"v5", "v9", "ipfix", "sflow"}, "what exporters speak, in turns")
	flags.Uint16Var(&f.netflow, "netflow-port", 2055, "port for v5 and v9")
	flags.Uint16Var(&f.ipfix, "ipfix-port", 4739, "port for IPFIX")
	flags.Uint16Var(&f.sflow, "sflow-port", 6343, "port for sFlow")
	flags.IntVar(&s.Exporters, "exporters", 12, "number of exporters")
	flags.IntVar(&s.Domains, "domains", 1, "observation domains of an exporter")
	flags.IntVar(&s.Records, "records", 10, "records in a datagram")
	flags.Float64Var(&s.Rate, "rate", 1000, "datagrams a second in all")
	flags.DurationVar(&s.Duration, "duration", 10*time.Second, "how long to send; 0: until --datagrams are sent")
	flags.IntVar(&s.Datagrams, "datagrams", 0, "end after so many datagrams")
	flags.DurationVar(&s.TemplateInterval, "template-interval", 10*time.Second, "how often templates are sent again; 0: once")
	flags.DurationVar(&s.Redefine, "redefine", 0, "how often templates change under their id; 0: never")
	flags.BoolVar(&s.Options, "options", true, "tell the sampling rate in options")
	flags.StringVar((*string)(&s.Names), "names", string(traffic.NamesNone), "names of interfaces: none, send (in options, as often as templates), or known (a former run sent them)")
	flags.IntVar(&s.Troubles.Skip, "skip", 0, "number every Nth datagram, but do not send it; 0: none")
	flags.BoolVar(&s.Troubles.Untaught, "untaught", false, "send no templates")
	flags.DurationVar(&s.Troubles.Ahead, "ahead", 0, "how far the exporters' clocks are ahead")
	flags.DurationVar(&s.Troubles.Reboot, "reboot", 0, "after how long exporters boot anew, once; 0: never")
	flags.DurationVar(&s.Troubles.Resample, "resample", 0, "after how long exporters sample half as much, once; 0: never")
	flags.Uint16Var(&f.run, "run", 0, "number from 1 to 223 that tells runs apart (default: a random one)")
	flags.StringVar(&f.manifest, "manifest", "", "file for what was sent, as JSON")
}

// resolve returns an address, or the first one that a name has: some clouds give load balancers a name.
func resolve(target string) (netip.Addr, error) {
	address, err := netip.ParseAddr(target)
	if err == nil || target == "" {
		return address, err
	}
	found, err := net.ResolveUDPAddr("udp", net.JoinHostPort(target, "0"))
	if err != nil {
		return netip.Addr{}, err
	}
	return found.AddrPort().Addr().Unmap(), nil
}

func (f *sendFlags) parse() (traffic.Settings, error) {
	s := f.settings
	var err error
	if s.Target, err = resolve(f.target); err != nil {
		return s, fmt.Errorf("--target: %w", err)
	}
	if f.source != "" {
		if s.Source, err = netip.ParseAddr(f.source); err != nil {
			return s, fmt.Errorf("--source: %w", err)
		}
	}
	for _, protocol := range f.protocols {
		s.Protocols = append(s.Protocols, traffic.Protocol(protocol))
	}
	s.Ports = map[traffic.Protocol]uint16{traffic.NetFlow5: f.netflow, traffic.NetFlow9: f.netflow, traffic.IPFIX: f.ipfix, traffic.SFlow: f.sflow}
	switch {
	case f.run == 0:
		s.Run = uint8(1 + rand.IntN(223))
	case f.run > 223:
		return s, fmt.Errorf("--run %d: numbers go from 1 to 223", f.run)
	default:
		s.Run = uint8(f.run)
	}
	return s, s.Check()
}

func (f *sendFlags) send(ctx context.Context, s traffic.Settings) (traffic.Manifest, error) {
	manifest, err := traffic.Send(ctx, s)
	if err != nil || f.manifest == "" {
		return manifest, err
	}
	content, err := json.Marshal(manifest)
	if err != nil {
		return manifest, err
	}
	return manifest, os.WriteFile(f.manifest, content, 0o644)
}

func newSend() *cobra.Command {
	var flags sendFlags
	command := &cobra.Command{
		Use: "send", Short: "Send flows", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := flags.parse()
			if err != nil {
				return err
			}
			manifest, err := flags.send(command.Context(), s)
			if err != nil {
				return err
			}
			fmt.Printf("run %d: %d datagrams with %d records in %s, %d refused, %d failed\n", manifest.Run, manifest.Datagrams(),
				manifest.Datagrams()*manifest.Records, manifest.Took.Round(time.Millisecond), manifest.Refused(), manifest.Failed())
			return nil
		},
	}
	flags.add(command)
	return command
}

// readFlags say where to read.
type readFlags struct {
	server, stream string
	subjects       []string
	quiet          time.Duration
	asJSON         bool
}

func (f *readFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.server, "server", nats.DefaultURL, "URL of the NATS server")
	flags.StringVar(&f.stream, "stream", "flows", "the stream")
	flags.StringSliceVar(&f.subjects, "subjects", nil, "subjects of it, such as flows.default.edge.> (default: all)")
	flags.DurationVar(&f.quiet, "quiet", 10*time.Second, "what has not arrived after so long without any record is lost")
	flags.BoolVar(&f.asJSON, "json", false, "report as JSON")
}

func (f *readFlags) connect() (jetstream.JetStream, func(), error) {
	connection, err := nats.Connect(f.server, nats.Name("flowgen"), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		// A server whose machine is gone says nothing: it is left for another within seconds.
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(3))
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to %s: %w", f.server, err)
	}
	js, err := jetstream.New(connection)
	return js, connection.Close, err
}

func (f *readFlags) report(tally *check.Tally, manifest traffic.Manifest) error {
	report := tally.Report(manifest)
	if f.asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		report.Print(os.Stdout)
	}
	if !report.Good() {
		return errBad
	}
	return nil
}

func newVerify() *cobra.Command {
	var flags readFlags
	var path string
	command := &cobra.Command{
		Use: "verify", Short: "Verify what was sent before, by its manifest", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var manifest traffic.Manifest
			if err := json.Unmarshal(content, &manifest); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			js, disconnect, err := flags.connect()
			if err != nil {
				return err
			}
			defer disconnect()
			tally := check.NewTally(manifest.Run)
			// Clocks of machines differ a little.
			reader, err := check.Follow(command.Context(), js, flags.stream, flags.subjects, manifest.Began.Add(-time.Minute), tally)
			if err != nil {
				return err
			}
			defer reader.Stop()
			sent := make(chan traffic.Manifest, 1)
			sent <- manifest
			if _, err := reader.Read(command.Context(), sent, flags.quiet); err != nil {
				return err
			}
			return flags.report(tally, manifest)
		},
	}
	flags.add(command)
	command.Flags().StringVar(&path, "manifest", "", "file that \"send\" wrote")
	_ = command.MarkFlagRequired("manifest")
	return command
}

func newRun() *cobra.Command {
	var sending sendFlags
	var reading readFlags
	command := &cobra.Command{
		Use: "run", Short: "Send flows and verify them", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := sending.parse()
			if err != nil {
				return err
			}
			js, disconnect, err := reading.connect()
			if err != nil {
				return err
			}
			defer disconnect()
			// An interrupt ends the sending; what was sent is verified nevertheless.
			ctx, cancel := context.WithCancelCause(context.WithoutCancel(command.Context()))
			defer cancel(nil)
			tally := check.NewTally(s.Run)
			reader, err := check.Follow(ctx, js, reading.stream, reading.subjects, time.Time{}, tally)
			if err != nil {
				return err
			}
			defer reader.Stop()
			sent := make(chan traffic.Manifest, 1)
			go func() {
				manifest, err := sending.send(command.Context(), s)
				if err != nil {
					cancel(err)
					return
				}
				sent <- manifest
			}()
			manifest, err := reader.Read(ctx, sent, reading.quiet)
			if err != nil {
				return err
			}
			return reading.report(tally, manifest)
		},
	}
	sending.add(command)
	reading.add(command)
	return command
}
