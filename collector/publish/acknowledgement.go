package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/connect"
)

// acknowledgement is what a stream answers to a message.
type acknowledgement struct {
	Stream    string              `json:"stream"`
	Sequence  uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Error     *jetstream.APIError `json:"error"`
}

// noResponders is the status that the server answers with where no stream takes the subject.
const noResponders = "503"

// answered takes the answer to one batch.
func (p *jetStream) answered(m *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.inbox), 10, 64)
	if err != nil {
		return
	}
	var answer acknowledgement
	missing := len(m.Data) == 0 && m.Header.Get("Status") == noResponders
	if !missing {
		err = json.Unmarshal(m.Data, &answer)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.inFlight[id]
	if b == nil {
		return // an answer that was given up, and the batch is on its way again
	}
	p.pace.answered()
	switch {
	case missing:
		p.lookAfterStream()
		p.notStored(b)
		p.failed(b, jetstream.ErrStreamNotFound)
	case err != nil:
		p.failed(b, err)
	case answer.Error != nil:
		p.notStored(b)
		p.failed(b, answer.Error)
	case answer.Stream == "":
		p.failed(b, errors.New("an answer that names no stream"))
	default:
		p.leave(b)
		if answer.Duplicate {
			p.stats.Duplicates++
		}
		p.sequence = answer.Sequence
		p.pace.taken()
		p.taken(b)
		if p.status.LastError != "" && p.status.StreamReady {
			p.log.Info("flows are published again")
			p.status.LastError = ""
		}
		p.changed.Broadcast()
	}
}

// taken counts a batch that the stream has as published, and lets go of it.
func (p *jetStream) taken(b *Batch) {
	p.stats.Published += uint64(b.Records)
	p.stats.Batches++
	p.stats.Bytes += uint64(b.size())
	p.forget(b)
	p.pool.put(b)
}

// leave takes a batch out of flight.
func (p *jetStream) leave(b *Batch) {
	delete(p.inFlight, b.id)
	p.stats.InFlightBytes -= b.size()
}

// notStored notes that one sending of a batch left nothing in the stream.
func (p *jetStream) notStored(b *Batch) {
	if b.unheard--; b.unheard <= 0 {
		b.neverStored()
	}
}

// failed puts a batch that was not accepted back to its place in the queue, or drops it where that will never change.
func (p *jetStream) failed(b *Batch, err error) {
	if p.inFlight[b.id] != b {
		return
	}
	p.leave(b)
	p.stats.Failures++
	if final(err) {
		p.refusals.Do(func() {
			p.log.Error("the server will never take this message; its records are dropped", "error", err, "bytes", b.size(),
				"records", b.Records,
				"hint", "output.batch.maxBytes has to fit into the server's max_payload and the stream's max_msg_size, with headers")
		})
		p.forget(b)
		p.lose(b, DroppedRefused)
		p.changed.Broadcast()
		return
	}
	p.troubled(err)
	if now := time.Now(); neverLeft(err) {
		p.pace.pause(now)
	} else {
		p.pace.refused(now, b.sent)
	}
	p.requeue(b)
}

// troubled notes why flows cannot be published.
func (p *jetStream) troubled(err error) {
	if p.status.LastError == "" {
		p.log.Warn("flows cannot be published; they wait, up to output.buffer.maxBytes", "error", err)
	}
	p.status.LastError = err.Error()
}

// unanswered notes that no answer to a batch came, and why as far as that is known: a server does not answer what it does not permit, and
// tells of it beside. What was said before of the stream, such as that it is offline, stays.
func (p *jetStream) unanswered(b *Batch) {
	err := fmt.Errorf("no answer within %s", acknowledgementTimeout)
	if last := p.nc.LastError(); connect.RefusedSubject(last) == b.Subject {
		p.troubled(fmt.Errorf("%w: %w", err, last))
	} else if p.status.LastError == "" {
		p.troubled(err)
	}
}

// requeue puts a batch back to its place.
func (p *jetStream) requeue(b *Batch) {
	queue := &p.queue
	if b.entry != nil {
		queue = &p.loaded
	}
	i, _ := slices.BinarySearchFunc(*queue, b.id, func(q *Batch, id uint64) int { return cmp.Compare(q.id, id) })
	*queue = slices.Insert(*queue, i, b)
	p.changed.Broadcast()
}

// final reports whether sending the same again is pointless.
func final(err error) bool {
	var refused *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) ||
		errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum
}

// tick is how often batches without an answer are looked for.
const tick = 250 * time.Millisecond

// watchTime puts batches back that were not answered in time, or whose connection is gone, and ends pauses.
func (p *jetStream) watchTime(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	reconnects := p.nc.Stats().Reconnects
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		before := now.Add(-acknowledgementTimeout)
		connected := p.nc.IsConnected()
		n := p.nc.Stats().Reconnects
		another := n != reconnects || !connected
		if another {
			// Answers to what was sent on the former connection will not come.
			before = now.Add(-tick)
		}
		p.mu.Lock()
		p.status.Connected = connected
		if n != reconnects {
			p.pace.retry()
		}
		reconnects = n
		dead := false
		for _, b := range p.inFlight {
			if b != p.sending && b.sent.Before(before) {
				if !another {
					p.unanswered(b)
				}
				p.leave(b)
				p.stats.Failures++
				p.requeue(b)
				dead = !another && p.pace.silent(now, b.sent) || dead
			}
		}
		if dead {
			p.log.Warn("nothing that is sent to NATS is answered; making the connection anew", "probes", unansweredProbes)
		}
		p.changed.Broadcast()
		p.mu.Unlock()
		if dead {
			_ = p.nc.ForceReconnect() // closed, or on its way already: nothing to do
		}
	}
}
