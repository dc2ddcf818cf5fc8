package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A batch whose acknowledgement was lost is sent again with the message id it had, and within its duplicate window the
// stream knows it. After a longer outage the stream has forgotten the id: what may have been stored before is then looked
// for among the stream's messages. Where these are all there, an outage of any length leaves no duplicates. Where some are
// gone, because they were consumed (retention Interest or WorkQueue), deleted, or had to make room, nobody can say any
// more whether a batch was among them: it is sent again, and counted as unverified.

const (
	// verifyTimeout bounds one look, verifyTries how many fail before the batches are sent without.
	verifyTimeout = 30 * time.Second
	verifyTries   = 5
	// verifyPause lets several batches be looked for at once.
	verifyPause = 100 * time.Millisecond
)

// doubts reports whether the stream may have a batch and not know its id any more. Half the window leaves room for a second
// try. p.mu is held.
func (p *jetStream) doubts(b *Batch) bool {
	if !b.mayBeStored() {
		return false
	}
	return b.onDisk || time.Since(b.firstSent) > p.window/2
}

// verify looks for doubtful batches in the stream until ctx ends.
func (p *jetStream) verify(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	failures := 0
	var notBefore time.Time
	for ctx.Err() == nil {
		if len(p.doubtful) == 0 || !p.status.StreamReady || !p.status.Connected || time.Now().Before(notBefore) {
			p.changed.Wait() // watchTime wakes everybody some times a second
			continue
		}
		p.mu.Unlock()
		time.Sleep(verifyPause)
		p.mu.Lock()
		list := p.doubtful
		p.doubtful = nil
		p.looking = list
		p.mu.Unlock()
		stored, err := p.find(ctx, list)
		away := err != nil && p.ensureStream(ctx) != nil // then nothing else works either
		p.mu.Lock()
		p.looking = nil
		switch {
		case err == nil:
			failures = 0
			p.verified(list, stored, "messages that were stored since are gone: consumed, where the stream's retention is interest or "+
				"workqueue, or deleted; consumers can tell by the header Nats-Msg-Id, which stays the same")
		case ctx.Err() != nil:
			p.doubtful = append(list, p.doubtful...)
		default:
			p.log.Warn("the stream cannot be asked for batches whose acknowledgement was lost", "error", err)
			if !away {
				failures++
			}
			if away || failures < verifyTries {
				p.doubtful = append(list, p.doubtful...)
				notBefore = time.Now().Add(time.Duration(failures+1) * time.Second)
				continue
			}
			failures = 0
			p.verified(list, evidence{gone: math.MaxUint64}, "the collector needs permission for $JS.API.CONSUMER.*, see docs/nats.md")
		}
	}
}

// evidence is what a stream says about batches that it may have.
type evidence struct {
	// found are the message ids that it has.
	found map[string]struct{}
	// gone is the highest sequence number of a message that nobody can look at any more. What was sent when the stream had at least as
	// many, and is not found, was never stored.
	gone uint64
}

// verified ends the doubts: what is stored is published, the rest is sent as if for the first time, counted where it may be for the
// second. p.mu is held.
func (p *jetStream) verified(list []*Batch, e evidence, hint string) {
	unverified := 0
	for _, b := range list {
		if _, ok := e.found[b.messageID]; ok {
			p.stats.Duplicates++
			p.taken(b)
			continue
		}
		if b.sentAfter < e.gone {
			unverified++
		}
		b.neverStored()
		p.requeue(b)
	}
	if unverified > 0 {
		p.stats.Unverified += uint64(unverified)
		p.log.Error("batches are sent again that the stream may have had already", "batches", unverified, "hint", hint)
	}
	p.changed.Broadcast()
}

// find looks for batches in the stream.
func (p *jetStream) find(ctx context.Context, list []*Batch) (e evidence, err error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	stream, err := p.js.Stream(ctx, p.config.Stream.Name)
	if err != nil {
		return e, fmt.Errorf("looking after the stream: %w", err)
	}
	before := stream.CachedInfo()
	from := list[0].sentAfter
	for _, b := range list {
		from = min(from, b.sentAfter)
	}
	another := before.State.LastSeq < from // made anew, or rolled back
	switch {
	case another:
		from, e.gone = 0, math.MaxUint64 // nobody can look at the former one
	case before.State.LastSeq == from:
		return e, nil // it has taken nothing since
	}
	if before.Config.Retention == jetstream.WorkQueuePolicy {
		// It cannot be read beside its consumers.
		return evidence{gone: before.State.LastSeq}, nil
	}
	if e.found, err = p.stored(ctx, list, from); err != nil {
		return e, err
	}
	// Afterwards: what was consumed meanwhile may not have been read. What is stored from now on is nothing that was in doubt.
	after, err := stream.Info(ctx)
	if err != nil {
		return e, fmt.Errorf("looking after the stream: %w", err)
	}
	e.gone = max(e.gone, gone(before.State.LastSeq, after.State))
	return e, nil
}

// gone is the highest sequence number up to last of which a stream does not have the message any more.
func gone(last uint64, now jetstream.StreamState) uint64 {
	if now.NumDeleted > 0 || now.FirstSeq > last {
		return last
	}
	return max(now.FirstSeq, 1) - 1
}

// stored returns those of the batches' message ids that the stream has after a sequence number. It reads headers only.
func (p *jetStream) stored(ctx context.Context, list []*Batch, from uint64) (map[string]struct{}, error) {
	wanted := make(map[string]struct{})
	subjects := make(map[string]struct{})
	for _, b := range list {
		wanted[b.messageID] = struct{}{}
		subjects[b.Subject] = struct{}{}
	}
	filter := make([]string, 0, len(subjects))
	for s := range subjects {
		filter = append(filter, s)
	}
	consumer, err := p.js.OrderedConsumer(ctx, p.config.Stream.Name, jetstream.OrderedConsumerConfig{
		FilterSubjects: filter, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from + 1, HeadersOnly: true,
		// The library tries for ever otherwise, whatever ctx says, and always the same consumer: one whose server is gone never comes.
		MaxResetAttempts: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the stream: %w", err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the stream: %w", err)
	}
	found := make(map[string]struct{})
	if info.NumPending == 0 {
		return found, nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("reading the stream: %w", err)
	}
	defer messages.Stop()
	for len(found) < len(wanted) {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading the stream: %w", err)
		}
		if id := m.Headers().Get(jetstream.MsgIDHeader); id != "" {
			if _, ok := wanted[id]; ok {
				found[id] = struct{}{}
			}
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, errors.Join(errors.New("reading the stream"), err)
		}
		if meta.NumPending == 0 {
			break
		}
	}
	return found, nil
}
