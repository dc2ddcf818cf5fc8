package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
)

// ensureConsumer returns the consumer, which it makes where it is missing; one that is there stays as it is, and has to suit.
func (s *Sink) ensureConsumer(ctx context.Context) (jetstream.Consumer, error) {
	s.mu.Lock()
	consumer := s.consumer
	s.mu.Unlock()
	if consumer != nil {
		return consumer, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	o := &s.options
	consumer, err := s.js.Consumer(ctx, o.Stream, o.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = s.createConsumer(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for consumer %s of stream %s: %w", o.Consumer, o.Stream, err)
	}
	if err := s.suits(ctx, consumer.CachedInfo()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.consumer = consumer
	s.mu.Unlock()
	return consumer, nil
}

// createConsumer makes the consumer. Where one was before, it goes on behind what that one had seen acknowledged.
func (s *Sink) createConsumer(ctx context.Context) (jetstream.Consumer, error) {
	o := &s.options
	from, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	c := jetstream.ConsumerConfig{Durable: o.Consumer, FilterSubjects: o.FilterSubjects, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.AckWait,
		MaxAckPending: maxAckPending, DeliverPolicy: jetstream.DeliverAllPolicy}
	if from > 0 {
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
		s.log.Warn("somebody deleted the consumer; the next one goes on behind the last message that is known to be acknowledged", "stream", o.Stream,
			"consumer", o.Consumer, "sequence", from)
	}
	return s.js.CreateConsumer(ctx, o.Stream, c)
}

// suits returns an error unless a consumer hands out all that the sink is to store, whole, until it is acknowledged. Others may change a
// consumer while it is read.
func (s *Sink) suits(ctx context.Context, info *jetstream.ConsumerInfo) error {
	o, c := &s.options, &info.Config
	switch {
	case c.AckPolicy != jetstream.AckExplicitPolicy || c.DeliverSubject != "" || c.MaxDeliver > 0 || c.HeadersOnly:
		return fmt.Errorf("consumer %s of stream %s does not suit: a pull consumer with explicit acknowledgement, no limit of deliveries and "+
			"whole messages is needed", o.Consumer, o.Stream)
	case info.Paused:
		return fmt.Errorf("consumer %s of stream %s is paused for %s: nats consumer resume %s %s", o.Consumer, o.Stream,
			info.PauseRemaining.Round(time.Second), o.Stream, o.Consumer)
	}
	if err := s.delivers(ctx, connect.FilterOf(c)); err != nil {
		return err
	}
	return s.reaches(ctx, info)
}

// reaches returns an error where a consumer was made to begin with a message that the stream is far from: one that goes on where another one was, in
// a stream that came back empty and gives its numbers again. It would leave out all up to there, and look as if it kept up. It stays unfit once the
// stream has come to its start: what came before is still left out. A server may instead set a consumer back to where its stream ends; that one
// delivers everything. Streams of several copies are left out: a new leader may not have
// all of it in its count yet.
func (s *Sink) reaches(ctx context.Context, info *jetstream.ConsumerInfo) error {
	o, start := &s.options, info.Config.OptStartSeq
	if start == 0 || info.Delivered.Stream+1 < start {
		return nil
	}
	s.mu.Lock()
	known := s.beyond.Equal(info.Created)
	s.mu.Unlock()
	if !known {
		ctx, cancel := context.WithTimeout(ctx, streamTime)
		defer cancel()
		stream, err := s.js.Stream(ctx, o.Stream)
		if err != nil { // who may not ask has made no such consumer
			return nil
		}
		if is := stream.CachedInfo(); is.Config.Replicas > 1 || info.Delivered.Stream <= is.State.LastSeq {
			return nil
		}
		s.mu.Lock()
		s.bookmark, s.anew, s.beyond = nil, true, info.Created // nor is the next one to begin there
		s.mu.Unlock()
	}
	return fmt.Errorf("consumer %s begins with message %d, to which stream %s had not come: it was emptied, and counts anew. The consumer leaves out what comes "+
		"before: delete it, and the next one begins with the oldest message (nats consumer rm %[3]s %[1]s)", o.Consumer, start, o.Stream)
}

// delivers returns an error unless a consumer that delivers some subjects delivers what the sink is to store, and nothing else: readers of
// one consumer share its messages, so that each of two with different wishes would lose what the other takes.
func (s *Sink) delivers(ctx context.Context, have []string) error {
	o := &s.options
	want := o.FilterSubjects
	if len(have) == 0 && len(want) == 0 || len(have) > 0 && len(want) > 0 && sameSubjects(have, want) {
		return nil
	}
	stream, err := s.js.Stream(ctx, o.Stream) // what it takes in is what none of them can go beyond
	if err != nil {
		return fmt.Errorf("consumer %s delivers %s and %s is wanted; whether that is the same depends on the subjects of stream %s, which cannot be read: %w",
			o.Consumer, connect.FilterText(have), connect.FilterText(want), o.Stream, err)
	}
	subjects := stream.CachedInfo().Config.Subjects
	if sameSubjects(within(have, subjects), within(want, subjects)) {
		return nil
	}
	return fmt.Errorf("consumer %s of stream %s delivers %s, and %s is wanted, so it is another reader's, or an older one: name another consumer, or delete "+
		"it together with what it knows to be read (nats consumer rm %s %s)", o.Consumer, o.Stream, connect.FilterText(have), connect.FilterText(want), o.Stream, o.Consumer)
}

// within is what a filter lets through of the subjects of a stream; an empty filter lets all of them through.
func within(filter, subjects []string) (out []string) {
	if len(filter) == 0 {
		return subjects
	}
	for _, f := range filter {
		narrower := false
		for _, s := range subjects {
			if config.SubjectCovers(f, s) {
				out, narrower = append(out, s), true
			}
		}
		if !narrower {
			out = append(out, f)
		}
	}
	return out
}

// sameSubjects reports whether each subject of one list is covered by one of the other, and the other way round.
func sameSubjects(a, b []string) bool {
	in := func(patterns, subjects []string) bool {
		return !slices.ContainsFunc(subjects, func(s string) bool {
			return !slices.ContainsFunc(patterns, func(p string) bool { return config.SubjectCovers(p, s) })
		})
	}
	return in(a, b) && in(b, a)
}
