package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// work handles one message after the other.
func (s *Sink) work(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		var m jetstream.Msg
		var g *gathered
		var err error
		n := s.noted()
		if n != nil {
			g, err = s.gather(ctx)
		} else {
			m, err = s.next(ctx)
		}
		switch {
		case g != nil:
			failures = 0
			s.handleGathered(ctx, n, g)
		case m != nil:
			failures = 0
			s.handle(ctx, m)
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
		default:
			s.note(func(state *State) { state.Reading, s.consumer = said(err), nil })
			s.failed("the stream cannot be read; trying again", err)
			pause(ctx, failures)
			failures++
		}
	}
}

// next waits for a message; without one and without an error none came for a while.
func (s *Sink) next(ctx context.Context) (jetstream.Msg, error) {
	consumer, err := s.ensureConsumer(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, stands(&consumer.CachedInfo().Config, pullTime))
	defer cancel()
	m, err := consumer.Next(jetstream.FetchContext(ctx))
	if err != nil && !nothingCame(err) {
		return nil, fmt.Errorf("reading stream %s: %w", s.options.Stream, err)
	}
	s.note(func(state *State) {
		if s.consumer == consumer { // else it was found meanwhile not to suit
			state.Reading = ""
		}
	})
	return m, nil
}

func nothingCame(err error) bool {
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, context.DeadlineExceeded)
}

// held is a message that a sink has in hand.
type held struct {
	jetstream.Msg
	meta    *jetstream.MsgMetadata
	records uint64
	refused *Refusal // why no destination will take it
}

func (h *held) mark() mark {
	return mark{sequence: h.meta.Sequence.Stream, time: h.meta.Timestamp.UnixNano(), again: h.meta.NumDelivered > 1}
}

// handle sees one message through.
func (s *Sink) handle(ctx context.Context, m jetstream.Msg) {
	h := s.take(ctx, m)
	if h == nil {
		return
	}
	k := s.newKeeper()
	defer k.stop()
	k.keep(h)
	s.storeOne(ctx, h, k)
}

// take enters a message in the books; nil for one that needs no more.
func (s *Sink) take(ctx context.Context, m jetstream.Msg) *held {
	meta, err := m.Metadata()
	if err != nil {
		s.failed("a message does not come from a stream", err) // the server makes the subject that says so
		return nil
	}
	if withoutBody(m) { // somebody changed the consumer: whoever acknowledged this would lose what it stands for
		_ = m.NakWithDelay(requestTimeout) // lost: it comes again after the consumer's AckWait
		s.note(func(*State) { s.consumer = nil })
		return nil
	}
	records, refused := look(m)
	s.book.read(records, meta.NumDelivered > 1)
	h := &held{m, meta, records, refused}
	if ofNames(m) {
		s.finish(ctx, h, func(b *Books) { b.Passed.add(records) })
		return nil
	}
	return h
}

// try stores a batch as soon as that is possible; waiting is the line of the log for each time that it is not. The error is a *Refusal, or that of
// ctx. unanswered reports that an attempt had no answer, so that the batch may have been stored before.
func (s *Sink) try(ctx context.Context, b Batch, waiting string) (unanswered bool, err error) {
	for attempt := 0; ; attempt++ {
		err := s.destination.Store(ctx, b)
		unanswered = unanswered || errors.Is(err, ErrUnanswered)
		if err == nil {
			s.note(func(state *State) { state.Storing, state.Rejecting, s.rejected, s.stored = "", "", 0, time.Now() })
			return unanswered, nil
		}
		if refusal(err) != nil {
			return unanswered, err
		}
		if ctx.Err() == nil {
			s.note(func(state *State) { state.Storing = said(err) })
			s.failed(waiting, err)
			s.book.change(func(b *Books) { b.StoreFailures++ })
		}
		if !pause(ctx, attempt) {
			return unanswered, ctx.Err()
		}
	}
}

// storeOne stores one message, or puts it away.
func (s *Sink) storeOne(ctx context.Context, m *held, k *keeper) {
	refused := m.refused
	if refused == nil {
		unanswered, err := s.try(ctx, Batch{Payload: m.Data(), Ledger: ofLedger(m), Token: token(m.meta)}, "a batch cannot be stored; it waits, trying again")
		if err == nil {
			k.release(m)
			s.finish(ctx, m, func(b *Books) {
				b.Stored.add(m.records)
				if unanswered {
					b.Unanswered.add(m.records)
				}
			})
			return
		}
		if refused = refusal(err); refused == nil {
			s.giveBack(k, 0, m)
			return
		}
	}
	s.putAway(ctx, m, refused, k)
}

// putAway puts a message that is refused for ever into the stream of those, or off.
func (s *Sink) putAway(ctx context.Context, m *held, refused *Refusal, k *keeper) {
	attempts := s.buryAttempts()
	for attempt := 0; ; attempt++ {
		cut, err := s.bury(ctx, m, m.meta, refused)
		if err == nil || ctx.Err() == nil {
			s.note(func(state *State) { state.Storing, state.Refusing, s.unburied = "", said(err), time.Now() })
		}
		if err == nil {
			s.wasRefused(refused)
			s.lines.Do(func() {
				s.log.Error("a batch was refused for ever", "reason", refused.Reason, "error", refused.Err, "sequence", m.meta.Sequence.Stream,
					"records", m.records, "subject", s.options.RefusedSubject, "cut", cut)
			})
			k.release(m)
			s.finish(ctx, m, func(b *Books) {
				c := b.Refused[refused.Reason]
				c.add(m.records)
				b.Refused[refused.Reason] = c
				if cut {
					b.RefusedCut.add(m.records)
				}
			})
			return
		}
		if ctx.Err() == nil {
			s.failed("a refused batch cannot be put away; it comes again", err)
			s.book.change(func(b *Books) { b.StoreFailures++ })
			if attempt+1 == attempts {
				k.release(m)
				_ = m.NakWithDelay(s.options.PutOff) // lost: it comes again after the consumer's AckWait
				s.book.done(m.records, func(b *Books) { b.PutOff.add(m.records) })
				return
			}
		}
		if !pause(ctx, attempt) {
			s.giveBack(k, 0, m)
			return
		}
	}
}

// wasRefused notes that a message was: of several in a row the state tells.
func (s *Sink) wasRefused(refused *Refusal) {
	s.note(func(state *State) {
		s.latest = time.Now()
		if s.rejected++; s.rejected >= rejectedInRow {
			state.Rejecting = fmt.Sprintf("%s: %s", refused.Reason, said(refused.Err))
		}
	})
}

// giveBack has messages come again, at once or after a while.
func (s *Sink) giveBack(k *keeper, after time.Duration, messages ...*held) {
	for _, m := range messages {
		k.release(m)
		_ = m.NakWithDelay(after) // lost: it comes again after the consumer's AckWait
		s.book.done(m.records, func(b *Books) { b.GivenBack.add(m.records) })
	}
}

// buryAttempts is how often to try to put the next message away: once while the one before could not be, lest many of them, which come again
// and again, keep all workers from those that can be stored.
func (s *Sink) buryAttempts() int {
	if s.State().Refusing != "" {
		return 1
	}
	return buryAttempts
}

// finish notes what became of a message, and acknowledges it.
func (s *Sink) finish(ctx context.Context, m *held, outcome func(*Books)) {
	s.book.done(m.records, outcome)
	// Not ctx: what is stored is acknowledged at the end, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := m.DoubleAck(ctx); err != nil {
		s.book.change(func(b *Books) { b.AcknowledgementFailures++ })
		s.failed("an acknowledgement was not answered; the message will come again, and is known", err)
	}
}
