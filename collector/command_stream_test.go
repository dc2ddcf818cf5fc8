package main

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Nobody waits for ever for a stream that is gone, or whose server is.
func TestTailEndsAndSaysWhyWhereItsStreamIsDeleted(t *testing.T) {
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := execute(t, "", "tail", "--stream", "flows", "--server", s.URL())
		ended <- err
	}()
	natstest.Eventually(t, "tail reads the stream", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Consumers == 1
	})
	if err := js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "stream flows") || !strings.Contains(err.Error(), "not found") {
			t.Errorf("it says %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it reads on")
	}
}
