package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
)

// Headers of a message, beside NATS's own Nats-Msg-Id.
const (
	// HeaderEncoding is EncodingProtobuf or EncodingJSON.
	HeaderEncoding = "Flowfleet-Encoding"
	// HeaderCount is the number of records.
	HeaderCount = "Flowfleet-Count"

	// EncodingProtobuf is a sequence of flowpb.FlowMessage, each behind its length as a varint.
	EncodingProtobuf = "protobuf-delimited"
	// EncodingJSON is one JSON object a line.
	EncodingJSON = "json-lines"
	// EncodingLedger is a ledger.Minute as JSON a line: no flows.
	EncodingLedger = "ledger-json-lines"
	// EncodingNames is a names.Record as JSON a line: no flows.
	EncodingNames = "names-json-lines"
)

const (
	// acknowledgementTimeout is after how long a batch without an answer is sent again. A stream that elects a new leader
	// takes some seconds; what was stored twice is told apart by its message id.
	acknowledgementTimeout = 5 * time.Second
	// dropsInterval is how often at most the log has that flows are dropped for one reason.
	dropsInterval = time.Minute
)

// jetStream publishes asynchronously: batches wait in a queue, go out while no more than a bound of bytes is in flight, and
// are let go when the stream has acknowledged them.
type jetStream struct {
	log      *slog.Logger
	config   config.Output
	nc       *nats.Conn
	js       jetstream.JetStream
	encoding string
	prefix   string // of message ids
	inbox    string
	answers  *nats.Subscription
	stop     context.CancelFunc
	workers  sync.WaitGroup
	// missing asks for the stream to be looked after.
	missing chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	closing bool // what is waiting is still sent, but nobody waits for room any more
	stopped bool // nothing is sent any more
	looked  bool // the stream was looked for once: before, messages would only be refused
	// streamAway: the last look at the stream failed.
	streamAway bool
	pool       batches
	queue      []*Batch // in order of id
	loaded     []*Batch // read from the spool, in order of id
	doubtful   []*Batch // the stream may have them, see verify.go
	looking    []*Batch // doubtful ones that the stream is being asked for
	inFlight   map[uint64]*Batch
	sending    *Batch // the one of inFlight that the library is copying
	// sequence is the latest of the stream that is known, window for how long it remembers message ids.
	sequence uint64
	window   time.Duration
	spooler  *spooler // nil where none is configured
	last     uint64   // id
	// refusals and drops keep what comes with every batch from filling the log.
	refusals rate.Sometimes
	drops    [Reasons]rate.Sometimes
	pace     pace
	stats    Stats
	// status has whether there is a connection as watchTime saw it: the library holds its own lock while it writes to a server
	// that does not read, so it must not be asked with mu held, for which every worker waits.
	status Status
}

func newJetStream(c config.Output, instance string, nc *nats.Conn, log *slog.Logger) (*jetStream, error) {
	js, err := connect.JetStream(nc, c.NATS)
	if err != nil {
		return nil, err
	}
	p := &jetStream{
		log:      log,
		config:   c,
		nc:       nc,
		js:       js,
		encoding: EncodingProtobuf,
		prefix:   instance + "-" + nuid.Next() + "-",
		inbox:    nc.NewInbox() + ".",
		missing:  make(chan struct{}, 1),
		pool:     batches{size: int(c.Batch.MaxBytes) + 4096, keep: int(c.Buffer.InFlightBytes/c.Batch.MaxBytes) + 64},
		inFlight: make(map[uint64]*Batch),
		window:   c.Stream.DuplicateWindow.Std(),
		status:   Status{Connected: nc.IsConnected()},
		refusals: rate.Sometimes{Interval: dropsInterval},
	}
	for reason := range p.drops {
		p.drops[reason].Interval = dropsInterval
	}
	if c.Encoding == config.EncodingJSON {
		p.encoding = EncodingJSON
	}
	p.changed = sync.NewCond(&p.mu)
	if p.answers, err = nc.Subscribe(p.inbox+"*", p.answered); err != nil {
		return nil, fmt.Errorf("subscribing to acknowledgements: %w", err)
	}
	// An answer that is dropped here would be a batch sent twice.
	if err := p.answers.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("subscribing to acknowledgements: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.workers.Go(p.send)
	p.workers.Go(func() { p.watchTime(ctx) })
	p.workers.Go(func() { p.keepStream(ctx) })
	p.workers.Go(func() { p.verify(ctx) })
	if c.Buffer.Spool != nil {
		p.spooler = newSpooler(p, *c.Buffer.Spool)
		p.workers.Go(func() { p.spooler.run(ctx) })
	}
	return p, nil
}

func (p *jetStream) Get() *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pool.get()
}

func (p *jetStream) Submit(b *Batch) {
	spare := b.fit()
	p.mu.Lock()
	defer p.mu.Unlock()
	if spare != nil {
		p.pool.put(spare)
	}
	p.stats.Submitted += uint64(b.Records)
	if p.stopped {
		p.lose(b, DroppedShutdown)
		return
	}
	limit := int(p.config.Buffer.MaxBytes)
	for p.stats.BufferBytes+b.size() > limit {
		switch {
		case p.closing && p.spooler.usable():
			// Close writes it to disk. It is the last of each worker, no more.
			p.enqueue(b)
			return
		case p.closing:
			p.lose(b, DroppedShutdown)
			return
		case p.config.Buffer.Policy == config.Block:
			p.changed.Wait()
		case p.config.Buffer.Policy == config.DropNewest || len(p.queue) == 0:
			p.lose(b, DroppedNewest)
			return
		default:
			p.loseOldest()
		}
	}
	p.enqueue(b)
}

// enqueue puts a new batch to the queue's end.
func (p *jetStream) enqueue(b *Batch) {
	p.last++
	b.id = p.last
	b.submitted = time.Now()
	b.messageID, b.encoding = p.prefix+strconv.FormatUint(b.id, 10), p.encoding
	p.stats.BufferBytes += b.size()
	p.stats.Waiting += uint64(b.Records)
	p.queue = append(p.queue, b)
	p.changed.Broadcast()
}

// forget takes a batch out of the books of what is waiting.
func (p *jetStream) forget(b *Batch) {
	if b.entry != nil {
		p.spooler.finished(b.entry)
		p.stats.Spooled -= uint64(b.Records)
		return
	}
	p.stats.BufferBytes -= b.size()
	p.stats.Waiting -= uint64(b.Records)
}

// loseOldest drops the oldest batch of the queue that was never sent. Those that the stream may have stand before it; there
// are no more of them than may be in flight, unless acknowledgements stay away for longer than half the duplicate window.
// They are kept, so that what counts as dropped is lost; where there is nothing else, the oldest of them goes.
func (p *jetStream) loseOldest() {
	i := max(0, slices.IndexFunc(p.queue, func(b *Batch) bool { return !b.mayBeStored() }))
	b := p.queue[i]
	p.queue = slices.Delete(p.queue, i, i+1)
	p.forget(b)
	p.lose(b, DroppedOldest)
}

// lose counts a batch as dropped: for a reason, or as unacknowledged where the stream may have it.
func (p *jetStream) lose(b *Batch, reason Reason) {
	if b.mayBeStored() {
		reason = DroppedUnacknowledged
	}
	p.dropped(uint64(b.Records), reason)
	p.pool.put(b)
}

// dropped counts records as dropped. p.mu is held.
func (p *jetStream) dropped(records uint64, reason Reason) {
	p.stats.Dropped[reason] += records
	if records > 0 {
		p.drops[reason].Do(func() {
			p.log.Error("flows are being dropped; see flowfleet_collector_records_dropped_total", "reason", reason.String(),
				"records", p.stats.Dropped[reason])
		})
	}
}

// next returns the queue whose first batch may go out now, nil where none may: live data before what was spooled. The
// first of all always may, so that a batch above the bound on bytes in flight is not stuck.
func (p *jetStream) next() *[]*Batch {
	queue := &p.queue
	if len(*queue) == 0 {
		queue = &p.loaded
	}
	if len(*queue) == 0 || !p.looked || !p.pace.mayTry(time.Now(), len(p.inFlight)) || len(p.inFlight) > 0 &&
		p.stats.InFlightBytes+(*queue)[0].size() > inFlightLimit(p.config.Buffer) {
		return nil
	}
	return queue
}

// inFlightLimit is how many bytes may be in flight. What is in flight cannot go to disk until its answer is given up. With a spool it
// leaves most of the memory to what can: a server that does not answer would fill little memory with it, and what comes then would be
// dropped beside an empty disk.
func inFlightLimit(b config.Buffer) int {
	limit := int(b.InFlightBytes)
	if b.Spool != nil {
		limit = min(limit, int(b.MaxBytes)/4)
	}
	return limit
}

// pop takes the first batch from a queue.
func pop(queue *[]*Batch) *Batch {
	b := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	return b
}

// send sends what is queued, one batch after the other, until the Publisher is stopped.
func (p *jetStream) send() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var queue *[]*Batch
		for !p.stopped {
			if queue = p.next(); queue != nil {
				break
			}
			p.changed.Wait()
		}
		if p.stopped {
			return
		}
		b := pop(queue)
		if p.doubts(b) {
			p.doubtful = append(p.doubtful, b)
			p.changed.Broadcast()
			continue
		}
		if b.attempts++; b.attempts > 1 {
			p.stats.Retries++
		}
		b.sent = time.Now()
		if b.unheard++; b.unheard == 1 && b.firstSent.IsZero() {
			b.firstSent, b.sentAfter = b.sent, p.sequence
		}
		p.inFlight[b.id] = b
		p.stats.InFlightBytes += b.size()
		message := p.message(b)
		// The library has copied the message when it returns; until then the batch is in the map and nobody reuses it,
		// for it cannot be acknowledged before it was written.
		p.sending = b
		p.mu.Unlock()
		err := p.nc.PublishMsg(message)
		p.mu.Lock()
		p.sending = nil
		if err != nil {
			if p.inFlight[b.id] == b && neverLeft(err) {
				p.notStored(b)
			}
			p.failed(b, connect.Cause(p.nc, err))
		}
	}
}

// unsent are the library's errors that mean that nothing of a message was handed to the connection.
var unsent = []error{nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionReconnecting,
	nats.ErrConnectionDraining, nats.ErrHeadersNotSupported, nats.ErrMaxPayload, nats.ErrBadSubject}

func neverLeft(err error) bool {
	return slices.ContainsFunc(unsent, func(e error) bool { return errors.Is(err, e) })
}

func (p *jetStream) message(b *Batch) *nats.Msg {
	return &nats.Msg{
		Subject: b.Subject,
		Reply:   p.inbox + strconv.FormatUint(b.id, 10),
		Header: nats.Header{
			jetstream.MsgIDHeader: {b.messageID},
			HeaderEncoding:        {b.encoding},
			HeaderCount:           {strconv.Itoa(b.Records)},
		},
		Data: b.Buffer,
	}
}

// StopWaiting ends the waiting of policy block.
func (p *jetStream) StopWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	p.changed.Broadcast()
}

// Close sends what is waiting until ctx ends.
func (p *jetStream) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.pace.retry() // once more, whatever the last answer was
	p.changed.Broadcast()
	wake := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	for len(p.queue)+len(p.doubtful)+len(p.looking)+len(p.inFlight) > 0 && ctx.Err() == nil {
		p.changed.Wait()
	}
	wake()
	p.stopped = true
	p.stop() // before they are woken: who sees no end and waits again would wait for ever
	p.changed.Broadcast()
	p.mu.Unlock()
	p.workers.Wait()

	p.mu.Lock()
	defer p.mu.Unlock()
	left, err := p.spooler.close(p.leftovers())
	lost := uint64(0)
	for _, b := range left {
		lost += uint64(b.Records)
		p.forget(b)
		p.lose(b, DroppedShutdown)
	}
	p.changed.Broadcast()
	if e := p.answers.Unsubscribe(); !errors.Is(e, nats.ErrConnectionClosed) {
		err = errors.Join(err, e)
	}
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d records were not acknowledged in time", lost))
	}
	return err
}

// leftovers takes everything that is not acknowledged and stands in memory only, oldest first.
func (p *jetStream) leftovers() []*Batch {
	left := slices.Concat(p.queue, p.loaded, p.doubtful)
	for _, b := range p.inFlight {
		left = append(left, b)
	}
	p.queue, p.loaded, p.doubtful = nil, nil, nil
	clear(p.inFlight)
	p.stats.InFlightBytes = 0
	left = slices.DeleteFunc(left, func(b *Batch) bool { return b.entry != nil && b.entry.OnDisk() })
	slices.SortFunc(left, func(a, b *Batch) int { return cmp.Compare(a.id, b.id) })
	return left
}

func (p *jetStream) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *jetStream) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := p.status
	status.Differences = slices.Clone(status.Differences)
	status.Spool = p.spooler != nil
	return status
}
