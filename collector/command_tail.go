package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/run"
)

type tailFlags struct {
	serverFlags
	asJSON   bool
	exporter string
	subject  string
	all      bool
	count    int
}

func newTailCommand() *cobra.Command {
	var flags tailFlags
	command := &cobra.Command{
		Use:   "tail",
		Short: "Follow the flows of a stream",
		Long: `tail prints the flows that are published from now on, as a table or as JSON lines with goflow2's names.
It needs the right to create an ephemeral consumer of the stream.`,
		Example: `  collector tail --server nats://127.0.0.1:4222 --exporter 192.0.2.1
  collector tail --server nats://127.0.0.1:4222 --fleet flows/edge
  kubectl exec -n flows ds/edge-collector -- /collector tail
  collector tail --config collector.yaml --json | jq 'select(.dst_port == 53)'`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			return tail(command.Context(), flags, command.OutOrStdout())
		},
	}
	flags.add(command)
	flags.addFleet(command)
	command.Flags().StringVar(&flags.stream, "stream", "", "name of the stream")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "one JSON object a line")
	command.Flags().StringVar(&flags.exporter, "exporter", "", "only flows of one exporter's address (sFlow: the agent's)")
	command.Flags().StringVar(&flags.subject, "subject", "", "only flows of a subject, such as flows.*.*.ipfix (default: all)")
	command.Flags().BoolVar(&flags.all, "all", false, "begin with what the stream already holds")
	command.Flags().IntVarP(&flags.count, "count", "n", 0, "end after so many flows (default: never)")
	return command
}

// errEnough ends tail after the flows asked for.
var errEnough = errors.New("enough")

func tail(ctx context.Context, flags tailFlags, out io.Writer) error {
	var exporter netip.Addr
	if flags.exporter != "" {
		var err error
		if exporter, err = netip.ParseAddr(flags.exporter); err != nil {
			return fmt.Errorf("--exporter %q is not an address such as 192.0.2.1 or 2001:db8::1", flags.exporter)
		}
		exporter = exporter.Unmap()
	}
	c, err := flags.load()
	if err != nil {
		return err
	}
	js, err := flags.jetStream(ctx, "tail command", c, c.Output.NATS)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	if c.Output.Stream.Name, err = flags.streamOf(ctx, js, c); err != nil {
		return err
	}
	consumer := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}
	if flags.all {
		consumer.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	if flags.subject != "" {
		consumer.FilterSubjects = []string{flags.subject}
	}
	following, err := js.OrderedConsumer(ctx, c.Output.Stream.Name, consumer)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("there is no stream %s on %s: a collector creates it when it starts; --fleet NAMESPACE/NAME, --stream "+
			"or --config name another one",
			c.Output.Stream.Name, js.Conn().ConnectedUrlRedacted())
	}
	if err != nil {
		return fmt.Errorf("following stream %s: %w", c.Output.Stream.Name, err)
	}
	messages, err := following.Messages()
	if err != nil {
		return fmt.Errorf("following stream %s: %w", c.Output.Stream.Name, err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	printer := tailPrinter{out: out, flags: flags, exporter: exporter}
	if !flags.asJSON {
		if _, err := fmt.Fprintln(out, flow.Heading); err != nil {
			return err
		}
	}
	for {
		m, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("following stream %s: %w", c.Output.Stream.Name, err)
		}
		if err := printer.message(m); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// tailPrinter prints the records of messages.
type tailPrinter struct {
	out      io.Writer
	flags    tailFlags
	exporter netip.Addr
	record   flow.Record
	line     []byte
	printed  int
}

func (p *tailPrinter) message(m jetstream.Msg) error {
	if m.Headers().Get(publish.HeaderEncoding) == publish.EncodingJSON {
		return p.jsonLines(m.Subject(), m.Data())
	}
	for b := m.Data(); len(b) > 0; {
		message, rest, err := flow.Split(b)
		if err == nil {
			err = flow.Decode(message, &p.record)
		}
		if err != nil {
			return fmt.Errorf("a message on %s cannot be read: %w", m.Subject(), err)
		}
		b = rest
		if p.exporter.IsValid() && p.record.SamplerAddress.Addr() != p.exporter {
			continue
		}
		if p.flags.asJSON {
			p.line = p.record.AppendJSON(p.line[:0], run.ExtraJSON)
		} else {
			p.line = p.record.AppendRow(p.line[:0])
		}
		if err := p.print(append(p.line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// jsonLines passes lines on as they are, or reads what a table shows of them.
func (p *tailPrinter) jsonLines(subject string, b []byte) error {
	wanted := []byte(`"sampler_address":"` + p.exporter.String() + `"`)
	for line := range bytes.Lines(b) {
		if p.exporter.IsValid() && !bytes.Contains(line, wanted) {
			continue
		}
		if !p.flags.asJSON {
			if err := flow.DecodeJSON(line, &p.record); err != nil {
				return fmt.Errorf("a flow on %s cannot be read: %w", subject, err)
			}
			line = append(p.record.AppendRow(p.line[:0]), '\n')
		}
		if err := p.print(line); err != nil {
			return err
		}
	}
	return nil
}

func (p *tailPrinter) print(line []byte) error {
	if _, err := p.out.Write(line); err != nil {
		return err
	}
	if p.printed++; p.flags.count > 0 && p.printed >= p.flags.count {
		return errEnough
	}
	return nil
}
