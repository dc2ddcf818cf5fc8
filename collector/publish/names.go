package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
)

const (
	// nameMessageBytes bounds a message, where one record is not more; so does output.batch.maxBytes.
	nameMessageBytes = 256 << 10
	// nameTimeout bounds one attempt.
	nameTimeout = 5 * time.Second
)

// Names publishes records of names. They go beside the flows, and are not counted among them. Its methods belong to one goroutine, but for
// Stats.
type Names struct {
	js      jetstream.JetStream
	subject string
	most    int // bytes of a message
	waiting []nameMessage

	published, refused, ended atomic.Uint64
	waits                     atomic.Int64
}

type nameMessage struct {
	message *nats.Msg
	id      string
	records uint64
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
	return &Names{js: js, subject: c.NamesSubject(), most: min(nameMessageBytes, int(c.Batch.MaxBytes))}, nil
}

// Add puts records, each a line that names.Record makes, behind those that wait. Messages are named by what they say, so that the stream stores one where two collectors heard the
// same at once.
func (n *Names) Add(lines [][]byte) {
	var data []byte
	count := uint64(0)
	finish := func() {
		if count == 0 {
			return
		}
		sum := sha256.Sum256(append([]byte(n.subject+"\n"), data...))
		n.waiting = append(n.waiting, nameMessage{records: count, id: "names-" + hex.EncodeToString(sum[:16]), message: &nats.Msg{
			Subject: n.subject, Data: data, Header: nats.Header{HeaderEncoding: {EncodingNames}, HeaderCount: {strconv.FormatUint(count, 10)}}}})
		n.waits.Add(int64(count))
		data, count = nil, 0
	}
	for _, line := range lines {
		if len(data)+len(line) > n.most {
			finish()
		}
		data = append(data, line...)
		count++
	}
	finish()
}

// Idle reports that nothing waits.
func (n *Names) Idle() bool { return len(n.waiting) == 0 }

// Send publishes what waits, oldest first, until all is acknowledged or something fails that may pass. What the stream will never take is
// counted and left out.
func (n *Names) Send(ctx context.Context) error {
	for len(n.waiting) > 0 {
		first := n.waiting[0]
		attempt, cancel := context.WithTimeout(ctx, nameTimeout)
		_, err := n.js.PublishMsg(attempt, first.message, jetstream.WithMsgID(first.id), jetstream.WithRetryAttempts(0))
		cancel()
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
