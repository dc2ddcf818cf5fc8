package sink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of a message that was refused, beside those it came with.
const (
	HeaderRefused  = "Flowfleet-Refused"         // the reason, one of Reasons
	HeaderError    = "Flowfleet-Error"           // what the destination said, cut
	HeaderStream   = "Flowfleet-Stream"          // where the message came from
	HeaderSequence = "Flowfleet-Stream-Sequence" // and its place there
)

const (
	maxError = 512 // bytes of HeaderError
	// Bounds of the stream of refused messages. When it is full, messages wait: none makes way for another.
	refusedBytes  = 1 << 30
	refusedAge    = 30 * 24 * time.Hour
	refusedWindow = time.Hour
)

// bury puts a message that the destination refuses into the stream of refused ones. Nil says that it is there.
func (s *Sink) bury(ctx context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata, why *Refusal) error {
	id := token(meta)
	letter := nats.NewMsg(s.options.RefusedSubject)
	letter.Data = m.Data()
	for name, values := range m.Headers() {
		if strings.HasPrefix(name, "Flowfleet-") {
			letter.Header[name] = values
		}
	}
	letter.Header.Set(HeaderRefused, string(why.Reason))
	letter.Header.Set(HeaderError, oneLine(why.Error()))
	letter.Header.Set(HeaderStream, meta.Stream)
	letter.Header.Set(HeaderSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	publish := func() error {
		_, err := s.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id), jetstream.WithExpectStream(s.options.RefusedStream),
			jetstream.WithRetryAttempts(0))
		return err
	}
	err := publish()
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: s.options.RefusedStream, Subjects: []string{s.options.RefusedSubject},
			Description: "batches of flows that a destination refused", MaxAge: refusedAge, MaxBytes: refusedBytes,
			Discard: jetstream.DiscardNew, Duplicates: refusedWindow,
		})
		if err == nil {
			err = publish()
		}
	}
	if err != nil {
		return fmt.Errorf("putting a refused message on %s: %w", s.options.RefusedSubject, err)
	}
	return nil
}

// oneLine makes a header's value of a text that others wrote.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "..."
	}
	return text
}
