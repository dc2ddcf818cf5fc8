package share

import (
	"context"
	"errors"
	"net/netip"
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
	// wantEvery is how often memories are asked what they want, and mostWanted how much of it the bucket is asked for at a time. It is asked
	// again at once where that brought anything, and after wantSeldom where it brought nothing.
	wantEvery  = 500 * time.Millisecond
	wantSeldom = 5 * time.Second
	mostWanted = 256
)

// bring asks the bucket for what memories want, until ctx ends. While the bucket is listed, that brings it.
func (b *Bucket) bring(ctx context.Context) {
	tick := time.NewTicker(wantEvery)
	defer tick.Stop()
	var nextMissed, nextWanted time.Time
	pause := missedEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.mu.Lock()
		kv := b.kv
		if b.complete == 0 || b.complete != b.listing {
			kv = nil
		}
		b.mu.Unlock()
		if kv == nil {
			continue
		}
		if now := time.Now(); now.After(nextMissed) {
			if b.bringMissed(ctx, kv) {
				nextMissed = time.Now().Add(pause)
				pause = min(2*pause, missedSeldom)
			} else {
				pause = missedEvery
			}
		}
		if time.Now().After(nextWanted) {
			for {
				asked, came := b.bringSome(ctx, kv)
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
func (b *Bucket) bringMissed(ctx context.Context, kv jetstream.KeyValue) bool {
	asked := make(map[netip.Addr][]missing)
	for _, store := range b.stores {
		s, ok := store.(missing)
		if !ok {
			continue
		}
		for _, scope := range s.Missed(mostMissed - len(asked)) {
			s.Welcome(scope, clock.Steady())
			asked[scope.Exporter] = append(asked[scope.Exporter], s)
		}
	}
	for address, by := range asked {
		if err := b.fetchAll(ctx, kv, "*.*."+EncodeAddress(address)+".>"); err != nil {
			break // they are known again from their own next announcements on, or with the next listing
		}
		for _, s := range by {
			s.Found(address)
		}
	}
	return len(asked) > 0
}

// fetchAll has memory know what the bucket has under a pattern of keys.
func (b *Bucket) fetchAll(ctx context.Context, kv jetstream.KeyValue, pattern string) error {
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
			if value, err := b.note(key, entry, 0); err == nil {
				b.restore(key, entry, value)
			}
		}
	}
	return nil
}

// bringSome reports whether anything was asked for, and whether anything of use came: one page of a table may be missing after the other.
func (b *Bucket) bringSome(ctx context.Context, kv jetstream.KeyValue) (asked, came bool) {
	for _, store := range b.stores {
		s, ok := store.(wanting)
		if !ok {
			continue
		}
		for _, key := range s.Wants(mostWanted, clock.Steady()) {
			asked = true
			took, err := b.fetch(ctx, kv, key)
			came = came || took
			if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
				return true, false // it is asked for again
			}
		}
	}
	return asked, came
}

// fetch has memory know what the bucket has for a key, and reports whether memory took it.
func (b *Bucket) fetch(ctx context.Context, kv jetstream.KeyValue, key template.Key) (took bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entry, err := kv.Get(ctx, EncodeKey(key))
	if err != nil {
		return false, err
	}
	value, err := b.note(key, entry, 0)
	if err != nil {
		return false, nil // it is counted
	}
	return b.restore(key, entry, value), nil
}
