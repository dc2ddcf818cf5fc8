package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Options say what is read, and how.
type Options struct {
	// Stream and the durable pull Consumer of it, which is made where it is missing. Sinks with the same ones share the work.
	Stream, Consumer string
	// FilterSubjects of a consumer that is made; none for all of the stream.
	FilterSubjects []string
	// AckWait of a consumer that is made: how long after the end of a sink its messages go to another.
	AckWait time.Duration
	// Workers each have one message at a time: what bounds the memory.
	Workers int
	// RefusedSubject and RefusedStream take messages that the destination will never take. The stream is made where it is missing.
	RefusedSubject, RefusedStream string
	// PutOff is how long a refused message that cannot be put there stays with its own stream; 0 for 5 minutes.
	PutOff time.Duration
	// Blocks are several messages that are stored as one batch; nil for each by itself.
	Blocks *Blocks
	// BookmarkFile says how far sinks had come, where the consumer is missing: a status.Bookmark as JSON. Empty for none; it need not be there.
	BookmarkFile string
}

// Blocks bound a block.
type Blocks struct {
	// MaxBytes of its messages. A worker holds two or three times as many.
	MaxBytes int
	// MaxAge is how long the first message waits for others.
	MaxAge time.Duration
}

const (
	// Bounds of the back-off.
	shortestWait = 500 * time.Millisecond
	longestWait  = 30 * time.Second
	// requestTimeout bounds a request to JetStream, and a check of the destination.
	requestTimeout = 10 * time.Second
	// pullTime is how long one request for a message stands.
	pullTime = 20 * time.Second
	// lookInterval is how often both sides are asked how they are.
	lookInterval = 10 * time.Second
	// maxAckPending of a consumer that is made bounds what sinks that were killed can leave to come again.
	maxAckPending = 1024
	// buryAttempts is how often a worker tries to put a refused message away before it goes on with the next, unless it is known that none can.
	buryAttempts = 3
	putOff       = 5 * time.Minute
	// rejectedInRow is how many messages have to be refused, one after the other, until a sink is held to store nothing: of some bad
	// messages among good ones the books tell.
	rejectedInRow = 3
	// rejectedFor is for how long that is told where nothing more comes: whether the next one would be refused, too, nobody knows.
	rejectedFor = 10 * time.Minute
)

// Sink reads one consumer and stores in one destination.
type Sink struct {
	js          jetstream.JetStream
	options     Options
	destination Destination
	log         *slog.Logger
	book        *book
	lines       rate.Sometimes
	gathering   chan struct{} // has one where nobody gathers

	mu       sync.Mutex
	consumer jetstream.Consumer
	state    State
	rejected int       // messages in a row that were refused for ever
	latest   time.Time // of these
	unburied time.Time // when a refused message last could not be put away
	stored   time.Time // when the destination last took something
	// bookmark is how far the consumer had come when it was last asked. streamMade is of its stream, zero where nobody tells, for the consumer
	// that was made at streamOf.
	bookmark             *status.Bookmark
	streamMade, streamOf time.Time
	// anew: the stream came back empty, and gives its numbers again.
	anew bool
	// beyond is when the consumer was made that begins beyond the end of its stream; zero where none does.
	beyond time.Time
	// notes are kept where blocks are made, or were made by others of the consumer's sinks; else nil. unlisted: they cannot be looked for.
	notes    *notes
	unlisted bool
	// fetching: a message can be asked for by its number, so that a block can be put together again.
	fetching bool
}

// State is how a sink is now.
type State struct {
	// Each is empty where all is well, and else says what is wrong: with the connection to NATS, with the consumer and reading it, with
	// the destination as the last check found it that says something (see check), with the last attempt to store, and with putting away what was refused, until something
	// was put away, or nothing came to be for twice Options.PutOff.
	NATS, Reading, Checking, Storing, Refusing string
	// Noting and Fetching say why blocks are not made: the list of them cannot be kept, and messages cannot be asked for by number. Messages go
	// by themselves then, and those that may have been in a block wait.
	Noting, Fetching string
	// Rejecting is why the last message was refused for ever, where at least the last three were, for ten minutes after it; and empty from
	// the next one that is stored.
	Rejecting string
	// Schema is what the destination was found to have, at the last check that went well.
	Schema Schema
	// Known: the consumer has been asked, and has Pending messages that nobody has read yet.
	Known   bool
	Pending uint64
}

// NotChecked is what State.Checking says until the destination was looked at.
const NotChecked = "not checked yet"

// New returns a sink that Run runs.
func New(js jetstream.JetStream, o Options, d Destination, log *slog.Logger) *Sink {
	o.PutOff = cmp.Or(o.PutOff, putOff)
	gathering := make(chan struct{}, 1)
	gathering <- struct{}{}
	return &Sink{js: js, options: o, destination: d, log: log, book: newBook(), gathering: gathering, lines: rate.Sometimes{First: 10, Interval: 10 * time.Second},
		state: State{Reading: "not read yet", Checking: NotChecked}}
}

// Books returns what became of all that was read so far.
func (s *Sink) Books() Books { return s.book.copy() }

// State returns how the sink is.
func (s *Sink) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	if time.Since(s.latest) > rejectedFor {
		state.Rejecting = ""
	}
	if time.Since(s.unburied) > 2*s.options.PutOff { // it would have come again
		state.Refusing = ""
	}
	state.NATS = oneLine(connect.Trouble(s.js.Conn()))
	return state
}

// Run passes messages on until ctx ends. What waits then goes back to the stream.
//
// The consumer comes first, whatever the destination says: what is published from then on waits for this sink, also in a stream that
// keeps only what somebody is to read.
func (s *Sink) Run(ctx context.Context) {
	for attempt := 0; !s.look(ctx); attempt++ {
		if !pause(ctx, attempt) {
			return
		}
	}
	var workers sync.WaitGroup
	for range s.options.Workers {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Go(func() { s.watch(ctx) })
	workers.Wait()
}

// look asks both sides how they are, and reports whether both are as they should be.
func (s *Sink) look(ctx context.Context) bool {
	var reading, checking error
	var both sync.WaitGroup // neither waits for the other's time-out
	both.Go(func() { reading = s.ask(ctx) })
	both.Go(func() { checking = s.check(ctx) })
	both.Wait()
	if ctx.Err() != nil {
		return false
	}
	if reading != nil {
		s.failed("the stream is not as it should be", reading)
	}
	if checking != nil {
		s.failed("the destination is not as it should be", checking)
	}
	return reading == nil && checking == nil
}

// ask asks the consumer what waits, and makes it where it is missing.
func (s *Sink) ask(ctx context.Context) error {
	consumer, err := s.ensureConsumer(ctx)
	var info *jetstream.ConsumerInfo
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		if info, err = consumer.Info(ctx); err != nil {
			err = fmt.Errorf("asking consumer %s of stream %s: %w", s.options.Consumer, s.options.Stream, err)
		} else if err = s.suits(ctx, info); err == nil {
			s.remember(ctx, info)
			err = s.prepareBlocks(ctx, info)
		}
	}
	s.note(func(state *State) {
		if state.Known = err == nil; err != nil {
			state.Reading, s.consumer = said(err), nil // it is looked for again: it may be gone
			return
		}
		state.Reading, state.Pending = "", info.NumPending
	})
	return err
}

// check looks at the destination. One that takes what is stored while it does not answer the check in time is busy, and is there: then what a check
// found before that went well stays. Where none has, or the last one did not, that there was no answer in time is what is wrong.
func (s *Sink) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began := time.Now()
	schema, err := s.destination.Check(ctx)
	s.note(func(state *State) {
		if errors.Is(err, context.DeadlineExceeded) && s.stored.After(began) && state.Checking == "" {
			return
		}
		state.Checking, state.Schema = said(err), schema
	})
	if err == nil && schema.Problem != "" {
		err = errors.New(schema.Problem)
	}
	return err
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(err.Error())
}

func (s *Sink) note(f func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

// failed logs an error that may come with each message.
func (s *Sink) failed(text string, err error) {
	s.lines.Do(func() { s.log.Warn(text, "error", err) })
}

// watch looks at both sides, which tells how they are while nothing comes, too.
func (s *Sink) watch(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.look(ctx)
		}
	}
}

// pause waits after a number of failures (from 0): longer each time, spread by a half so that sinks do not come back in step. It is false
// where ctx has ended.
func pause(ctx context.Context, failures int) bool {
	wait := min(shortestWait<<min(failures, 10), longestWait)
	timer := time.NewTimer(wait - time.Duration(rand.Int64N(int64(wait)/2+1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
