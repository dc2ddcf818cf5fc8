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
	js       jetstream.JetStream
	stream   string
	config   jetstream.OrderedConsumerConfig
	messages jetstream.MessagesContext
	tally    *Tally
}

// Follow begins to read the stream: what was stored since a moment, or from now on.
func Follow(ctx context.Context, js jetstream.JetStream, stream string, subjects []string, since time.Time, tally *Tally) (*Reader, error) {
	r := &Reader{js: js, stream: stream, tally: tally}
	// With one attempt: the library tries for ever otherwise, and always the same consumer, whose server may be gone. Read makes another.
	r.config = jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, FilterSubjects: subjects, MaxResetAttempts: 1}
	if since.IsZero() {
		// By number and not as new ones, so that another attempt goes on where this one began.
		found, err := js.Stream(ctx, stream)
		if err != nil {
			return nil, fmt.Errorf("reading stream %s: %w", stream, err)
		}
		r.config.OptStartSeq = found.CachedInfo().State.LastSeq + 1
	} else {
		r.config.DeliverPolicy, r.config.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	return r, r.begin(ctx)
}

// begin makes a consumer that begins at the first message that was not read yet.
func (r *Reader) begin(ctx context.Context) error {
	consumer, err := r.js.OrderedConsumer(ctx, r.stream, r.config)
	if err == nil {
		r.messages, err = consumer.Messages()
	}
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.stream, err)
	}
	return nil
}

// Stop ends reading, when Read does not run.
func (r *Reader) Stop() { r.messages.Stop() }

// stalled is how long nothing comes before the consumer is made anew: that of a server that is gone says nothing.
const stalled = 5 * time.Second

// Read tallies until the manifest, which arrives when all is sent, is complete and a second more has shown no record twice;
// or until none of the run's has arrived for the time called quiet, whatever comes of others. It outlives servers that go.
func (r *Reader) Read(ctx context.Context, sent <-chan traffic.Manifest, quiet time.Duration) (traffic.Manifest, error) {
	var manifest traffic.Manifest
	known := false
	last, made := time.Now(), time.Now()
	for ctx.Err() == nil {
		select {
		case manifest = <-sent:
			known, last = true, time.Now()
		default:
		}
		message, err := r.messages.Next(jetstream.NextMaxWait(200 * time.Millisecond))
		if err == nil {
			own, err := r.add(message)
			if err != nil {
				return manifest, err
			}
			made = time.Now()
			if own {
				last = made
				continue
			}
		}
		wait := quiet
		if known && r.tally.Complete(manifest) {
			wait = min(quiet, time.Second)
		}
		if known && time.Since(last) >= wait {
			return manifest, nil
		}
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) || time.Since(made) >= stalled {
			r.messages.Stop()
			attempt, cancel := context.WithTimeout(ctx, stalled)
			_ = r.begin(attempt) // if it fails, the next turn tries again, until it is quiet for too long
			cancel()
			made = time.Now()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			time.Sleep(200 * time.Millisecond) // an error that comes at once
		}
	}
	return manifest, context.Cause(ctx)
}

// add tallies a message, and reports whether it has records of the run.
func (r *Reader) add(message jetstream.Msg) (own bool, err error) {
	flows := message.Data()
	switch message.Headers().Get(publish.HeaderEncoding) {
	case publish.EncodingJSON:
		return false, errors.New("the stream holds JSON; protobuf is read here")
	case publish.EncodingLedger, publish.EncodingNames:
		flows = nil
	}
	var record flow.Record
	for b := flows; len(b) > 0; {
		encoded, rest, err := flow.Split(b)
		if err == nil {
			err = flow.Decode(encoded, &record)
		}
		if err != nil {
			return own, fmt.Errorf("a message on %s: %w", message.Subject(), err)
		}
		own = r.tally.Add(&record) || own
		b = rest
	}
	metadata, err := message.Metadata()
	if err != nil {
		return own, fmt.Errorf("a message on %s: %w", message.Subject(), err)
	}
	r.config.DeliverPolicy, r.config.OptStartTime = jetstream.DeliverByStartSequencePolicy, nil
	r.config.OptStartSeq = metadata.Sequence.Stream + 1
	return own, nil
}
