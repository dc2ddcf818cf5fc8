package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A batch whose acknowledgement was lost is sent again with the message id it had, and within its duplicate window the
// stream knows it. After a longer outage the stream has forgotten the id: what may have been stored before is then looked
// for among the stream's messages, so that an outage of any length leaves no duplicates.

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
		stored, err := p.stored(ctx, list)
		away := err != nil && p.ensureStream(ctx) != nil // then nothing else works either
		p.mu.Lock()
		p.looking = nil
		switch {
		case err == nil:
			failures = 0
			p.verified(list, stored)
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
			p.stats.Unverified += uint64(len(list))
			p.log.Error("batches are sent again that the stream may have already", "batches", len(list),
				"hint", "the collector needs permission for $JS.API.CONSUMER.>, see docs/sharing.md")
			p.verified(list, nil)
		}
	}
}

// verified ends the doubts: what is stored is published, the rest is sent as if for the first time. p.mu is held.
func (p *jetStream) verified(list []*Batch, stored map[string]struct{}) {
	for _, b := range list {
		if _, ok := stored[b.messageID]; ok {
			p.stats.Duplicates++
			p.taken(b)
			continue
		}
		b.neverStored()
		p.requeue(b)
	}
	p.changed.Broadcast()
}

// stored returns those of the batches' message ids that the stream has. It reads headers only, from the first sequence
// number that one of them can have.
func (p *jetStream) stored(ctx context.Context, list []*Batch) (map[string]struct{}, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	wanted := make(map[string]struct{})
	subjects := make(map[string]struct{})
	from := list[0].sentAfter
	for _, b := range list {
		wanted[b.messageID] = struct{}{}
		subjects[b.Subject] = struct{}{}
		from = min(from, b.sentAfter)
	}
	filter := make([]string, 0, len(subjects))
	for s := range subjects {
		filter = append(filter, s)
	}
	consumer, err := p.js.OrderedConsumer(ctx, p.config.Stream.Name, jetstream.OrderedConsumerConfig{
		FilterSubjects: filter, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from + 1, HeadersOnly: true,
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
