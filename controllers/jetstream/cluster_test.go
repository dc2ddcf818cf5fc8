package jetstream

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
)

// TestReplicasInACluster shares one cluster among its parts: they take most of the time to start one.
func TestReplicasInACluster(t *testing.T) {
	cluster := natstest.StartCluster(t, 3)
	js := administrator(t, cluster.Servers[0])
	c := open(t, cluster.URLs()...)
	named := func(name string, replicas int) config.TemplateStore {
		return templates(func(c *config.TemplateStore) { c.Bucket, c.Replicas = name, replicas })
	}

	t.Run("a bucket with 3 made beforehand keeps them", func(t *testing.T) {
		if _, err := js.CreateKeyValue(background(t), jetstream.KeyValueConfig{Bucket: "beforehand", Replicas: 3, MaxBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		b := mustBucket(t, c, edge, named("beforehand", 1), true)
		if b.Replicas != 3 || b.Managed || configOf(t, js, "KV_beforehand").Replicas != 3 {
			t.Errorf("%+v", b)
		}
		says(t, b.Kept, "replicas is 3, templateStore.replicas says 1", "never changed")
	})

	t.Run("they are raised, and lowered only when allowed", func(t *testing.T) {
		b := mustBucket(t, c, edge, named("raised", 1), false)
		if b.Replicas != 1 || !b.Created {
			t.Fatalf("%+v", b)
		}
		b = mustBucket(t, c, edge, named("raised", 3), false)
		if b.Replicas != 3 {
			t.Errorf("%+v", b)
		}
		says(t, b.Changed, "replicas raised from 1 to 3")
		b = mustBucket(t, c, edge, named("raised", 1), false)
		if b.Replicas != 3 {
			t.Errorf("%+v", b)
		}
		says(t, b.Kept, "replicas is 3, more than the 1 of templateStore.replicas", "templateStore.allowReduction")
		b = mustBucket(t, c, edge, named("raised", 1), true)
		if b.Replicas != 1 {
			t.Errorf("%+v", b)
		}
		says(t, b.Changed, "replicas lowered from 3 to 1")
	})

	t.Run("more than there are servers is an error, and the rest goes on", func(t *testing.T) {
		mustBucket(t, c, edge, named("many", 3), false)
		want := named("many", 5)
		want.History = 4
		b, err := c.EnsureBucket(background(t), edge, want, false)
		var refused *ReplicasError
		if !errors.As(err, &refused) || refused.Want != 5 || refused.Have != 3 || !strings.Contains(err.Error(), "goes on with 3") {
			t.Errorf("%v", err)
		}
		if b.Replicas != 3 || b.History != 4 || !b.Managed {
			t.Errorf("%+v", b)
		}
		says(t, b.Changed, "history raised from 1 to 4")
		if n := len(b.Changed); n != 1 {
			t.Errorf("%q", b.Changed)
		}
		// Nothing but the replicas is left to do.
		b, err = c.EnsureBucket(background(t), edge, want, false)
		if !errors.As(err, &refused) || b.Replicas != 3 || b.History != 4 || len(b.Changed) != 0 {
			t.Errorf("%+v, %v", b, err)
		}
		_, err = c.EnsureBucket(background(t), edge, named("toomany", 5), false)
		if !errors.As(err, &refused) || refused.Have != 0 || !strings.Contains(err.Error(), "not created") || exists(t, js, "KV_toomany") {
			t.Errorf("%v", err)
		}
	})

	t.Run("a stream's too", func(t *testing.T) {
		want := flows()
		mustStream(t, c, edge, want, false)
		want.Replicas = 3
		if st := mustStream(t, c, edge, want, false); st.Replicas != 3 {
			t.Errorf("%+v", st)
		}
		want.Replicas = 1
		if st := mustStream(t, c, edge, want, false); st.Replicas != 3 {
			t.Errorf("%+v", st)
		}
	})

	t.Run("a claimed bucket gets its replicas in the same pass", func(t *testing.T) {
		if _, err := js.CreateKeyValue(background(t), share.BucketConfig(named("claimed", 1))); err != nil {
			t.Fatal(err)
		}
		count := writes(t, cluster.Servers[0])
		b := mustBucket(t, c, edge, named("claimed", 3), false)
		if !b.Managed || b.Replicas != 3 || len(b.Changed) != 2 {
			t.Errorf("%+v", b)
		}
		if n := count(c); n != 1 {
			t.Errorf("%d writes", n)
		}
		mustBucket(t, c, edge, named("claimed", 3), false)
		if n := count(c); n != 1 {
			t.Errorf("%d writes", n)
		}
	})

	t.Run("a server that is away is named, and another one is connected to", func(t *testing.T) {
		mustBucket(t, c, edge, named("away", 3), false)
		cluster.Servers[2].Stop()
		c := open(t, cluster.URLs()...)
		natstest.Eventually(t, "the server is missed", func() bool {
			b, err := c.EnsureBucket(background(t), edge, named("away", 3), false)
			return err == nil && len(b.Offline) == 1 && b.Offline[0] == "nats-2"
		})
	})

	t.Run("without a majority requests end with a hint", func(t *testing.T) {
		cluster.Servers[1].Stop()
		c := open(t, cluster.Servers[0].URL())
		natstest.Eventually(t, "the leader is missed", func() bool {
			_, err := c.EnsureBucket(background(t), edge, named("leaderless", 1), false)
			return err != nil && strings.Contains(err.Error(), "NATS cluster")
		})
	})
}

func TestReplicasWithoutAClusterAreAnError(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	want := templates(func(c *config.TemplateStore) { c.Replicas = 3 })
	_, err := c.EnsureBucket(background(t), edge, want, false)
	var refused *ReplicasError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "at least 3 servers") || exists(t, js, "KV_flowfleet-templates") {
		t.Errorf("%v", err)
	}
	// One that a collector made is claimed all the same.
	if _, err := js.CreateKeyValue(background(t), share.BucketConfig(templates())); err != nil {
		t.Fatal(err)
	}
	b, err := c.EnsureBucket(background(t), edge, want, false)
	if !errors.As(err, &refused) || !b.Managed || b.Replicas != 1 {
		t.Errorf("%+v, %v", b, err)
	}
	says(t, b.Changed, "claimed")
	if owner, _, _ := ownerIn(configOf(t, js, "KV_flowfleet-templates").Metadata); owner != edge {
		t.Errorf("it belongs to %+v", owner)
	}
}
