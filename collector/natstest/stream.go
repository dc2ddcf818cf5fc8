package natstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// CreateStream makes a stream. A server still deletes the files of a stream for a moment after it said that the stream is gone, and
// refuses one of the same name meanwhile ("error creating store for stream"): that is asked again, for 10 s at most.
func CreateStream(t testing.TB, js jetstream.JetStream, c jetstream.StreamConfig) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := js.CreateStream(t.Context(), c)
		if err == nil {
			return
		}
		var refused *jetstream.APIError
		if !errors.As(err, &refused) || refused.ErrorCode != codeStreamNotMade || time.Since(begin) > 10*time.Second {
			t.Fatalf("making stream %s: %v", c.Name, err)
		}
	}
}

// AwaitStream waits until a server that was restarted answers for a stream again. Each question has a second: one that is sent before the
// client knows of the restart is never answered, and would last as long as its context.
func AwaitStream(t testing.TB, js jetstream.JetStream, name string) {
	t.Helper()
	Eventually(t, "stream "+name+" is there again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Stream(ctx, name)
		return err == nil
	})
}

// codeStreamNotMade is the server's JSStreamCreateErrF, which nats.go does not name.
const codeStreamNotMade jetstream.ErrorCode = 10049
