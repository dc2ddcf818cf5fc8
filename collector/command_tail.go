package main

import (
	"context"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/run"
)

type tailFlags struct {
	serverFlags
	filter  filterFlags
	asJSON  bool
	subject string
	all     bool
	count   int

	untilInputEnds bool
}

func newTailCommand() *cobra.Command {
	var flags tailFlags
	command := &cobra.Command{
		Use:   "tail",
		Short: "Follow the flows of a stream",
		Long: `tail prints the flows that are published from now on, as a table or as JSON lines with goflow2's names.
It needs the right to create an ephemeral consumer of the stream. It ends where it has waited 10 minutes for somebody to read what it
prints, as after "kubectl exec" was interrupted. With few flows that takes long, since a pipe holds some of them:
"kubectl flowfleet flows" leaves nothing behind.`,
		Example: `  collector tail --server nats://127.0.0.1:4222 --exporter 192.0.2.1
  collector tail --server nats://127.0.0.1:4222 --fleet flows/edge
  kubectl exec -n flows ds/edge-collector -- /collector tail
  collector tail --config collector.yaml --json | jq 'select(.dst_port == 53)'`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			return whileRead(command, flags.untilInputEnds, func(ctx context.Context, out io.Writer) error {
				return tail(ctx, flags, out, command.ErrOrStderr())
			})
		},
	}
	flags.add(command)
	flags.addFleet(command)
	flags.addStream(command)
	command.Flags().BoolVar(&flags.asJSON, "json", false, "one JSON object a line")
	flags.filter.add(command)
	command.Flags().StringVar(&flags.subject, "subject", "", "only flows of a subject, such as flows.*.*.ipfix (default: all)")
	command.Flags().BoolVar(&flags.all, "all", false, "begin with what the stream already holds")
	command.Flags().IntVarP(&flags.count, "count", "n", 0, "end after so many flows (default: never)")
	addUntilInputEnds(command, &flags.untilInputEnds)
	return command
}

func tail(ctx context.Context, flags tailFlags, out, notes io.Writer) error {
	filter, err := flags.filter.parse()
	if err != nil {
		return err
	}
	policy, subjects := jetstream.DeliverNewPolicy, []string(nil)
	if flags.all {
		policy = jetstream.DeliverAllPolicy
	}
	if flags.subject != "" {
		subjects = []string{flags.subject}
	}
	consumer := jetstream.OrderedConsumerConfig{DeliverPolicy: policy, FilterSubjects: subjects}
	following, err := flags.follow(ctx, "tail command", func(context.Context, *following) (jetstream.OrderedConsumerConfig, error) { return consumer, nil })
	if err != nil {
		return err
	}
	defer following.close()
	heard := sayWhenQuiet(notes)
	defer heard()
	printer := tailPrinter{out: out, flags: flags, filter: filter, heard: heard}
	if !flags.asJSON {
		if _, err := fmt.Fprintln(out, flow.Heading); err != nil {
			return err
		}
	}
	return following.each(printer.message)
}

// tailPrinter prints the records of messages.
type tailPrinter struct {
	out     io.Writer
	flags   tailFlags
	filter  flow.Filter
	record  flow.Record
	line    []byte
	printed int
	// heard is called with each flow that is printed.
	heard func()
}

func (p *tailPrinter) message(m jetstream.Msg) error {
	return eachRecord(m, &p.record, func(line []byte) error {
		switch {
		case !p.filter.Match(&p.record):
			return nil
		case !p.flags.asJSON:
			p.line = append(p.record.AppendRow(p.line[:0]), '\n')
		case line == nil:
			p.line = append(p.record.AppendJSON(p.line[:0], run.ExtraJSON), '\n')
		default:
			p.line = append(p.line[:0], line...)
		}
		return p.print(p.line)
	})
}

func (p *tailPrinter) print(line []byte) error {
	p.heard()
	if _, err := p.out.Write(line); err != nil {
		return err
	}
	if p.printed++; p.flags.count > 0 && p.printed >= p.flags.count {
		return errEnough
	}
	return nil
}
