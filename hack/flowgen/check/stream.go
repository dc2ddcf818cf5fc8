package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// Reader follows a stream and tallies what it holds.
type Reader struct {
	messages jetstream.MessagesContext
	tally    *Tally
}

// Follow begins to read the stream: what was stored since a moment, or from now on.
func Follow(ctx context.Context, js jetstream.JetStream, stream string, subjects []string, since time.Time, tally *Tally) (*Reader, error) {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: subjects}
	if !since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	consumer, err := js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	return &Reader{messages: messages, tally: tally}, nil
}

// Stop ends Read.
func (r *Reader) Stop() { r.messages.Stop() }

// Read tallies until the manifest, which arrives when all is sent, is complete and a second more has shown no record twice;
// or until nothing has arrived for the time called quiet.
func (r *Reader) Read(ctx context.Context, sent <-chan traffic.Manifest, quiet time.Duration) (traffic.Manifest, error) {
	var manifest traffic.Manifest
	known := false
	last := time.Now()
	for {
		select {
		case manifest = <-sent:
			known, last = true, time.Now()
		default:
		}
		message, err := r.messages.Next(jetstream.NextMaxWait(200 * time.Millisecond))
		switch {
		case err == nil:
			if err := r.add(message); err != nil {
				return manifest, err
			}
			last = time.Now()
			continue
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return manifest, context.Cause(ctx)
		case ctx.Err() != nil:
			return manifest, context.Cause(ctx)
		}
		// Nothing came. Servers that are away come back: an ordered consumer makes itself anew.
		wait := quiet
		if known && r.tally.Complete(manifest) {
			wait = min(quiet, time.Second)
		}
		if known && time.Since(last) >= wait {
			return manifest, nil
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			time.Sleep(200 * time.Millisecond) // an error that comes at once
		}
	}
}

func (r *Reader) add(message jetstream.Msg) error {
	if encoding := message.Headers().Get(publish.HeaderEncoding); encoding == publish.EncodingJSON {
		return errors.New("the stream holds JSON; protobuf is read here")
	}
	var record flow.Record
	for b := message.Data(); len(b) > 0; {
		encoded, rest, err := flow.Split(b)
		if err == nil {
			err = flow.Decode(encoded, &record)
		}
		if err != nil {
			return fmt.Errorf("a message on %s: %w", message.Subject(), err)
		}
		r.tally.Add(&record)
		b = rest
	}
	return nil
}
