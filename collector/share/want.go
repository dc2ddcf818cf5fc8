package share

import (
	"context"
	"errors"
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

const (
	// wantEvery is how often memories are asked what they want, and mostWanted how much of it the bucket is asked for at a time.
	wantEvery  = 500 * time.Millisecond
	mostWanted = 256
)

// bring asks the bucket for what memories want, until ctx ends. While the bucket is listed, that brings it.
func (b *Bucket) bring(ctx context.Context) {
	tick := time.NewTicker(wantEvery)
	defer tick.Stop()
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
		for kv != nil && b.bringSome(ctx, kv) {
		}
	}
}

// bringSome reports whether anything came: one page of a table may be missing after the other.
func (b *Bucket) bringSome(ctx context.Context, kv jetstream.KeyValue) (came bool) {
	for _, store := range b.stores {
		s, ok := store.(wanting)
		if !ok {
			continue
		}
		for _, key := range s.Wants(mostWanted, clock.Steady()) {
			err := b.fetch(ctx, kv, key)
			switch {
			case err == nil:
				came = true
			case !errors.Is(err, jetstream.ErrKeyNotFound):
				return false // it is asked for again
			}
		}
	}
	return came
}

// fetch has memory know what the bucket has for a key.
func (b *Bucket) fetch(ctx context.Context, kv jetstream.KeyValue, key template.Key) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entry, err := kv.Get(ctx, EncodeKey(key))
	if err != nil {
		return err
	}
	if value, err := b.note(key, entry, 0); err == nil {
		b.restore(key, entry, value)
	}
	return nil
}
