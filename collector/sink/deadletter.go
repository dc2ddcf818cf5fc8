package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
)

// Headers of a message that was refused, beside those it came with.
const (
	HeaderRefused  = "Flowfleet-Refused"         // the reason, one of Reasons
	HeaderError    = "Flowfleet-Error"           // what the destination said, cut
	HeaderStream   = "Flowfleet-Stream"          // where the message came from
	HeaderSequence = "Flowfleet-Stream-Sequence" // and its place there
	// HeaderCut is how many bytes the message had, where less of it is there, from its beginning.
	HeaderCut = "Flowfleet-Cut"
)

const (
	maxError = 512 // bytes of HeaderError
	// Bounds of the stream of refused messages. When it is full, messages stay in the stream they come from: none makes way for another.
	refusedBytes  = 1 << 30
	refusedAge    = 30 * 24 * time.Hour
	refusedWindow = time.Hour
)

// bury puts a message that the destination refuses into the stream of refused ones. Nil says that it is there: whole, or cut where NATS does
// not take it whole. With its headers a message can be larger than the one that was read.
func (s *Sink) bury(ctx context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata, why *Refusal) (cut bool, err error) {
	own := make(nats.Header)
	own.Set(HeaderRefused, string(why.Reason))
	own.Set(HeaderError, oneLine(why.Error()))
	own.Set(HeaderStream, meta.Stream)
	own.Set(HeaderSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	letter := &nats.Msg{Subject: s.options.RefusedSubject, Data: m.Data(), Header: make(nats.Header)}
	for name, values := range m.Headers() {
		if strings.HasPrefix(name, "Flowfleet-") {
			letter.Header[name] = values
		}
	}
	maps.Copy(letter.Header, own)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = s.publish(ctx, letter, token(meta))
	for tooLarge(err) && (!cut || len(letter.Data) > 0) {
		cut = true
		letter.Data = letter.Data[:len(letter.Data)/2]
		if len(letter.Data) == 0 { // what the message came with is too large
			letter.Header = own
		}
		letter.Header.Set(HeaderCut, strconv.Itoa(len(m.Data())))
		err = s.publish(ctx, letter, token(meta))
	}
	if err != nil {
		return false, fmt.Errorf("putting a refused message on %s: %s%w", s.options.RefusedSubject, s.roomFor(err), err)
	}
	return cut, nil
}

// roomFor is what to do about an error that says that there is no room; empty for others.
func (s *Sink) roomFor(err error) string {
	if !capacity.Full(err) {
		return ""
	}
	stream := s.options.RefusedStream
	return fmt.Sprintf("make room in the stream %s, look at what it has first (nats stream purge %s), or let it grow (nats stream edit %s --max-bytes=2GiB): ",
		stream, stream, stream)
}

// publish puts a message into the stream of refused ones, which it makes where it is missing.
func (s *Sink) publish(ctx context.Context, letter *nats.Msg, id string) error {
	publish := func() error {
		_, err := s.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id), jetstream.WithExpectStream(s.options.RefusedStream),
			jetstream.WithRetryAttempts(0))
		return err
	}
	err := publish()
	if !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return err
	}
	if _, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: s.options.RefusedStream, Subjects: []string{s.options.RefusedSubject},
		Description: "batches of flows that a destination refused", MaxAge: refusedAge, MaxBytes: refusedBytes,
		Discard: jetstream.DiscardNew, Duplicates: refusedWindow,
	}); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // as where another consumer's sinks made it
		return fmt.Errorf("the stream %s is there, and does not take this subject: name another one in refused.stream, or add the subject to it "+
			"(nats stream edit %s --subjects=..., with those that it has): %w", s.options.RefusedStream, s.options.RefusedStream, err)
	} else if err != nil {
		return err
	}
	return publish()
}

// messageTooLarge is JetStream's error for a message beyond a stream's max_msg_size (nats-server, server/errors.json).
const messageTooLarge jetstream.ErrorCode = 10054

// tooLarge reports whether an error says that NATS, or the stream of refused messages, does not take a message of its size.
func tooLarge(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == messageTooLarge
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
