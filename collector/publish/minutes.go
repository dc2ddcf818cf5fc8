package publish

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// maxMinuteBytes bounds what waits of the ledger while the stream does not take it.
const maxMinuteBytes = 16 << 20

// Minutes publishes records of the ledger. They go beside the flows, and are not counted among them. Add and Send belong to one goroutine.
type Minutes struct {
	js      jetstream.JetStream
	subject string
	fleet   string
	name    string
	run     string
	share   uint64
	most    int // bytes of a message

	mu      sync.Mutex
	waiting []beside
	stats   MinuteStats
}

// MinuteStats are figures since the process began, in records.
type MinuteStats struct {
	Published uint64
	// Overflowed had waited longest when there were too many, Ended waited when the collector had to end, and Refused are those that the
	// stream will never take, such as in a message that is too large for it.
	Overflowed, Ended, Refused uint64
	// Waiting now, and their bytes.
	Waiting uint64
	Bytes   int
}

// NewMinutes publishes for one collector of a fleet (namespace/name), over a connection that it does not close.
func NewMinutes(c config.Output, fleet, instance string, nc *nats.Conn) (*Minutes, error) {
	js, err := connect.JetStream(nc, c.NATS)
	if err != nil {
		return nil, err
	}
	return &Minutes{js: js, subject: c.LedgerSubject(), fleet: fleet, name: instance, run: nuid.Next(),
		most: mostBeside(&c)}, nil
}

// Add puts records of one minute behind those that wait, signed. Where there are too many, the oldest are dropped and counted.
func (m *Minutes) Add(begin time.Time, records []ledger.Minute) {
	if len(records) == 0 {
		return
	}
	m.share++
	part := 0
	pack(m.lines(begin, records), m.subject, EncodingLedger, m.most, func(message beside) {
		part++
		message.id = fmt.Sprintf("ledger-%s-%s-%d-%d", m.name, m.run, m.share, part)
		m.enqueue(message)
	})
}

// lines signs records, and yields each as a line that holds until the next.
func (m *Minutes) lines(begin time.Time, records []ledger.Minute) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var line []byte
		for i := range records {
			r := &records[i]
			r.Minute, r.Fleet, r.Collector, r.Run, r.Share = begin.Unix(), m.fleet, m.name, m.run, m.share
			if line = r.AppendLine(line[:0]); !yield(line) {
				return
			}
		}
	}
}

func (m *Minutes) enqueue(next beside) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, next)
	m.stats.Waiting += next.records
	m.stats.Bytes += len(next.message.Data)
	for m.stats.Bytes > maxMinuteBytes {
		m.stats.Overflowed += m.pop().records
	}
}

// pop takes the first of those that wait. m.mu is held.
func (m *Minutes) pop() beside {
	first := m.waiting[0]
	m.waiting = m.waiting[1:]
	m.stats.Waiting -= first.records
	m.stats.Bytes -= len(first.message.Data)
	return first
}

// Send publishes what waits, oldest first, until all is acknowledged or something fails that may pass. What the stream will never take is
// counted and left out: all behind it would wait for ever. What is sent again has the same id; where that is too old for the stream to know,
// it has two messages that say the same.
func (m *Minutes) Send(ctx context.Context) error {
	for {
		m.mu.Lock()
		if len(m.waiting) == 0 {
			m.mu.Unlock()
			return nil
		}
		first := m.waiting[0]
		m.mu.Unlock()
		err := first.publish(ctx, m.js)
		if err != nil && !final(err) {
			return fmt.Errorf("publishing the ledger's minutes on %s: %w", m.subject, err)
		}
		m.mu.Lock()
		m.pop()
		if err == nil {
			m.stats.Published += first.records
		} else {
			m.stats.Refused += first.records
		}
		m.mu.Unlock()
	}
}

// Close counts what waits as lost at the end.
func (m *Minutes) Close() (ended uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.waiting) > 0 {
		ended += m.pop().records
	}
	m.stats.Ended += ended
	return ended
}

// Stats returns the figures.
func (m *Minutes) Stats() MinuteStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}
