package share

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/template"
)

// wanting is a memory that may lack what the bucket has and the watch does not bring, since nobody writes it again.
type wanting interface {
	// Wants are up to so many keys of it at now, nanoseconds since 1970, each seldom.
	Wants(most int, now int64) []template.Key
}

// missing is a memory that forgot exporters which were heard again since.
type missing interface {
	// Missed takes up to so many scopes; what it has no use for of them is 0.
	Missed(most int) []template.Scope
	// Welcome has room for such a scope at now.
	Welcome(scope template.Scope, now int64)
	// Found says that all that the bucket has of an address was read: what is known of it by now is not missed.
	Found(a netip.Addr)
}

const (
	// mostMissed is how many exporters the bucket is asked for at a time, each with a consumer of its own, and mostOfMissed how many keys of
	// each are read. missedEvery is the pause behind that, twice as long after each time in a row, up to missedSeldom: where more exporters send
	// than a collector remembers, they come and go all the time.
	mostMissed   = 16
	mostOfMissed = 1 << 13
	missedEvery  = 5 * time.Second
	missedSeldom = time.Minute
	// missedTries is how often an exporter is asked for where that goes wrong. A connection that was lost ends with a listing, which brings all.
	missedTries = 3
	// wantEvery is how often memories are asked what they want, and mostWanted how much of it the bucket is asked for at a time. It is asked
	// again at once where that brought anything, and after wantSeldom where it brought nothing, or went wrong.
	wantEvery  = 500 * time.Millisecond
	wantSeldom = 5 * time.Second
	mostWanted = 256
)

// sought is what memories asked for and the bucket was not asked for yet, or in vain: they ask for each seldom, or once.
type sought struct {
	wanted []template.Key
	missed []soughtExporter
}

// soughtExporter is an address of which memories forgot what it taught, and how often it was asked for in vain.
type soughtExporter struct {
	address netip.Addr
	by      []missing
	tries   int
}

// source is the bucket that is asked, as of a listing.
type source struct {
	jetstream.KeyValue
	listing uint32
}

// bring asks the bucket for what memories want, until ctx ends. While the bucket is listed, that brings it.
func (b *Bucket) bring(ctx context.Context) {
	tick := time.NewTicker(wantEvery)
	defer tick.Stop()
	var nextMissed, nextWanted time.Time
	pause := missedEvery
	var rest sought
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.mu.Lock()
		kv := source{b.kv, b.listing}
		if b.complete == 0 || b.complete != b.listing {
			kv.KeyValue = nil
		}
		b.mu.Unlock()
		if kv.KeyValue == nil {
			continue
		}
		if now := time.Now(); now.After(nextMissed) {
			if b.bringMissed(ctx, kv, &rest) {
				nextMissed = time.Now().Add(pause)
				pause = min(2*pause, missedSeldom)
			} else {
				pause = missedEvery
			}
		}
		if time.Now().After(nextWanted) {
			for {
				asked, came := b.bringSome(ctx, kv, &rest)
				if !came {
					if asked {
						nextWanted = time.Now().Add(wantSeldom)
					}
					break
				}
			}
		}
	}
}

// bringMissed asks the bucket for what exporters taught that made room for others, and were heard again. It reports whether there were any.
// Where that goes wrong, they are asked for again the next time.
func (b *Bucket) bringMissed(ctx context.Context, kv source, rest *sought) bool {
	for _, store := range b.stores {
		s, ok := store.(missing)
		if !ok {
			continue
		}
		for _, scope := range s.Missed(max(0, mostMissed-len(rest.missed))) {
			s.Welcome(scope, clock.Steady())
			i := slices.IndexFunc(rest.missed, func(e soughtExporter) bool { return e.address == scope.Exporter })
			if i < 0 {
				i = len(rest.missed)
				rest.missed = append(rest.missed, soughtExporter{address: scope.Exporter})
			}
			rest.missed[i].by = append(rest.missed[i].by, s)
		}
	}
	missed := len(rest.missed) > 0
	for range len(rest.missed) {
		e := rest.missed[0]
		rest.missed = rest.missed[1:]
		if err := b.fetchAll(ctx, kv, ExporterFilter(e.address)); err != nil {
			if e.tries++; e.tries < missedTries { // else it is known again from its own next announcements on, or with the next listing
				rest.missed = append(rest.missed, e)
			}
			break
		}
		for _, s := range e.by {
			s.Found(e.address)
		}
	}
	return missed
}

// fetchAll has memory know what the bucket has under a pattern of keys.
func (b *Bucket) fetchAll(ctx context.Context, kv source, pattern string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	watcher, err := kv.Watch(ctx, pattern, jetstream.IgnoreDeletes())
	if err != nil {
		return err
	}
	defer func() {
		_ = watcher.Stop() // it was only read
		go func() {        // who waits to hand on more would wait for ever
			for range watcher.Updates() {
			}
		}()
	}()
	for range mostOfMissed {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-watcher.Updates():
			if !ok || entry == nil {
				return nil
			}
			key, err := DecodeKey(entry.Key())
			if err != nil || b.stores[key.Family] == nil {
				continue
			}
			b.takeFetched(kv, key, entry)
		}
	}
	return nil
}

// bringSome reports whether anything was asked for, and whether anything of use came: one page of a table may be missing after the other.
// Where that goes wrong, what is left is asked for the next time.
func (b *Bucket) bringSome(ctx context.Context, kv source, rest *sought) (asked, came bool) {
	for _, store := range b.stores {
		s, ok := store.(wanting)
		if !ok {
			continue
		}
		for _, key := range s.Wants(max(0, mostWanted-len(rest.wanted)), clock.Steady()) {
			if !slices.Contains(rest.wanted, key) {
				rest.wanted = append(rest.wanted, key)
			}
		}
	}
	for range len(rest.wanted) {
		asked = true
		key := rest.wanted[0]
		rest.wanted = rest.wanted[1:]
		took, err := b.fetch(ctx, kv, key)
		came = came || took
		if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
			rest.wanted = append(rest.wanted, key) // behind the others, which may be in reach
			return true, false
		}
	}
	return asked, came
}

// fetch has memory know what the bucket has for a key, and reports whether memory took it.
func (b *Bucket) fetch(ctx context.Context, kv source, key template.Key) (took bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entry, err := kv.Get(ctx, EncodeKey(key))
	if err != nil {
		return false, err
	}
	return b.takeFetched(kv, key, entry), nil
}

// takeFetched takes what the bucket had when it was asked, unless somebody deleted it since: the watch, which goes on beside this, may have
// brought that before the answer came, or brings it now. What came from before a new listing is not taken either: the bucket may be another one. It reports
// whether memory took it.
func (b *Bucket) takeFetched(from source, key template.Key, entry jetstream.KeyValueEntry) (took bool) {
	b.mu.Lock()
	over := b.listing != from.listing || b.deleted[key].revision > entry.Revision()
	b.mu.Unlock()
	if over {
		return false
	}
	value, known, err := b.note(key, entry, 0)
	if err != nil {
		return false // it is counted
	}
	took = b.restore(key, value, &known)
	b.mu.Lock()
	gone := b.deleted[key]
	b.mu.Unlock()
	if gone.revision > entry.Revision() {
		b.forget(key, gone, false)
		return false
	}
	return took
}
