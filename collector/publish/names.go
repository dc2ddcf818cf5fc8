package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
)

// Names publishes records of names. They go beside the flows, and are not counted among them. Its methods belong to one goroutine, but for
// Stats.
type Names struct {
	js      jetstream.JetStream
	subject string
	most    int // bytes of a message
	waiting []beside

	published, refused, ended atomic.Uint64
	waits                     atomic.Int64
}

// NameStats are figures since the process began, in records.
type NameStats struct {
	// Refused are those that the stream will never take, such as in a message that is too large for it; Ended those that waited when the
	// collector had to end.
	Published, Refused, Ended uint64
	// Waiting now.
	Waiting int64
}

// NewNames publishes over a connection that it does not close.
func NewNames(c config.Output, nc *nats.Conn) (*Names, error) {
	js, err := connect.JetStream(nc, c.NATS)
	if err != nil {
		return nil, err
	}
	return &Names{js: js, subject: c.NamesSubject(), most: mostBeside(&c)}, nil
}

// Add puts records, each a line that names.Record makes, behind those that wait. Messages are named by what they say, so that the stream stores one where two collectors heard the
// same at once.
func (n *Names) Add(lines [][]byte) {
	pack(slices.Values(lines), n.subject, EncodingNames, n.most, func(m beside) {
		sum := sha256.Sum256(append([]byte(n.subject+"\n"), m.message.Data...))
		m.id = "names-" + hex.EncodeToString(sum[:16])
		n.waiting = append(n.waiting, m)
		n.waits.Add(int64(m.records))
	})
}

// Idle reports that nothing waits.
func (n *Names) Idle() bool { return len(n.waiting) == 0 }

// Send publishes what waits, oldest first, until all is acknowledged or something fails that may pass. What the stream will never take is
// counted and left out.
func (n *Names) Send(ctx context.Context) error {
	for len(n.waiting) > 0 {
		err := n.waiting[0].publish(ctx, n.js)
		done := &n.published
		if final(err) {
			done = &n.refused
		} else if err != nil {
			return fmt.Errorf("publishing changes of names on %s: %w", n.subject, err)
		}
		n.pop(done)
	}
	return nil
}

// pop counts the first of those that wait.
func (n *Names) pop(done *atomic.Uint64) {
	first := n.waiting[0]
	n.waiting = n.waiting[1:]
	n.waits.Add(-int64(first.records))
	done.Add(first.records)
}

// Close counts what waits as lost at the end, and more that could not be added.
func (n *Names) Close(more uint64) (lost uint64) {
	for len(n.waiting) > 0 {
		n.pop(&n.ended)
	}
	n.ended.Add(more)
	return n.ended.Load()
}

// Stats returns the figures.
func (n *Names) Stats() NameStats {
	return NameStats{Published: n.published.Load(), Refused: n.refused.Load(), Ended: n.ended.Load(), Waiting: n.waits.Load()}
}
