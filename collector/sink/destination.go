// Package sink passes flows on from a stream to a destination: each batch as it came, acknowledged once it is stored there.
//
// Its books hold at any time: messages and records read = stored + waiting + refused, by reason + put off
// + given back to the stream.
package sink

import (
	"context"
	"errors"
)

// Destination stores batches. There is one package for each. It is safe for concurrent use.
type Destination interface {
	// Store returns nil once the batch is stored, and stores one with the same token once, however often it comes, as far as the
	// destination promises that. A *Refusal says that this batch will never be taken; with any other error it comes again later.
	Store(ctx context.Context, b Batch) error
	// Check asks the destination what batches go into. The error says why it does not tell: that nobody answers, or does not let one look.
	Check(ctx context.Context) (Schema, error)
}

// Schema is what a destination has for batches to go into. The zero Schema knows nothing.
type Schema struct {
	// Known: the destination told its Version, 0 where it has none yet; Wanted is the one that batches need.
	Known           bool
	Version, Wanted int
	// Problem says why batches cannot go there, and what to do; empty where they can.
	Problem string
}

// Batch is one message of the stream.
type Batch struct {
	// Payload is a sequence of flowpb.FlowMessage, each behind its length as a varint.
	Payload []byte
	// Ledger: it is a sequence of ledger.Minute instead, as lines of JSON.
	Ledger bool
	// Token is the same each time a batch comes, and no other batch's.
	Token string
}

// ErrUnanswered is wrapped by an error of Store where the batch was sent and nobody said what became of it.
var ErrUnanswered = errors.New("no answer")

// Refusal is the error for a batch that is at fault itself, so that sending it again is pointless.
type Refusal struct {
	// Reason is one of a few words, for metrics.
	Reason Reason
	Err    error
}

// Reason says why a batch was refused.
type Reason string

// The reasons.
const (
	// ReasonEncoding: it is not length-delimited protobuf, such as JSON.
	ReasonEncoding Reason = "encoding"
	// ReasonMalformed: the lengths in it contradict its size.
	ReasonMalformed Reason = "malformed"
	// ReasonDestination: the destination cannot read it.
	ReasonDestination Reason = "destination"
)

// Reasons are all of them.
var Reasons = []Reason{ReasonEncoding, ReasonMalformed, ReasonDestination}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns what the destination said.
func (r *Refusal) Unwrap() error { return r.Err }

// refusal returns the *Refusal that an error is or wraps, nil for others.
func refusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}
