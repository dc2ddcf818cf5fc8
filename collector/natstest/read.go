package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Read takes messages from a durable consumer, and acknowledges them or not. The test fails where fewer come.
func Read(t testing.TB, js jetstream.JetStream, stream, consumer string, n int, ack bool) {
	t.Helper()
	k, err := js.Consumer(t.Context(), stream, consumer)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := k.Fetch(n, jetstream.FetchMaxWait(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for m := range batch.Messages() {
		got++
		if ack {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got != n {
		t.Fatalf("%d of %d messages came: %v", got, n, batch.Error())
	}
}
