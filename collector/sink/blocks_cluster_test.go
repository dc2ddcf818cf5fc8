package sink

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// publishSurely publishes a message of publishNumbered, once, however often its servers end meanwhile.
func (b *bench) publishSurely(n int) {
	b.t.Helper()
	var e flow.Encoder
	payload := e.AppendDelimited(nil, &flow.Record{Bytes: uint64(2 * n)})
	m := nats.NewMsg("flows.a.b.ipfix")
	m.Data = e.AppendDelimited(payload, &flow.Record{Bytes: uint64(2*n + 1)})
	m.Header.Set(publish.HeaderEncoding, publish.EncodingProtobuf)
	m.Header.Set(publish.HeaderCount, "2")
	natstest.Eventually(b.t, "a message is published", func() bool {
		ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Second)
		defer cancel()
		_, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgID(strconv.Itoa(n)))
		return err == nil
	})
}

// Streams, consumers and the bucket have three replicas each; servers and sinks end at any time.
func TestBlocksOfAStreamWithReplicasAreStoredOnceWhateverEnds(t *testing.T) {
	for name, retention := range map[string]jetstream.RetentionPolicy{"limits": jetstream.LimitsPolicy, "work queue": jetstream.WorkQueuePolicy,
		"interest": jetstream.InterestPolicy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.StartCluster(t, 3)
			everywhere := func(o *nats.Options) error { o.Servers = c.URLs(); return nil }
			js, err := jetstream.New(c.Servers[0].Connect(everywhere))
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{t: t, server: c.Servers[0], js: js, memory: &memory{batches: make(map[string]string)}}
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, Replicas: 3, Retention: retention,
				AllowDirect: true})
			g := rand.New(rand.NewPCG(1, 2))
			b.memory.answer(func(context.Context, Batch) error {
				time.Sleep(30 * time.Millisecond)
				return nil
			})
			kills := make([]func(), 3)
			var sinks []*Sink
			start := func(i int) {
				s, kill, _ := b.replica(inBlocks(), everywhere)
				sinks, kills[i] = append(sinks, s), kill
			}
			start(0)
			natstest.Eventually(t, "there is a list", func() bool { return b.list() != nil })
			start(1)
			start(2)
			n := 0
			const rounds = 8
			for round := range rounds {
				down := c.Servers[round/2%3]
				if round%2 == 0 {
					down.Stop()
				}
				for range 20 {
					b.publishSurely(n)
					n++
				}
				time.Sleep(time.Duration(g.IntN(300)) * time.Millisecond)
				i := g.IntN(len(kills))
				kills[i]()
				start(i)
				if round%2 == 1 {
					down.Restart()
				}
			}
			b.rest("sink")
			b.exactly(n)
			total := Books{}
			for _, s := range sinks {
				books := s.Books()
				balanced(t, books)
				total.InBlocks.Messages += books.InBlocks.Messages
				total.Unsure.Messages += books.Unsure.Messages
				total.Redelivered += books.Redelivered
			}
			if total.Unsure != (Count{}) || total.InBlocks.Messages == 0 {
				t.Errorf("%+v", total)
			}
			t.Logf("figure: %d messages in %d blocks, %d came again", total.InBlocks.Messages, len(b.memory.blocks()), total.Redelivered)
		})
	}
}

// The sink's user has the rights of docs/nats.md there, and no other.
func TestBlocksAreMadeThroughALeafNode(t *testing.T) {
	documented := natstest.DocumentedPermissions(t, "Sinks with blocks", natstest.Names{Bucket: bucket, Stream: "flows"})
	allowed := append(natstest.InDomain("leaf", append(documented, "$JS.API.CONSUMER.INFO.flows.sink", "$JS.API.CONSUMER.MSG.NEXT.flows.sink",
		"$JS.API.CONSUMER.CREATE.flows.sink")), "$JS.ACK.>")
	server := natstest.StartBehindLeaf(t, "leaf", natstest.As(allowed))
	admin, err := jetstream.NewWithDomain(server.Connect(nats.UserInfo("admin", "admin")), "leaf")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: server, js: admin, memory: &memory{batches: make(map[string]string)}}
	b.makeStream()
	if b.js, err = jetstream.NewWithDomain(server.Connect(nats.UserInfo("fleet", "secret")), "leaf"); err != nil {
		t.Fatal(err)
	}
	o := inBlocks()
	h := b.hand(o)
	b.js = admin
	b.publishNumbered(0, 10)
	noted := h.begin(h.take(10)) // and it ends
	if b.js, err = jetstream.NewWithDomain(server.Connect(nats.UserInfo("fleet", "secret")), "leaf"); err != nil {
		t.Fatal(err)
	}
	s, stop := b.start(o)
	b.js = admin
	b.publishNumbered(10, 10)
	books := b.ends(stop, 20)
	if state := s.State(); state.Noting+state.Fetching != "" || books.InBlocks.Messages < 10 || !slices.ContainsFunc(b.memory.blocks(), func(token string) bool {
		return strings.HasSuffix(token, noted.Digest)
	}) {
		t.Errorf("%+v, %+v, %v", state, books, b.memory.blocks())
	}
}
