package share

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/template"
)

// apply takes one entry of the bucket into memory.
func (b *Bucket) apply(entry jetstream.KeyValueEntry, listing bool) {
	key, err := DecodeKey(entry.Key())
	if err != nil {
		b.stats.invalid.Add(1)
		return
	}
	if b.stores[key.Family] == nil {
		return // nobody here asks for what it says
	}
	if entry.Operation() != jetstream.KeyValuePut {
		b.forget(key, deletion{revision: entry.Revision(), at: entry.Created()}, listing)
		return
	}
	instead := uint64(0)
	if listing {
		// What is listed is true whatever was known before: revisions of a bucket that was rolled back are lower.
		instead = math.MaxUint64
	} else {
		b.stats.lag.Store(int64(clock.Wall().Sub(entry.Created())))
	}
	value, known, err := b.note(key, entry, instead)
	if err != nil {
		return
	}
	b.restore(key, value, &known)
}

// forget has memory forget what somebody deleted, unless it was written since, or is to be. A bucket may
// have markers of what expired there, which look the same: memory has a ttl of its own, and what it knows is written again with the next listing.
func (b *Bucket) forget(key template.Key, gone deletion, listing bool) {
	b.mu.Lock()
	// What was written since holds. A listing is right whatever was known: the bucket may have been rolled back.
	have := b.known[key]
	over := !listing && have.revision > gone.revision
	gone.expired = gone.expired || b.maxAge > 0 && have.written != 0 && gone.at.Sub(time.Unix(0, have.written)) >= b.maxAge-expirySlack(b.maxAge)
	if !over {
		delete(b.known, key)
	}
	pending := b.pending(key)
	for other := range b.deleted {
		if len(b.deleted) < maxDeleted {
			break
		}
		delete(b.deleted, other)
	}
	if b.deleted[key].revision < gone.revision {
		b.deleted[key] = gone
	}
	b.mu.Unlock()
	if !over && !gone.expired && !pending {
		b.stores[key.Family].Forget(key)
	}
}

// expirySlack is by how much sooner than its age says something may be seen to expire: when it was written is known from here for a moment, until the
// watch says it.
func expirySlack(maxAge time.Duration) time.Duration { return min(maxAge/4, 10*time.Second) }

// restore has memory take a value of the bucket.
func (b *Bucket) restore(key template.Key, value Value, k *known) (took bool) {
	return b.stores[key.Family].Restore(template.Definition{Key: key, Kind: value.Kind, Stamp: value.Stamp, Record: slices.Clone(value.Record),
		Heard: k.heard, Told: k.told, Witnessed: value.Witnessed, Silent: value.Silent}, clock.Steady())
}

// times are when a value was written, and when what it says was heard as far as it knows, by clock.Steady, which shows now.
func (b *Bucket) times(entry jetstream.KeyValueEntry, value Value, now int64) (told, heard int64) {
	told = now - int64(b.age(entry.Created()))
	heard = min(told, now-int64(b.age(value.Heard)))
	if ttl := int64(b.config.TTL); ttl > 0 && told-heard > ttl {
		heard = told // nobody writes what is older than the ttl: the writer's clock was wrong
	}
	return told, heard
}

// note remembers what the bucket holds for a key, in place of what was known of a lower revision than the entry's, or of one up
// to instead.
func (b *Bucket) note(key template.Key, entry jetstream.KeyValueEntry, instead uint64) (Value, known, error) {
	value, err := DecodeValue(entry.Value())
	told, heard := b.times(entry, value, clock.Steady())
	k := known{revision: entry.Revision(), heard: heard, told: told, written: entry.Created().UnixNano(), stamp: value.Stamp, kind: value.Kind,
		record: recordOf(key, value.Record), silent: value.Silent, witnessed: value.Witnessed}
	switch {
	case errors.Is(err, ErrNewerSchema):
		b.stats.newer.Add(1)
		k.foreign = true
	case err != nil:
		b.stats.invalid.Add(1)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.known[key]
	if have.revision == k.revision && have.written == k.written {
		// The server's clock may have been set back: what is only listed again grows no younger.
		k.heard, k.told = min(k.heard, have.heard), min(k.told, have.told)
	}
	if have.revision <= max(k.revision, instead) {
		b.remember(key, k)
	}
	return value, k, err
}

// recordOf is what is kept of a record to compare others with: nothing of a page, whose key tells its content.
func recordOf(key template.Key, record []byte) string {
	if key.Family == template.FamilyPage {
		return ""
	}
	return string(record)
}

// remember notes what the bucket holds for a key. b.mu is held.
func (b *Bucket) remember(key template.Key, k known) {
	if _, ok := b.known[key]; !ok && len(b.known) >= maxKnown {
		for other := range b.known {
			delete(b.known, other)
			break
		}
	}
	k.listing = b.listing
	b.known[key] = k
}

// listed ends a listing: what the bucket does not hold any more is not known any more, and what memory has beyond it is
// written, also in place of what nobody can read.
func (b *Bucket) listed() {
	b.mu.Lock()
	for key, k := range b.known {
		if k.listing != b.listing {
			delete(b.known, key)
		}
	}
	b.complete = b.listing
	if b.status.LastError != "" {
		b.log.Info("the template bucket is followed again")
	}
	b.status.LastError, b.status.ReadError = "", ""
	first := !b.status.Loaded
	b.status.Loaded = true
	count := len(b.known)
	b.mu.Unlock()
	if first {
		b.log.Info("loaded the template bucket", "keys", count)
		close(b.loaded)
	}
	b.inStep()
	for _, store := range b.stores {
		for d := range store.Definitions(clock.Steady()) {
			b.mu.Lock()
			k, ok := b.known[d.Key]
			b.mu.Unlock()
			if !ok || !k.foreign && !k.is(&d) && !k.fits(d.Key) {
				b.Learned(d)
			}
		}
	}
}

// inStep tells the memories that they have all of the bucket now.
func (b *Bucket) inStep() {
	for _, store := range b.stores {
		if s, ok := store.(stepping); ok {
			s.InStep(clock.Steady())
		}
	}
}
