package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// errEnough ends the reading of a stream without an error.
var errEnough = errors.New("enough")

// following is a stream whose messages are read as they come.
type following struct {
	stream   string
	messages jetstream.MessagesContext
	// pending is how many messages were there to be read in the beginning.
	pending uint64
	js      jetstream.JetStream
	stop    func() bool
}

// follow begins to read the stream that the flags mean, for a purpose such as "tail command". It needs the right to create an ephemeral
// consumer of it. What consumer asks of the stream, as what the time there is, it asks before the reading begins.
func (f *serverFlags) follow(ctx context.Context, purpose string,
	consumer func(context.Context, *following) (jetstream.OrderedConsumerConfig, error)) (*following, error) {
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	js, err := f.jetStream(ctx, purpose, c, c.Output.NATS)
	if err != nil {
		return nil, err
	}
	followed := &following{js: js}
	if followed.stream, err = f.streamOf(ctx, js, c); err == nil {
		var config jetstream.OrderedConsumerConfig
		if config, err = consumer(ctx, followed); err == nil {
			err = followed.begin(ctx, config)
		}
	}
	if err != nil {
		defer js.Conn().Close()
		return nil, connect.Denied(js.Conn(), err)
	}
	return followed, nil
}

// resetAttempts is how often it is tried to go on where a consumer is gone, over 7 seconds and as long as the answers take: without an end the
// library would try, and the command be silent, for ever.
const resetAttempts = 4

func (f *following) begin(ctx context.Context, config jetstream.OrderedConsumerConfig) error {
	config.MaxResetAttempts = resetAttempts
	consumer, err := f.js.OrderedConsumer(ctx, f.stream, config)
	if err == nil {
		f.pending = consumer.CachedInfo().NumPending
		f.messages, err = consumer.Messages()
	}
	if err != nil {
		return f.failed("following", err)
	}
	f.stop = context.AfterFunc(ctx, f.messages.Stop)
	return nil
}

// failed says what could not be done to the stream.
func (f *following) failed(doing string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("there is no stream %s on %s: a collector creates it when it starts; --fleet NAMESPACE/NAME, --stream "+
			"or --config name another one", f.stream, f.js.Conn().ConnectedUrlRedacted())
	}
	return fmt.Errorf("%s stream %s: %w", doing, f.stream, err)
}

// times are the server's: what time it is there, and since when the stream has messages.
func (f *following) times(ctx context.Context) (now, oldest time.Time, err error) {
	stream, err := f.js.Stream(ctx, f.stream)
	if err != nil {
		return now, oldest, f.failed("looking at", err)
	}
	info := stream.CachedInfo()
	if now = info.TimeStamp; now.IsZero() {
		now = time.Now() // servers before 2.10 do not say it
	}
	return now, info.State.FirstTime, nil
}

func (f *following) close() {
	f.stop()
	f.messages.Stop()
	f.js.Conn().Close()
}

// each hands over each message until the context of follow ends, or do returns an error, of which errEnough is none.
func (f *following) each(do func(jetstream.Msg) error) error {
	for {
		m, err := f.messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("following stream %s: %w", f.stream, err)
		}
		if err := do(m); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// eachRecord reads each flow of a message into r; one of the ledger or of names has none. From a stream of JSON it has what tables show, and line is the
// flow as it stands there, with its line feed; otherwise line is nil.
func eachRecord(m jetstream.Msg, r *flow.Record, do func(line []byte) error) error {
	switch m.Headers().Get(publish.HeaderEncoding) {
	case publish.EncodingLedger, publish.EncodingNames:
		return nil // no flows
	case publish.EncodingJSON:
		for line := range bytes.Lines(m.Data()) {
			if err := flow.DecodeJSON(line, r); err != nil {
				return fmt.Errorf("a flow on %s cannot be read: %w", m.Subject(), err)
			}
			if err := do(line); err != nil {
				return err
			}
		}
		return nil
	}
	for b := m.Data(); len(b) > 0; {
		message, rest, err := flow.Split(b)
		if err == nil {
			err = flow.Decode(message, r)
		}
		if err != nil {
			return fmt.Errorf("a message on %s cannot be read: %w", m.Subject(), err)
		}
		b = rest
		if err := do(nil); err != nil {
			return err
		}
	}
	return nil
}

// addUntilInputEnds adds the flag of a command that other programs run, such as the plugin of kubectl in a pod.
func addUntilInputEnds(command *cobra.Command, until *bool) {
	command.Flags().BoolVar(until, "until-input-ends", false, "end with standard input, for programs that run this one")
}

// endWith calls end when an input ends, however it does.
func endWith(in io.Reader, end func()) {
	go func() {
		_, _ = io.Copy(io.Discard, in) // however it ends, it has ended
		end()
	}()
}
