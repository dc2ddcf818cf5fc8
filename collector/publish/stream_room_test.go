package publish

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

func TestFlowsArePublishedThroughAStoreThatIsSmallerThanTheStandardSize(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = 150 << 20 })
	p := start(t, s, output(func(o *config.Output) { o.Stream.MaxBytes = 0 }))
	submit(p, 0, 10, 100)
	natstest.Eventually(t, "all is published", func() bool { return p.Stats().Published == 10 })
	check(t, p)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "flows")
	if err != nil {
		t.Fatal(err)
	}
	if have := stream.CachedInfo().Config.MaxBytes; have <= 0 || have > 150<<20 {
		t.Errorf("the stream has %d bytes", have)
	}
	if differences := p.Status().Differences; len(differences) > 0 {
		t.Errorf("a size that was left open differs: %v", differences)
	}
}

func TestAStreamThatHasNoRoomIsSaidWithWhatToDo(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	log := &lines{}
	c := output(func(o *config.Output) { o.Stream.MaxBytes = 1 << 30 })
	p, err := New(c, "test", s.Connect(), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Close(ctx)
	})
	natstest.Eventually(t, "the log says what to do", func() bool {
		return strings.Contains(log.String(), "stream=flows") && strings.Contains(log.String(), "ask for a smaller maxBytes")
	})
}
