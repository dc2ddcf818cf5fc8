package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// SinkPath of the document of a sink, on the port of its metrics.
	SinkPath = "/sink"
	// MaxSinkBytes bounds it as it is sent.
	MaxSinkBytes = 16 << 10
	// maxSubjects of a Place: a FlowSink has at most 4.
	maxSubjects = 16
)

// Sink is how a sink is. Figures count since its start.
type Sink struct {
	// Version of this form, as that of a Document.
	Version int `json:"version"`
	// Instance is the name of its pod, in Kubernetes; empty where it does not say.
	Instance string `json:"instance,omitempty"`
	// Build is the program's version; Started and Time are by the sink's clock: when it began, and now.
	Build   string    `json:"build"`
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"`
	// Each says what is wrong, and is empty where nothing is: with the connection to NATS, with reading the stream, with the destination,
	// with the last attempt to store, and with putting away what was refused.
	NATS        string `json:"nats,omitempty"`
	Reading     string `json:"reading,omitempty"`
	Destination string `json:"destination,omitempty"`
	Storing     string `json:"storing,omitempty"`
	Refusing    string `json:"refusing,omitempty"`
	// Rejecting is why the last messages were all refused, so that nothing is stored; empty where the last one was stored.
	Rejecting string `json:"rejecting,omitempty"`
	// Blocks is why messages go by themselves, or wait, where they are to go in blocks.
	Blocks string `json:"blocks,omitempty"`
	// Schema that the destination was found to have; nil where it did not tell.
	Schema *Schema `json:"schema,omitempty"`
	// Place of the consumer in its stream; nil where it is not known, and Unplaced says why.
	Place    *Place `json:"place,omitempty"`
	Unplaced string `json:"unplaced,omitempty"`
	// Stored, Waiting and Refused are records; the last by reason.
	Stored  uint64            `json:"stored"`
	Waiting uint64            `json:"waiting"`
	Refused map[string]uint64 `json:"refused,omitempty"`
}

// Schema is a version of tables, 0 for none, and the one that is wanted.
type Schema struct {
	Version int `json:"version"`
	Wanted  int `json:"wanted"`
}

// Place is where a consumer stands in its stream. Sequences are those of the stream.
type Place struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// Time of the look, by the clock of the server that has the consumer; zero where the sink does not say.
	Time time.Time `json:"time,omitzero"`
	// Replicas of the stream, 0 where the sink does not say. ForReaders: the stream keeps only what is not acknowledged.
	Replicas   int  `json:"replicas,omitempty"`
	ForReaders bool `json:"forReaders,omitempty"`
	// StreamMade is when the stream was made: one of the same name that was made anew has another time.
	StreamMade time.Time `json:"streamMade,omitzero"`
	// First and Last of the stream, and the Bytes that it takes; MaxAge is 0 for ever, MaxBytes and MaxMessages are -1 for no limit.
	First       uint64        `json:"first"`
	Last        uint64        `json:"last"`
	Bytes       uint64        `json:"bytes"`
	MaxAge      time.Duration `json:"maxAge"`
	MaxBytes    int64         `json:"maxBytes"`
	MaxMessages int64         `json:"maxMessages"`
	// Filtered: the consumer does not deliver all of the stream, but the Subjects. Start is the message that it was made to begin with, 0 for the
	// oldest. Made is when it was made, LastRead when it last delivered something, zero
	// where that is not known; AckWait is its own.
	Filtered bool          `json:"filtered,omitempty"`
	Subjects []string      `json:"subjects,omitempty"`
	Start    uint64        `json:"start,omitempty"`
	Made     time.Time     `json:"made"`
	LastRead time.Time     `json:"lastRead,omitzero"`
	AckWait  time.Duration `json:"ackWait"`
	// Pending messages were not delivered, AckPending ones not acknowledged, Redelivered of these delivered more than once.
	Pending     uint64 `json:"pending"`
	AckPending  uint64 `json:"ackPending"`
	Redelivered uint64 `json:"redelivered"`
	// Delivered and AckFloor are sequences, Deliveries are counted with those that were repeated.
	Delivered  uint64 `json:"delivered"`
	Deliveries uint64 `json:"deliveries"`
	AckFloor   uint64 `json:"ackFloor"`
	// Oldest message that is not acknowledged, 0 for none, and its age by the server's clock; nil where that is not known, and LagError
	// says why.
	Oldest   uint64         `json:"oldest,omitempty"`
	Lag      *time.Duration `json:"lag,omitempty"`
	LagError string         `json:"lagError,omitempty"`
}

// EncodeSink writes the document of a sink, and holds it to the bounds of this package.
func EncodeSink(s *Sink) ([]byte, error) {
	bounded := *s
	bounded.Version = Version
	bounded.bound()
	text, err := json.Marshal(&bounded)
	if err != nil {
		return nil, fmt.Errorf("writing the status: %w", err)
	}
	return text, nil
}

// DecodeSink reads the document of a sink that came from somewhere, of at most MaxSinkBytes, holds it to the bounds of this package, and
// refuses what is no status of a sink.
func DecodeSink(r io.Reader) (*Sink, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSinkBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the status: %w", err)
	}
	if len(text) > MaxSinkBytes {
		return nil, fmt.Errorf("reading the status: it is longer than %d KiB", MaxSinkBytes>>10)
	}
	s := &Sink{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, errors.New("reading the status: it is no JSON of a sink") // not what else it is
	}
	if s.Version < 1 || s.Started.IsZero() {
		return nil, errors.New("reading the status: it is not a sink's")
	}
	s.bound()
	return s, nil
}

func (s *Sink) bound() {
	for _, t := range []*string{&s.Instance, &s.Build, &s.NATS, &s.Reading, &s.Destination, &s.Storing, &s.Refusing, &s.Rejecting, &s.Blocks, &s.Unplaced} {
		*t = Text(*t)
	}
	s.Refused = reasons(s.Refused)
	if s.Place != nil {
		p := *s.Place
		if p.Subjects = slices.Clone(p.Subjects); len(p.Subjects) > maxSubjects {
			p.Subjects = p.Subjects[:maxSubjects] // no bookmark has these, and they are shown nowhere
		}
		for i := range p.Subjects {
			p.Subjects[i] = Text(p.Subjects[i])
		}
		p.Stream, p.Consumer, p.LagError = Text(p.Stream), Text(p.Consumer), Text(p.LagError)
		s.Place = &p
	}
}
