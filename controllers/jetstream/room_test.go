package jetstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// openSizes are what a FlowCollector without maxBytes asks for.
func openSizes() (config.TemplateStore, config.Stream) {
	return templates(func(c *config.TemplateStore) { c.MaxBytes = 0 }), flows(func(c *config.Stream) { c.MaxBytes = 0 })
}

func TestWithoutMaxBytesABucketAndAStreamFitWhatTheServerHas(t *testing.T) {
	for name, test := range map[string]struct {
		room           int64
		bucket, stream config.Size
	}{
		"plenty":                  {1 << 40, 256 << 20, 10 << 30},
		"a chart's 10Gi":          {10 << 30, 256 << 20, 2560 << 20},
		"1Gi":                     {1 << 30, 256 << 20, 640 << 20},
		"a store of 200Mi":        {200 << 20, 64 << 20, 40 << 20},
		"hardly any":              {40 << 20, 16 << 20, 16 << 20},
		"neither quarter nor all": {257 << 20, 256 << 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = test.room })
			c, js := open(t, s.URL()), administrator(t, s)
			bucket, stream := openSizes()
			mustBucket(t, c, edge, bucket, false)
			if got := configOf(t, js, "KV_"+bucket.Bucket).MaxBytes; got != int64(test.bucket) {
				t.Errorf("the bucket has %s, want %s", config.Size(got), test.bucket)
			}
			_, err := c.EnsureStream(background(t), edge, stream, false)
			if test.stream == 0 {
				if err == nil || !strings.Contains(err.Error(), "creating stream flows") || !strings.Contains(err.Error(), "give JetStream more room") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := configOf(t, js, stream.Name).MaxBytes; got != int64(test.stream) {
				t.Errorf("the stream has %s, want %s", config.Size(got), test.stream)
			}
			// What has a size keeps it, and is no difference.
			again := mustStream(t, c, edge, stream, false)
			saysNothing(t, again.Changed)
			saysNothing(t, again.Kept)
			saysNothing(t, mustBucket(t, c, edge, bucket, false).Kept)
		})
	}
}

func TestAnAccountsLimitIsFittedToo(t *testing.T) {
	account := server.NewAccount("flows")
	s := natstest.Start(t, func(o *server.Options) {
		o.Accounts = []*server.Account{account}
		o.Users = []*server.User{{Username: "collector", Password: "secret", Account: account}}
		o.JetStreamMaxStore = 1 << 40
	})
	if err := s.LimitAccount("flows", 1<<30); err != nil {
		t.Fatal(err)
	}
	c, err := Connect(background(t), &Server{URLs: []string{s.URL()}, User: "collector", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	bucket, stream := openSizes()
	mustBucket(t, c, edge, bucket, false)
	mustStream(t, c, edge, stream, false)
}

// overReserved is JetStream of servers that have reserved more than they have, as those of a cluster may: they refuse any change, also of
// metadata only.
type overReserved struct{ jetstream.JetStream }

func (overReserved) UpdateStream(context.Context, jetstream.StreamConfig) (jetstream.Stream, error) {
	return nil, &jetstream.APIError{Code: 500, ErrorCode: 10047, Description: "insufficient storage resources available"}
}

func TestAFleetThatIsMadeAgainIsReadyWhereThereIsNoRoomToSignWhatItHas(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	bucket, stream := openSizes()
	mustBucket(t, c, edge, bucket, false)
	mustStream(t, c, edge, stream, false)
	again, room := edge, c.js
	again.UID = "uid-2"
	c.js = overReserved{room}
	b, st := mustBucket(t, c, again, bucket, false), mustStream(t, c, again, stream, false)
	for what, kept := range map[string][]string{"bucket": b.Kept, "stream": st.Kept} {
		if len(kept) != 1 || !strings.Contains(kept[0], "give JetStream more room") {
			t.Errorf("%s: kept %q", what, kept)
		}
	}
	if len(b.Changed)+len(st.Changed) > 0 || !b.Managed || !st.Managed {
		t.Errorf("changed %v and %v, managed %t and %t", b.Changed, st.Changed, b.Managed, st.Managed)
	}
	if _, err := c.EnsureStream(background(t), again, flows(func(c *config.Stream) { c.MaxAge = config.Duration(1000 * time.Hour) }), false); err == nil {
		t.Error("a setting that was refused is no error")
	}
	c.js = room
	if changed := mustStream(t, c, again, stream, false).Changed; len(changed) != 1 || !strings.Contains(changed[0], "taken over") {
		t.Errorf("with room: %v", changed)
	}
}

func TestAClusterWithoutRoomIsNotSaidToHaveTooFewServers(t *testing.T) {
	cluster := natstest.StartCluster(t, 3, func(o *server.Options) { o.JetStreamMaxStore = 100 << 20 })
	c := open(t, cluster.URLs()...)
	three := func(c *config.Stream) { c.Replicas = 3 }
	_, err := c.EnsureStream(background(t), edge, flows(three, func(c *config.Stream) { c.MaxBytes = 1 << 30 }), false)
	var replicas *ReplicasError
	if err == nil || errors.As(err, &replicas) || !strings.Contains(err.Error(), "smaller maxBytes") {
		t.Errorf("1Gi where 100Mi are: %v", err)
	}
	mustStream(t, c, edge, flows(three, func(c *config.Stream) { c.MaxBytes = 0 }), false)
	// Raising it beyond what is there is refused in the same words.
	_, err = c.EnsureStream(background(t), edge, flows(three, func(c *config.Stream) { c.MaxBytes = 1 << 30 }), false)
	if err == nil || errors.As(err, &replicas) || !strings.Contains(err.Error(), "smaller maxBytes") {
		t.Errorf("raising to 1Gi where 100Mi are: %v", err)
	}
}

func TestAHostWithoutDotsBelongsToTheFlowCollectorsNamespace(t *testing.T) {
	for address, want := range map[string]string{
		"nats:4222":             "nats.flows:4222",
		"nats.nats:4222":        "nats.nats:4222",
		"nats.:4222":            "nats.:4222",
		"localhost:4222":        "localhost:4222",
		"192.0.2.1:4222":        "192.0.2.1:4222",
		"[2001:db8::1]:4222":    "[2001:db8::1]:4222",
		"[::1]:4222":            "[::1]:4222",
		"no address whatsoever": "no address whatsoever",
	} {
		if got := qualified(address, "flows"); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	if got := qualified("nats:4222", ""); got != "nats:4222" {
		t.Errorf("without a namespace: %s", got)
	}
	// The whole way: the name that is looked up is the one that the collectors' resolver finds.
	_, err := Connect(background(t), &Server{URLs: []string{"nats://nats-of-nobody:4222"}, Namespace: "flows.invalid"})
	if err == nil || !strings.Contains(err.Error(), "lookup nats-of-nobody.flows.invalid") {
		t.Errorf("%v", err)
	}
}
