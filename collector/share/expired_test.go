package share

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Somebody made the bucket, with a ttl that is shorter than the configured one, and with markers of what expired. What expired there is not forgotten as if
// somebody had deleted it: exporters are read on.
func TestWhatExpiresInTheBucketIsNotDeletedInMemory(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(context.Background(), jetstream.KeyValueConfig{Bucket: "flowfleet-templates", TTL: 2 * time.Second,
		LimitMarkerTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	m, other := join(t, s), join(t, s)
	m.learn(1000, 256, 4, 100)
	m.settled()
	other.eventually(1000, 256, 4)
	natstest.Eventually(t, "the key expires", func() bool {
		_, err := kv.Get(context.Background(), EncodeKey(keyOf(1000, 256)))
		return errors.Is(err, jetstream.ErrKeyNotFound)
	})
	for _, one := range []*member{m, other} {
		natstest.Eventually(t, "the marker is seen", func() bool {
			one.bucket.mu.Lock()
			defer one.bucket.mu.Unlock()
			return one.bucket.deleted[keyOf(1000, 256)].revision != 0
		})
	}
	m.learn(1000, 257, 4, 100)
	m.settled()
	m.sees(lastSequence(t, s)) // and what came before it
	other.eventually(1000, 257, 4)
	for i, one := range []*member{m, other} {
		if got := one.length(1000, 256); got != 4 {
			t.Errorf("collector %d: a layout of %d bytes is known", i, got)
		}
	}
}

// So it is where it expires while a collector fetches it.
func TestWhatExpiresWhileItIsFetchedIsNotDeletedInMemory(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(context.Background(), jetstream.KeyValueConfig{Bucket: "flowfleet-templates", TTL: 2 * time.Second,
		LimitMarkerTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	m, h := joinHooked(t, s)
	m.learn(1000, 256, 4, 100)
	m.settled()
	key := keyOf(1000, 256)
	entry, err := kv.Get(t.Context(), EncodeKey(key))
	if err != nil {
		t.Fatal(err)
	}
	m.sees(entry.Revision())
	expires := func() {
		natstest.Eventually(t, "the marker is seen", func() bool {
			m.bucket.mu.Lock()
			defer m.bucket.mu.Unlock()
			return m.bucket.deleted[key].revision > entry.Revision()
		})
	}
	h.after.Store(&expires)
	m.bucket.mu.Lock()
	listing := m.bucket.listing
	m.bucket.mu.Unlock()
	m.bucket.takeFetched(source{kv, listing}, key, entry)
	if got := m.length(1000, 256); got != 4 {
		t.Errorf("a layout of %d bytes is known", got)
	}
}
