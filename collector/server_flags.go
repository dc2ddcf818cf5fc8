package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
)

// serverFlags say which server and bucket or stream a command looks at.
type serverFlags struct {
	config, server        string
	fleet, bucket, stream string
	timeout               time.Duration
}

// podConfiguration is where a collector's pod has its configuration; commands in a pod take it by themselves.
var podConfiguration = config.StandardFile

func (f *serverFlags) add(command *cobra.Command) {
	command.PersistentFlags().StringVar(&f.config, "config", "", "take server, credentials and names from a collector's configuration\n(default: "+
		podConfiguration+" where that is there, as in a pod)")
	command.PersistentFlags().StringVar(&f.server, "server", "", "address of NATS (default: the configuration's; without one "+nats.DefaultURL+")")
	command.PersistentFlags().DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to wait for the server")
}

// addFleet adds --fleet, for commands that look at one.
func (f *serverFlags) addFleet(command *cobra.Command) {
	command.PersistentFlags().StringVar(&f.fleet, "fleet", "", "look at the bucket and stream of a FlowCollector, as NAMESPACE/NAME")
}

// addBucket and addStream add the flags that name another one than a configuration or a FlowCollector does.
func (f *serverFlags) addBucket(command *cobra.Command) {
	command.PersistentFlags().StringVar(&f.bucket, "bucket", "", "name of the bucket (default: the configuration's; without one "+
		config.Default().Templates.Bucket+")")
}

func (f *serverFlags) addStream(command *cobra.Command) {
	command.Flags().StringVar(&f.stream, "stream", "", "name of the stream (default: the configuration's; without one "+
		config.Default().Output.Stream.Name+")")
}

// load returns the configuration, or the default one with the server given.
func (f *serverFlags) load() (*config.Config, error) {
	c := config.Default()
	path := f.config
	if _, err := os.Stat(podConfiguration); path == "" && f.server == "" && err == nil {
		path = podConfiguration
	}
	if path != "" {
		loaded, err := config.Load(path)
		if err != nil {
			return nil, err
		}
		c = loaded
	}
	for _, n := range []*config.NATS{&c.NATS, c.Templates.NATS, c.Output.NATS} {
		if n != nil && n.Embedded != nil {
			n.URLs = []string{"nats://" + n.Embedded.Address}
		}
	}
	if f.server != "" {
		c.NATS.URLs, c.Templates.NATS, c.Output.NATS = []string{f.server}, nil, nil
	}
	if len(c.NATS.URLs) == 0 {
		c.NATS.URLs = []string{nats.DefaultURL}
	}
	if f.fleet != "" {
		if _, _, err := fleetName(f.fleet); err != nil { // bucketOf and streamOf find its names
			return nil, fmt.Errorf("--fleet: %w", err)
		}
	}
	c.Templates.Bucket = cmp.Or(f.bucket, c.Templates.Bucket)
	c.Output.Stream.Name = cmp.Or(f.stream, c.Output.Stream.Name)
	return c, nil
}

// jetStream connects to the server of a section, or of the file where the section names none. Unlike a collector it waits
// for the connection. The caller closes it.
func (f *serverFlags) jetStream(ctx context.Context, purpose string, file *config.Config, own *config.NATS) (jetstream.JetStream, error) {
	c := file.NATS
	if own != nil {
		c = *own
	}
	nc, err := connect.Dial(purpose, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(f.timeout)
	for !nc.IsConnected() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			defer nc.Close()
			return nil, fmt.Errorf("no connection to NATS at %s after %s: %w", strings.Join(c.URLs, ", "), f.timeout, lastError(nc))
		}
		time.Sleep(20 * time.Millisecond)
	}
	return connect.JetStream(nc, &c)
}

func lastError(nc *nats.Conn) error {
	if err := connect.Why(nc); err != nil {
		return err
	}
	return nats.ErrNoServers
}
