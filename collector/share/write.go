package share

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	// writerCount writes are on their way at a time: each waits for the server, with three replicas for two more, and these may be far
	// away or have slow disks. At 50 ms each, 1,280 templates a second are shared.
	writerCount = 64
	// limitedWait is how often changes that had to wait for their exporter's turn are looked at.
	limitedWait = 100 * time.Millisecond
	// conflictTries bounds how often one write meets others before it goes back to the queue's end.
	conflictTries = 8
)

// write takes changes from the queue until it is stopped.
func (b *Bucket) write() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		var o operation
		ok := false
		for !b.stopped {
			if b.kv != nil && !b.paused {
				if o, ok = b.take(func() { b.stats.limited.Add(1) }); ok {
					break
				}
				if len(b.operations) > 0 {
					b.wakeLater(limitedWait)
				}
			}
			b.work.Wait()
		}
		if !ok {
			return
		}
		kv := b.kv
		b.mu.Unlock()
		err := connect.Cause(b.nc, b.perform(kv, o))
		b.mu.Lock()
		delete(b.busy, o.definition.Key)
		if err != nil {
			b.stats.errors.Add(1)
			if b.status.LastError == "" {
				b.log.Warn("a change cannot be written to the template bucket yet", "key", EncodeKey(o.definition.Key),
					"error", err, "hint", hint(err))
			}
			b.status.LastError, b.status.WriteError = err.Error(), err.Error()
			if _, newer := b.operations[o.definition.Key]; !newer && !b.put(o) {
				b.stats.overflows.Add(1)
			}
			b.resumeLater(shortestWait)
		} else {
			b.status.WriteError = ""
			if b.status.LastError != "" && b.status.Loaded {
				b.status.LastError = ""
			}
		}
		b.written.Broadcast()
	}
}

// wakeLater has the queue looked at again.
func (b *Bucket) wakeLater(after time.Duration) {
	if b.waking {
		return
	}
	b.waking = true
	time.AfterFunc(after, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waking = false
		b.unpark()
		b.work.Broadcast()
	})
}

// resumeLater pauses writing.
func (b *Bucket) resumeLater(after time.Duration) {
	if b.paused {
		return
	}
	b.paused = true
	time.AfterFunc(after, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.paused = false
		b.work.Broadcast()
	})
}

// hint says what to do about an error, where that is known.
func hint(err error) string {
	switch {
	case capacity.Exceeded(err):
		return capacity.Hint
	case strings.Contains(err.Error(), "ermissions"):
		return "the NATS user may not write these keys: grant it $KV.<bucket>.>"
	case capacity.Full(err):
		return "the bucket is full: allow it more bytes (templateStore.maxBytes is for a new one), or let what nobody uses expire (ttl)"
	case errors.Is(err, jetstream.ErrMaximumConsumersLimit):
		return "each collector is a consumer of the bucket's stream, and it has no room for one more: raise the account's limit, or " +
			"max_consumers of the stream (the operator raises that by itself), or default_max_consumers of the server's jetstream limits"
	}
	return ""
}

// perform writes one change, unless the bucket has it, or something newer, already.
func (b *Bucket) perform(kv jetstream.KeyValue, o operation) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	key := o.definition.Key
	for range conflictTries {
		b.mu.Lock()
		have, exists := b.known[key]
		b.mu.Unlock()
		if done := b.settle(o, have, exists); done {
			b.stats.skipped.Add(1)
			return nil
		}
		err := b.send(ctx, kv, o, have, exists)
		if err == nil {
			return nil
		}
		if !conflict(err) {
			return fmt.Errorf("writing %s: %w", EncodeKey(key), err)
		}
		b.stats.conflicts.Add(1)
		if err := b.read(ctx, kv, key, have.revision); err != nil {
			return fmt.Errorf("reading %s after a conflict: %w", EncodeKey(key), err)
		}
	}
	return fmt.Errorf("writing %s: others keep writing it", EncodeKey(key))
}

// settle reports whether there is nothing to write. Where the bucket has something newer, memory takes it.
func (b *Bucket) settle(o operation, have known, exists bool) bool {
	d := o.definition
	switch {
	case exists && have.foreign:
		return true
	case !exists, !have.is(&d) && !have.fits(d.Key):
		return false
	case have.is(&d):
		witness := d.Key.Family == template.FamilyTemplate && d.Witnessed && !have.witnessed // others wait for one
		return have.silent == d.Silent && !witness && (!d.Refresh || time.Duration(clock.Steady()-have.heard) < b.freshness())
	case have.stamp > d.Stamp, have.stamp == d.Stamp && have.record > recordOf(d.Key, d.Record):
		// Of two that were exported in the same second, all collectors agree on one.
		b.stores[d.Key.Family].Restore(template.Definition{Key: d.Key, Kind: have.kind, Stamp: max(have.stamp, d.Stamp+1),
			Record: []byte(have.record), Heard: have.heard, Told: have.told, Witnessed: have.witnessed, Silent: have.silent},
			clock.Steady())
		return true
	}
	return false
}

// is reports whether the bucket has a definition, whoever said it and when.
func (k *known) is(d *template.Definition) bool {
	return k.kind == d.Kind && k.record == recordOf(d.Key, d.Record)
}

// freshness is how long ago what the bucket has must have been heard for a refresh to be worth it: others may have been faster.
func (b *Bucket) freshness() time.Duration {
	const enough = 10 * time.Minute
	if ttl := b.config.TTL.Std(); ttl > 0 {
		return min(ttl/4, enough)
	}
	return enough
}

// send makes one attempt.
func (b *Bucket) send(ctx context.Context, kv jetstream.KeyValue, o operation, have known, exists bool) error {
	d := o.definition
	name := EncodeKey(d.Key)
	value := EncodeValue(Value{Kind: d.Kind, Stamp: d.Stamp, Heard: b.serverTime(d.Heard), Writer: b.writer, Record: d.Record,
		Witnessed: d.Witnessed, Silent: d.Silent})
	var revision uint64
	var err error
	if exists {
		revision, err = kv.Update(ctx, name, value, have.revision)
	} else {
		revision, err = kv.Create(ctx, name, value)
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	if b.known[d.Key].revision < revision {
		b.remember(d.Key, known{revision: revision, heard: d.Heard, told: clock.Steady(), written: b.serverTime(clock.Steady()).UnixNano(), stamp: d.Stamp, kind: d.Kind,
			record: recordOf(d.Key, d.Record), silent: d.Silent, witnessed: d.Witnessed})
	}
	b.mu.Unlock()
	b.stats.writes.Add(1)
	return nil
}

// conflict reports whether somebody else wrote in between. With several replicas the server has a second code for it.
func conflict(err error) bool {
	var refused *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// read takes what the bucket has for a key by now, in place of the revision that led to a conflict. A replica may lag behind
// that conflict: the next attempt will meet it again then.
func (b *Bucket) read(ctx context.Context, kv jetstream.KeyValue, key template.Key, instead uint64) error {
	entry, err := kv.Get(ctx, EncodeKey(key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		b.mu.Lock()
		if b.known[key].revision == instead {
			delete(b.known, key)
		}
		b.mu.Unlock()
		return nil
	}
	if err != nil {
		return err
	}
	// The watch may have been faster: what it brought meanwhile must not be forgotten for an older answer. What cannot be read is
	// counted and left alone, or replaced.
	_, _, _ = b.note(key, entry, instead)
	return nil
}
