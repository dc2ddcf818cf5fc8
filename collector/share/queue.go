package share

import (
	"context"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/template"
)

// operation is a definition to be written.
type operation struct {
	definition template.Definition
	limited    bool // it was delayed, and counted
}

// Bounds of writing.
const (
	// maxQueue changes wait at most, of maxQueueBytes in all; what is beyond is written when the bucket is listed the next time. Whoever forges
	// exporters fills it with large templates as soon as the server is slow.
	maxQueue      = 1 << 17
	maxQueueBytes = 64 << 20
	// Writes an exporter may cause in a second, and at once: a large chassis at its start has hundreds of templates; one
	// that redefines them with every packet must not fill the bucket.
	writesPerSecond = 20
	writeBurst      = 2000
	// maxLimiters bounds the exporters whose rate is remembered.
	maxLimiters = 1 << 16
)

// queue holds the newest change for each key. It is guarded by the Bucket's mutex.
type queue struct {
	operations map[template.Key]operation
	bytes      int // of their records
	order      []template.Key
	parked     []template.Key            // keys of operations that wait for their exporter's turn
	busy       map[template.Key]struct{} // being written
	limiters   map[netip.Addr]*rate.Limiter
	// work is there for a writer; a change was written.
	work, written *sync.Cond
	stopped       bool
	// paused until the bucket is in reach again; waking: a timer is set for changes that wait for their turn.
	paused, waking bool
}

func newQueue() *queue {
	return &queue{
		operations: make(map[template.Key]operation),
		busy:       make(map[template.Key]struct{}),
		limiters:   make(map[netip.Addr]*rate.Limiter),
	}
}

func (q *queue) length() int { return len(q.operations) + len(q.busy) }

// pending reports whether a definition of the key is to be written.
func (q *queue) pending(key template.Key) bool {
	_, ok := q.operations[key]
	_, busy := q.busy[key]
	return ok || busy
}

func (q *queue) stop(mu *sync.Mutex) func() {
	return func() {
		mu.Lock()
		defer mu.Unlock()
		q.stopped = true
		q.work.Broadcast()
	}
}

// put adds a change, in place of an older one for the same key. It reports whether there was room; else memory tells of
// it again when the bucket is listed.
func (q *queue) put(o operation) bool {
	key := o.definition.Key
	waits, ok := q.operations[key]
	bytes := q.bytes - len(waits.definition.Record) + len(o.definition.Record)
	if !ok && len(q.operations) >= maxQueue || bytes > maxQueueBytes {
		return false
	}
	if !ok {
		q.order = append(q.order, key)
	}
	q.operations[key], q.bytes = o, bytes
	q.work.Signal() // one of them only: this is the packets' path
	return true
}

// unparkLength bounds how many changes that had to wait for their exporter's turn are looked at again at a time.
const unparkLength = 8192

// take returns the next change that may be written now. What may not is parked until unpark, so that each look at it is
// paid for by time and not by what exporters send. limited is called once for each change that has to wait.
func (q *queue) take(limited func()) (operation, bool) {
	for len(q.order) > 0 {
		key := q.order[0]
		q.order = q.order[1:]
		o := q.operations[key]
		_, busy := q.busy[key]
		// Pages are not an exporter's own, and come with manifests that are limited.
		if !busy && (key.Family == template.FamilyPage || q.limiter(key.Scope.Exporter).Allow()) {
			delete(q.operations, key)
			q.bytes -= len(o.definition.Record)
			q.busy[key] = struct{}{}
			return o, true
		}
		if !busy && !o.limited {
			o.limited = true
			q.operations[key] = o
			limited()
		}
		q.parked = append(q.parked, key)
	}
	return operation{}, false
}

// unpark has take look again at the changes that wait for longest.
func (q *queue) unpark() {
	n := min(len(q.parked), unparkLength)
	q.order = append(q.order, q.parked[:n]...)
	q.parked = append(q.parked[:0], q.parked[n:]...)
}

func (q *queue) limiter(a netip.Addr) *rate.Limiter {
	l := q.limiters[a]
	if l == nil {
		if len(q.limiters) >= maxLimiters {
			clear(q.limiters)
		}
		l = rate.NewLimiter(writesPerSecond, writeBurst)
		q.limiters[a] = l
	}
	return l
}

// enqueue adds a change.
func (b *Bucket) enqueue(o operation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := &o.definition; d.Refresh {
		if waits, ok := b.operations[d.Key]; ok {
			if w := &waits.definition; w.Kind == d.Kind && w.Silent == d.Silent && string(w.Record) == string(d.Record) {
				// It may wait for hours, and another collector write it meanwhile: others are to know that it was heard since.
				w.Refresh = true
				w.Heard, w.Stamp, w.Witnessed = max(w.Heard, d.Heard), max(w.Stamp, d.Stamp), w.Witnessed || d.Witnessed
				b.operations[d.Key] = waits
			}
			return // else something newer is on its way
		}
	}
	if !b.put(o) {
		b.stats.overflows.Add(1)
	}
}

// Learned queues a definition to be written. It never waits.
func (b *Bucket) Learned(d template.Definition) { b.enqueue(operation{definition: d}) }

// Flush waits until all changes are written, or ctx ends. It returns how many are not.
func (b *Bucket) Flush(ctx context.Context) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.written.Broadcast()
	})()
	for b.length() > 0 && ctx.Err() == nil {
		b.written.Wait()
	}
	return b.length()
}
