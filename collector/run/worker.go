package run

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/listen"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/tap"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	// longestTick bounds how long held sets and kernel drops go without being looked at.
	longestTick = 100 * time.Millisecond
	// trafficInterval is how often the exporters' own figures are brought up to date.
	trafficInterval = 2 * time.Second
	// A short batch is followed by a nap, so that the next one is longer: at moderate rates most of the cost of receiving
	// is that of waking up.
	shortBatch = 8
	nap        = 500 * time.Microsecond
	// lastReads bounds how long a socket that never falls silent is read after the drain time.
	lastReads = time.Second
	// lastSilence is how long it has to be silent.
	lastSilence = 10 * time.Millisecond
)

// worker owns one socket and all that happens to its datagrams, up to the batches it hands to the publisher.
type worker struct {
	socket    *listen.Socket
	local     netip.AddrPort // of the socket, which is that of captures
	tap       *tap.Tap
	decoder   *decode.Decoder
	counts    ledger.Counts
	totals    *ledger.Totals
	delays    *listen.Delays
	publisher publish.Publisher
	traffic   *traffic
	log       *slog.Logger
	// settings in force; another pointer is picked up with the next batch, or the next tick.
	settings *atomic.Pointer[decode.Settings]
	current  *decode.Settings
	// stopAt is when to end, by clock.Steady; 0 for never.
	stopAt *atomic.Int64

	json        bool
	elements    *Elements // of which JSON has the names
	scaled      bool      // volumes before sampling, in JSON
	maxBatch    int
	maxBatchAge time.Duration
	subjects    [numTypes]string
	encoder     flow.Encoder
	open        [numTypes]*publish.Batch
	opened      [numTypes]time.Time
	now         time.Time

	kernelDrops uint32
	lastTraffic time.Time
	// heldBytes is for the metrics.
	heldBytes atomic.Int64
	submitted int64
	recorded  int64
	levels    ledger.Levels // as the totals have them
}

// numTypes is one more than the highest flow.Type.
const numTypes = int(flow.TypeIPFIX) + 1

func newWorker(c *config.Config, l *config.Listener, socket *listen.Socket, store *template.Store, totals *ledger.Totals,
	delays *listen.Delays, tap *tap.Tap, publisher publish.Publisher, traffic *traffic, settings *atomic.Pointer[decode.Settings], stopAt *atomic.Int64,
	log *slog.Logger) *worker {
	w := &worker{
		socket:      socket,
		local:       socket.Address(),
		tap:         tap,
		totals:      totals,
		delays:      delays,
		publisher:   publisher,
		traffic:     traffic,
		log:         log,
		settings:    settings,
		current:     settings.Load(),
		stopAt:      stopAt,
		json:        c.Output.Encoding == config.EncodingJSON,
		scaled:      c.Output.ScaledVolumes,
		maxBatch:    int(c.Output.Batch.MaxBytes),
		maxBatchAge: c.Output.Batch.MaxAge.Std(),
	}
	for t := range w.subjects {
		w.subjects[t] = c.Output.Subject + "." + decode.SubjectToken(flow.Type(t))
	}
	w.decoder = decode.New(l.Protocol, store, w.current, &w.counts, w, nil)
	return w
}

// share has the worker know what others learn. It is to be called before it runs.
func (w *worker) share(s decode.Shared) {
	w.decoder.Share(s)
	w.elements = NewElements(s.Names)
}

// Record encodes a record into the open batch of its protocol. It implements decode.Sink.
func (w *worker) Record(r *flow.Record) {
	b := w.open[r.Type]
	if b == nil {
		b = w.publisher.Get()
		b.Subject = w.subjects[r.Type]
		w.open[r.Type], w.opened[r.Type] = b, w.now
	}
	before := len(b.Buffer)
	if w.json {
		b.Buffer = r.AppendJSON(b.Buffer, w.elements.ExtraJSON)
		if w.scaled {
			b.Buffer = r.AppendScaled(b.Buffer)
		}
		b.Buffer = append(b.Buffer, '\n')
	} else {
		b.Buffer = w.encoder.AppendDelimited(b.Buffer, r)
	}
	w.recorded++
	if len(b.Buffer) <= w.maxBatch {
		b.Records++
		return
	}
	if b.Records == 0 {
		b.Records = 1
		w.submit(r.Type)
		return
	}
	// The record that did not fit begins the next batch.
	next := w.publisher.Get()
	next.Subject = b.Subject
	next.Buffer = append(next.Buffer, b.Buffer[before:]...)
	next.Records = 1
	b.Buffer = b.Buffer[:before]
	w.submit(r.Type)
	w.open[r.Type], w.opened[r.Type] = next, w.now
}

func (w *worker) submit(t flow.Type) {
	b := w.open[t]
	w.open[t] = nil
	w.submitted += int64(b.Records)
	w.publisher.Submit(b)
}

// flush hands over the batches that were opened before a time.
func (w *worker) flush(before time.Time) {
	for t, b := range w.open {
		if b != nil && !w.opened[t].After(before) {
			w.submit(flow.Type(t))
		}
	}
}

// account makes the figures of this worker those of its listener.
func (w *worker) account() {
	held, bytes := w.decoder.Held()
	w.heldBytes.Store(int64(bytes))
	now := ledger.Levels{Held: int64(held), Open: w.recorded - w.submitted, Handed: w.submitted}
	w.counts.MoveWith(ledger.Levels{
		Held: now.Held - w.levels.Held, Open: now.Open - w.levels.Open, Handed: now.Handed - w.levels.Handed,
	}, w.totals)
	w.levels = now
}

// run reads until it is told to stop or the socket is closed.
func (w *worker) run() {
	batch := listen.NewBatch()
	interval := min(longestTick, w.maxBatchAge/2)
	var nextTick time.Time
	for {
		w.now = time.Now()
		if !w.now.Before(nextTick) {
			w.tick()
			if stop := w.stopAt.Load(); stop != 0 && clock.Steady() >= stop {
				w.end(batch)
				return
			}
			nextTick = w.now.Add(interval)
			if err := w.socket.SetReadDeadline(nextTick); err != nil {
				w.end(batch)
				return
			}
		}
		n, err := w.socket.Read(batch)
		switch {
		case err == nil:
			w.take(batch, n)
			if n < shortBatch {
				time.Sleep(nap)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			w.end(batch)
			return
		default:
			w.log.Error("reading from the socket failed; trying again", "address", w.socket.Address(), "error", err)
			time.Sleep(longestTick)
		}
	}
}

// take decodes the datagrams of a batch.
func (w *worker) take(batch *listen.Batch, n int) {
	w.now = time.Now()
	w.delays.Add(batch, n, w.now)
	w.configure() // what comes after a change is logged is decoded by it
	received, steady := clock.Wall().UnixNano(), clock.Steady()
	if running := w.tap.Running(); running != nil {
		w.capture(running, batch, n, received)
	}
	for i := range n {
		in := decode.Datagram{Payload: batch.Payload(i), Source: batch.Source(i), Received: received, Steady: steady}
		if batch.Oversized(i) {
			w.decoder.Oversized(in)
			continue
		}
		w.decoder.Decode(in)
	}
	w.account()
}

// capture copies what is asked for, with the time that its flows have.
func (w *worker) capture(running *tap.Running, batch *listen.Batch, n int, received int64) {
	at := time.Unix(0, received)
	for i := range n {
		running.Offer(at, batch.Source(i), w.local, batch.Payload(i), batch.Oversized(i))
	}
}

// readOut reads until the socket is silent, or a time.
func (w *worker) readOut(batch *listen.Batch, until time.Time) {
	for w.now.Before(until) {
		if w.socket.SetReadDeadline(time.Now().Add(lastSilence)) != nil {
			return
		}
		n, err := w.socket.Read(batch)
		if err != nil {
			return
		}
		w.take(batch, n)
	}
}

// configure takes up settings that have changed.
func (w *worker) configure() {
	if s := w.settings.Load(); s != w.current {
		w.current = s
		w.decoder.Configure(s)
	}
}

// tick does what time brings about.
func (w *worker) tick() {
	w.configure()
	w.decoder.Tick(clock.Steady())
	w.flush(w.now.Add(-w.maxBatchAge / 2))
	w.countDrops()
	if w.now.Sub(w.lastTraffic) >= trafficInterval || !minuteOf(w.now).Equal(minuteOf(w.lastTraffic)) {
		w.lastTraffic = w.now
		w.traffic.take(w.decoder)
	}
	w.account()
}

// countDrops counts what the kernel has dropped since it was asked before.
func (w *worker) countDrops() {
	if drops, err := w.socket.KernelDrops(); err == nil {
		w.counts.Add(ledger.DatagramsKernelDrops, uint64(drops-w.kernelDrops))
		w.kernelDrops = drops
	}
}

// end reads what the kernel still has, closes the socket, lets go of what is held and hands over what is open. The process lives on
// while the output is flushed: a socket that stayed open would take datagrams that nobody reads or counts.
func (w *worker) end(batch *listen.Batch) {
	w.readOut(batch, w.now.Add(lastReads))
	if err := w.socket.Seal(); err != nil && !errors.Is(err, net.ErrClosed) {
		w.log.Warn("what arrives in the last moment is not counted", "error", err)
	}
	w.readOut(batch, w.now.Add(lastReads)) // what the buffer holds, and no more: it ends by itself
	w.tick()
	w.countDrops()       // at the last moment: what is dropped between this and the next line is in no books
	_ = w.socket.Close() // closed already, or nothing that could be done
	w.decoder.Close()
	w.flush(w.now)
	w.traffic.take(w.decoder)
	w.account()
}
