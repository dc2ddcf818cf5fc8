package share

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

// life does all that collectors do with a bucket, and returns what was refused to them. It ends with the first refusal.
func life(t *testing.T, s *natstest.Server, where ...*config.NATS) (denied []string) {
	t.Helper()
	var denials natstest.Denials
	c := config.Default().Templates
	c.MaxBytes = -1
	if len(where) > 0 {
		c.NATS = where[0]
	}
	begin := func(relist time.Duration) *member {
		m := &member{t: t}
		stores := m.stores(c, template.Limits{Exporters: 1000, Templates: 1000, Fields: 100})
		var err error
		if m.bucket, err = New(c, t.Name(), s.ConnectAs(&denials), stores, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		m.bucket.probeInterval, m.bucket.relistInterval = 100*time.Millisecond, relist
		m.observe()
		m.run()
		return m
	}
	refused := func() bool { return len(denials.Subjects()) > 0 }
	until := func(what string, condition func() bool) bool {
		natstest.Eventually(t, what, func() bool { return condition() || refused() })
		return !refused()
	}
	js, err := connect.JetStream(s.Connect(nats.UserInfo("admin", "admin")), c.NATS)
	if err != nil {
		t.Fatal(err)
	}
	keys := func() uint64 {
		stream, err := js.Stream(context.Background(), "KV_"+c.Bucket)
		if err != nil {
			return 0
		}
		return stream.CachedInfo().State.Msgs
	}

	first := begin(time.Hour)
	first.learn(4739, 256, 4, 100)
	if !until("what was learned is in the bucket", func() bool { return keys() == 1 }) {
		return denials.Subjects()
	}
	// More than the server sends before it waits for an answer.
	for i := range 3000 {
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.%s.x%d", c.Bucket, i), make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
	}
	second := begin(300 * time.Millisecond)
	loaded := func() bool {
		select {
		case <-second.bucket.Loaded():
			return true
		default:
			return false
		}
	}
	if !until("a full bucket is read", loaded) ||
		!until("it is read again", func() bool { return second.bucket.stats.relists.Load() > 1 }) {
		return denials.Subjects()
	}
	var key template.Key
	first.bucket.mu.Lock()
	for key = range first.bucket.known {
		break
	}
	kv := first.bucket.kv
	first.bucket.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := first.bucket.read(ctx, kv, key, 0); err != nil && !refused() {
		t.Errorf("reading one: %v", err)
	}
	return denials.Subjects()
}

// Each permission of docs/nats.md is needed, and all together are enough.
func TestCollectorsNeedEachPermissionOfTheDocumentationForTheBucketAndNoMore(t *testing.T) {
	bucket := config.Default().Templates.Bucket
	all := natstest.DocumentedPermissions(t, "Collectors", natstest.Names{Bucket: bucket, Stream: "flows", Flows: "flows"})
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		if denied := life(t, natstest.Start(t, natstest.As(all))); len(denied) > 0 {
			t.Errorf("with all of them: %q", denied)
		}
	})
	for i, subject := range all {
		if !strings.Contains(subject, bucket) && subject != "$JS.API.INFO" {
			continue // of the stream: package publish
		}
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			without := slices.Delete(slices.Clone(all), i, i+1)
			denied := life(t, natstest.Start(t, natstest.As(without)))
			if len(denied) == 0 && strings.HasPrefix(subject, "$JS.FC.") {
				t.Skip("the server asked for no flow control: it does so only where a reader falls behind")
			}
			if len(denied) == 0 || !strings.HasPrefix(denied[0], strings.TrimSuffix(subject, ">")) {
				t.Errorf("without it: %q is refused", denied)
			}
		})
	}
}

func TestCollectorsShareThroughADomainBehindALeafNodeWithTheDocumentedPermissions(t *testing.T) {
	bucket := config.Default().Templates.Bucket
	all := natstest.DocumentedPermissions(t, "Collectors", natstest.Names{Bucket: bucket, Stream: "flows", Flows: "flows"})
	s := natstest.StartBehindLeaf(t, "leaf", natstest.As(natstest.InDomain("leaf", all)))
	if denied := life(t, s, &config.NATS{Domain: "leaf"}); len(denied) > 0 {
		t.Errorf("%q is refused", denied)
	}
}
