package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/top"
)

type topFlags struct {
	serverFlags
	filter            filterFlags
	by, sort, subject string
	window, interval  time.Duration
	rows              int
	once, asJSON      bool
	untilInputEnds    bool
}

func newTopCommand() *cobra.Command {
	var flags topFlags
	command := &cobra.Command{
		Use:   "top",
		Short: "Show what weighs most among the flows of a stream",
		Long: `top reads the flows of the last --window from a stream, and goes on with those that are published. Every --interval it prints what
weighs most, by one of: ` + strings.Join(top.Names(), ", ") + `.

Volumes are scaled by the sampling rates; a star marks those with flows whose rate nobody said. A flow that two exporters saw counts
twice: --exporter shows one of them. It needs the right to create an ephemeral consumer of the stream. It ends where it has waited
10 minutes for somebody to read what it prints.`,
		Example: `  collector top --server nats://127.0.0.1:4222 --fleet flows/edge --once
  collector top --by conversation --exporter 192.0.2.1
  kubectl exec -n flows ds/edge-collector -- /collector top --by interface --once`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			return whileRead(command, flags.untilInputEnds, flags.run)
		},
	}
	flags.add(command)
	flags.addFleet(command)
	flags.filter.add(command)
	flags.addStream(command)
	command.Flags().StringVar(&flags.subject, "subject", "", "only flows of a subject, such as flows.*.*.ipfix (default: all)")
	command.Flags().StringVar(&flags.by, "by", "exporter", "what flows are summed up by")
	command.Flags().StringVar(&flags.sort, "sort", "bytes", "the order: "+strings.Join(top.OrderNames(), ", "))
	command.Flags().DurationVar(&flags.window, "window", time.Minute, "sum up the flows of so long a time, which ends now (at least 12s)")
	command.Flags().DurationVar(&flags.interval, "interval", 2*time.Second, "the time between two tables")
	command.Flags().IntVarP(&flags.rows, "rows", "n", 20, "show so many")
	command.Flags().BoolVar(&flags.once, "once", false, "print one table as soon as the window is read, and end")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "one JSON object a table, each on a line")
	addUntilInputEnds(command, &flags.untilInputEnds)
	return command
}

func (flags *topFlags) run(ctx context.Context, out io.Writer) error {
	dimension, err := top.Find(flags.by)
	if err != nil {
		return fmt.Errorf("--by %w", err)
	}
	order, err := top.FindOrder(flags.sort)
	if err != nil {
		return fmt.Errorf("--sort %w", err)
	}
	switch {
	case flags.window < 12*time.Second:
		return fmt.Errorf("--window %s: 12s is the least", flags.window)
	case flags.interval < 100*time.Millisecond:
		return fmt.Errorf("--interval %s: 100ms is the least", flags.interval)
	case flags.rows < 1:
		return fmt.Errorf("--rows %d: 1 is the least", flags.rows)
	}
	filter, err := flags.filter.parse()
	if err != nil {
		return err
	}
	reader := topReader{flags: flags, out: out, title: dimension.Title, filter: filter, window: top.NewWindow(dimension, order, flags.window)}
	followed, err := flags.follow(ctx, "top command", reader.begin)
	if err != nil {
		return err
	}
	defer followed.close()
	reader.read = followed.pending == 0
	return reader.run(ctx, followed)
}

// topReader sums up messages, and prints.
type topReader struct {
	flags  *topFlags
	out    io.Writer
	title  string
	filter flow.Filter
	window *top.Window
	// since is where the reading began: with the window, or with the stream where that is younger.
	since  time.Time
	record flow.Record
	// read is whether all that was there in the beginning is summed up; behind is how much is not yet.
	read   bool
	behind uint64
	// latest is the newest time of the server's clock, heard when this one's said so.
	latest, heard time.Time
}

// begin is where the reading begins: a window before the server's now, which need not be this machine's.
func (t *topReader) begin(ctx context.Context, followed *following) (consumer jetstream.OrderedConsumerConfig, err error) {
	now, oldest, err := followed.times(ctx)
	if err != nil {
		return consumer, err
	}
	t.latest, t.heard = now, time.Now()
	begin := now.Add(-t.window.Length())
	if t.since = begin; oldest.After(begin) {
		t.since = oldest
	}
	consumer = jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &begin}
	if t.flags.subject != "" {
		consumer.FilterSubjects = []string{t.flags.subject}
	}
	return consumer, nil
}

// now is the time of the server's clock, which goes on where messages end.
func (t *topReader) now() time.Time { return t.latest.Add(time.Since(t.heard)) }

func (t *topReader) run(ctx context.Context, followed *following) error {
	messages, failed := make(chan jetstream.Msg, 256), make(chan error, 1)
	go func() {
		defer close(messages)
		failed <- followed.each(func(m jetstream.Msg) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return errEnough
			}
		})
	}()
	// The first table does not wait for an interval, only until what was there is read, or for too long.
	next := time.NewTimer(time.Second)
	defer next.Stop()
	for printed := false; ; {
		select {
		case m, more := <-messages:
			if !more {
				return <-failed
			}
			if err := t.message(m); err != nil {
				return err
			}
			if printed || !t.read {
				continue
			}
		case <-next.C:
			if t.flags.once && !t.read {
				next.Reset(time.Second)
				continue
			}
		}
		if err := t.print(); err != nil || t.flags.once {
			return err
		}
		printed = true
		next.Reset(t.flags.interval)
	}
}

func (t *topReader) message(m jetstream.Msg) error {
	about, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("a message on %s says not when it was stored: %w", m.Subject(), err)
	}
	if t.behind = about.NumPending; about.Timestamp.After(t.now()) {
		t.latest, t.heard = about.Timestamp, time.Now()
	}
	t.read = t.read || about.NumPending == 0
	return eachRecord(m, &t.record, func([]byte) error {
		if t.filter.Match(&t.record) {
			t.window.Add(about.Timestamp, &t.record)
		} else {
			t.window.Pass(about.Timestamp)
		}
		return nil
	})
}

// print reports up to now.
func (t *topReader) print() error {
	report := t.window.Report(t.since, t.now(), t.flags.rows)
	report.Behind = t.behind
	if t.flags.asJSON {
		return newJSONEncoder(t.out).Encode(report)
	}
	if err := report.Print(t.out, t.title); err != nil || t.flags.once {
		return err
	}
	_, err := fmt.Fprintln(t.out)
	return err
}
