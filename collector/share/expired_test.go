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
			return one.bucket.deleted[keyOf(1000, 256)] != 0
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
