// Package share keeps what exporters taught in a JetStream key-value bucket that all collectors of a fleet read and write,
// so that each of them decodes every exporter.
//
// A collector loads the bucket at start and watches it from then on; it writes only what changed, and only where that is
// newer than what is there (compare-and-set on the revision). What it holds in memory heals a bucket that was lost or
// rolled back. Packets never wait for any of it.
package share

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Store is a memory that the bucket is kept in step with. Times are those of clock.Steady.
type Store interface {
	// Restore takes what the bucket has and reports whether it changed anything.
	Restore(d template.Definition, now int64) bool
	// Forget drops what somebody deleted from the bucket.
	Forget(template.Key)
	// Definitions are those that the bucket should have, none of them older than the ttl.
	Definitions(now int64) iter.Seq[template.Definition]
}

// stepping is a Store that asks when it was last known to have all of the bucket. It learns that every few seconds while it has.
type stepping interface{ InStep(now int64) }

// Stores are the memories, one for each family of keys.
type Stores map[template.Family]Store

// Bounds in time.
const (
	// probeInterval is how often the stream behind the bucket is compared with what the watch delivered. A watch that is
	// dead in silence is noticed within two of them.
	probeInterval = 5 * time.Second
	// relistInterval is how often everything is listed again, with up to a quarter less, so that a fleet is not in step.
	relistInterval = 10 * time.Minute
	requestTimeout = 5 * time.Second
	shortestWait   = 500 * time.Millisecond
	longestWait    = 30 * time.Second
)

// Bucket shares definitions. It implements template.Observer.
type Bucket struct {
	config config.TemplateStore
	writer string
	nc     *nats.Conn
	js     jetstream.JetStream
	stores Stores
	log    *slog.Logger
	loaded chan struct{}
	stats  counters
	// serverAhead is how far the server's clock is ahead of clock.Steady, in nanoseconds.
	serverAhead atomic.Int64

	probeInterval, relistInterval time.Duration

	mu    sync.Mutex
	kv    jetstream.KeyValue // nil until the bucket was found for the first time
	known map[template.Key]known
	// deleted are keys that somebody deleted since the bucket was listed last: what was asked for before must not bring them back.
	deleted map[template.Key]deletion
	// listing numbers the listings, so that what one did not find again is told from what it did.
	// complete is the number of the last one that is done.
	listing, complete uint32
	// maxAge is how long the bucket keeps what is not written again, 0 for ever: another time than the configured ttl where somebody else made it.
	maxAge time.Duration
	status Status
	*queue
}

// maxKnown bounds the keys of which is known what the bucket holds, since whoever may send datagrams can fill the bucket. It is
// for speed: what is not known is asked for when it is to be written.
const maxKnown = 1 << 18

// maxDeleted bounds the deleted keys of which that is known: an answer of the bucket is out of date for a moment only.
const maxDeleted = 1 << 16

// deletion is the revision with which a key was deleted, when, by the server's clock, and whether it expired rather.
type deletion struct {
	revision uint64
	at       time.Time
	expired  bool
}

// known is what the bucket is known to hold for a key.
type known struct {
	revision uint64
	listing  uint32
	// heard is when what it says was heard as far as the bucket knows, and told when it was written, by clock.Steady.
	heard, told int64
	// written is when it was, by the server's clock, in nanoseconds since 1970.
	written int64
	stamp   template.Stamp
	kind    template.Kind
	record  string
	silent  bool
	// witnessed as in template.Definition.
	witnessed bool
	// foreign values are of a newer schema: they are left alone.
	foreign bool
}

// New returns a Bucket for a configuration whose defaults are filled in. instance is noted as the writer of values. Call
// Run to begin.
func New(c config.TemplateStore, instance string, nc *nats.Conn, stores Stores, log *slog.Logger) (*Bucket, error) {
	js, err := connect.JetStream(nc, c.NATS)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		config:         c,
		writer:         instance,
		nc:             nc,
		js:             js,
		stores:         stores,
		log:            log.With("bucket", c.Bucket),
		loaded:         make(chan struct{}),
		known:          make(map[template.Key]known),
		deleted:        make(map[template.Key]deletion),
		queue:          newQueue(),
		probeInterval:  probeInterval,
		relistInterval: relistInterval,
	}
	b.work, b.written = sync.NewCond(&b.mu), sync.NewCond(&b.mu)
	b.serverAhead.Store(clock.Wall().UnixNano() - clock.Steady())
	return b, nil
}

// Loaded is closed when everything in the bucket was read once.
func (b *Bucket) Loaded() <-chan struct{} { return b.loaded }

// Run keeps memory and bucket in step until ctx ends. What goes wrong is retried for ever.
func (b *Bucket) Run(ctx context.Context) {
	var writers sync.WaitGroup
	for range writerCount {
		writers.Go(b.write)
	}
	writers.Go(func() { b.bring(ctx) })
	// Run ends with ctx only, so this is never called off: a moment after the end it could be, and nobody would stop the writers.
	context.AfterFunc(ctx, b.stop(&b.mu))
	defer writers.Wait()
	wait := shortestWait
	for ctx.Err() == nil {
		began := time.Now()
		err := b.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			b.stats.watchRestarts.Add(1)
			wait = shortestWait
			continue
		}
		if time.Since(began) > longestWait {
			wait = shortestWait
		}
		b.failed(err)
		select {
		case <-ctx.Done():
		case <-time.After(wait - rand.N(wait/4)):
		}
		wait = min(2*wait, longestWait)
		if b.nc.IsConnected() {
			wait = min(wait, 2*shortestWait) // the server is there: what is missing may come any moment
		}
	}
}

// failed notes an error, and logs it where it is news.
func (b *Bucket) failed(err error) {
	err = connect.Cause(b.nc, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status.LastError != err.Error() {
		b.log.Warn("the template bucket cannot be followed; decoding goes on from memory, trying again", "error", err, "hint", hint(err))
	}
	b.status.LastError, b.status.ReadError = err.Error(), err.Error()
}

// follow lists and watches the bucket until something asks for doing so anew (nil) or goes wrong.
func (b *Bucket) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kv, info, err := b.ensure(ctx)
	if err != nil {
		return err
	}
	b.setServerTime(info)
	b.mu.Lock()
	b.kv, b.maxAge = kv, info.Config.MaxAge
	b.listing++
	clear(b.deleted)   // the bucket may be another one, with lower revisions
	b.work.Broadcast() // who had nowhere to write to
	b.mu.Unlock()
	reconnects := b.nc.Stats().Reconnects
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watching: %w", err)
	}
	defer func() { _ = watcher.Stop() }() // it ends with the context in any case
	listing := true
	var last uint64 // revision
	behind := 0
	probe := time.NewTicker(b.probeInterval)
	defer probe.Stop()
	relist := time.NewTimer(b.relistInterval - rand.N(b.relistInterval/4))
	defer relist.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-relist.C:
			b.stats.relists.Add(1)
			return nil
		case <-probe.C:
			// A reconnection may have led to a server with another store.
			if b.nc.Stats().Reconnects != reconnects {
				return nil
			}
			again, err := b.probe(ctx, info.Created, last, &behind)
			switch {
			case err != nil:
				return err
			case again, !listing && behind >= watchProbes:
				return nil
			case listing && behind >= listingProbes:
				return errors.New("listing the bucket does not get on")
			case !listing && behind == 0:
				b.inStep()
			}
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errors.New("the watch ended")
			case entry == nil && listing:
				listing = false
				// The last message may be one that expired or was purged: nothing up to here is to come any more.
				last, behind = max(last, info.State.LastSeq), 0
				b.listed()
			case entry != nil:
				last = max(last, entry.Revision())
				behind = 0
				b.apply(entry, listing)
			}
		}
	}
}

// How many probes in a row may find that the stream has more than was delivered.
const (
	watchProbes   = 2
	listingProbes = 7
)

// probe compares the stream with what the watch has delivered and reports whether it is another one than was opened. behind counts
// the probes that found more in the stream.
func (b *Bucket) probe(ctx context.Context, created time.Time, last uint64, behind *int) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := b.js.Stream(ctx, "KV_"+b.config.Bucket)
	if err != nil {
		return false, fmt.Errorf("looking after the bucket: %w", err)
	}
	info := stream.CachedInfo()
	b.setServerTime(info)
	b.mu.Lock()
	b.status.Bytes = info.State.Bytes
	b.mu.Unlock()
	switch {
	case !info.Created.Equal(created):
		b.log.Warn("the bucket was made anew by somebody; filling it from memory")
		return true, nil
	case info.State.LastSeq < last:
		b.log.Warn("the bucket was rolled back; healing it from memory", "revision", info.State.LastSeq, "seen", last)
		return true, nil
	case info.State.LastSeq > last && info.State.Msgs > 0:
		*behind++
	default:
		*behind = 0
	}
	return false, nil
}
