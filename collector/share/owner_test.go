package share

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func owned(by string) func(*config.TemplateStore) {
	return func(c *config.TemplateStore) { c.Owner = by }
}

// sign makes the bucket as the operator of a fleet does.
func sign(t *testing.T, s *natstest.Server, metadata map[string]string) {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	c := BucketConfig(config.Default().Templates)
	c.MaxBytes, c.Metadata = -1, metadata
	if _, err := js.CreateKeyValue(context.Background(), c); err != nil {
		t.Fatal(err)
	}
}

func TestCollectorsRefuseABucketOfAnotherFleetAndSaySo(t *testing.T) {
	teamA := map[string]string{MetadataNamespace: "team-a", MetadataName: "edge", "flowfleet.io/uid": "1"}
	for _, test := range []struct {
		about    string
		metadata map[string]string
		owner    string
		refused  string
	}{
		{"its own", teamA, "team-a/edge", ""},
		{"nobody's", nil, "team-a/edge", ""},
		{"nobody's, of a collector without an operator", nil, "", ""},
		{"another namespace's", teamA, "team-b/edge", "of the fleet team-a/edge and this collector is of team-b/edge"},
		{"another one's of the namespace", teamA, "team-a/core", "team-a/core"},
		{"one of an operator, of a collector without", teamA, "", "has no templateStore.owner"},
		{"one whose names run together to the same", map[string]string{MetadataNamespace: "team", MetadataName: "a-edge"}, "team-a/edge", "team/a-edge"},
	} {
		t.Run(test.about, func(t *testing.T) {
			s := natstest.Start(t)
			sign(t, s, test.metadata)
			m := join(t, s, owned(test.owner))
			if test.refused == "" {
				m.learn(4739, 256, 4, 100)
				m.settled()
				return
			}
			natstest.Eventually(t, "the collector says "+test.refused, func() bool {
				return strings.Contains(m.bucket.Status().LastError, test.refused)
			})
			m.learn(4739, 256, 4, 100)
			other := join(t, s, owned("team-a/edge"), func(c *config.TemplateStore) {
				if test.metadata[MetadataName] == "a-edge" {
					c.Owner = "team/a-edge"
				}
			})
			other.learn(4739, 257, 4, 100)
			other.settled()
			if n := keys(t, s); n != 1 {
				t.Errorf("the bucket has %d keys, not only the one of its owner", n)
			}
		})
	}
}

func keys(t *testing.T, s *natstest.Server) int {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(context.Background(), config.Default().Templates.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	list, err := kv.Keys(context.Background())
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Fatal(err)
	}
	return len(list)
}

// A collector that is there before the operator signs what it makes, so that no other fleet takes it for nobody's.
func TestABucketThatACollectorMakesIsItsFleets(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s, owned("team-a/edge"))
	a.learn(4739, 256, 4, 100)
	a.settled() // it has made the bucket
	b := join(t, s, owned("team-b/edge"))
	natstest.Eventually(t, "the other fleet's collector refuses it", func() bool {
		return strings.Contains(b.bucket.Status().LastError, "team-a/edge")
	})
}
