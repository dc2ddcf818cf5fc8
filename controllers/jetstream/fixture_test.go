package jetstream

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/share"
)

var (
	edge  = Owner{Namespace: "network", Name: "edge", UID: "uid-1"}
	other = Owner{Namespace: "network", Name: "core", UID: "uid-2"}
)

// again is the object of edge's name that was made after edge was deleted.
var again = Owner{Namespace: "network", Name: "edge", UID: "uid-3"}

// key is one of our layout.
const key = "t1.ipfix.192-0-2-1.7.any.256"

func templates(change ...func(*config.TemplateStore)) config.TemplateStore {
	c := config.Default().Templates
	c.MaxBytes = 1 << 20
	for _, f := range change {
		f(&c)
	}
	return c
}

func flows(change ...func(*config.Stream)) config.Stream {
	c := config.Default().Output.Stream
	c.MaxBytes = 1 << 20
	for _, f := range change {
		f(&c)
	}
	return c
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open connects as the operator does.
func open(t *testing.T, urls ...string) *Connection {
	t.Helper()
	c, err := Connect(background(t), &Server{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// administrator is somebody else with the same server.
func administrator(t *testing.T, s *natstest.Server) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Connect(nats.ReconnectBufSize(1 << 20)))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// configOf reads a stream's configuration as the server has it, without what the server itself notes in it.
func configOf(t *testing.T, js jetstream.JetStream, stream string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(background(t), stream)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	for k := range c.Metadata {
		if strings.HasPrefix(k, "_nats.") {
			delete(c.Metadata, k)
		}
	}
	return c
}

func exists(t *testing.T, js jetstream.JetStream, stream string) bool {
	t.Helper()
	_, err := js.Stream(background(t), stream)
	return err == nil
}

// create makes a stream or bucket as somebody else would.
// bucketAsCollectors is the configuration of the stream behind a bucket that a collector makes.
func bucketAsCollectors(t *testing.T, want config.TemplateStore) jetstream.StreamConfig {
	t.Helper()
	s := natstest.Start(t)
	js := administrator(t, s)
	want.Replicas = 1
	if _, err := js.CreateKeyValue(background(t), share.BucketConfig(want)); err != nil {
		t.Fatal(err)
	}
	c := configOf(t, js, "KV_"+want.Bucket)
	c.Metadata = nil
	return c
}

func streamAsCollectors(want config.Stream) jetstream.StreamConfig { return publish.StreamConfig(want) }

// writes counts the requests that change something, from now on and until it is called, by a connection.
func writes(t *testing.T, s *natstest.Server) func(by *Connection) int64 {
	t.Helper()
	nc := s.Connect()
	var count int64
	mark := nats.NewInbox()
	marked := make(chan int64, 1)
	if _, err := nc.Subscribe(">", func(m *nats.Msg) {
		switch {
		case m.Subject == mark:
			marked <- count
		case slices.ContainsFunc([]string{"CREATE", "UPDATE", "DELETE", "PURGE"}, func(verb string) bool {
			return strings.HasPrefix(m.Subject, "$JS.API.STREAM."+verb+".")
		}):
			count++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func(by *Connection) int64 {
		t.Helper()
		// What a connection sends arrives in order.
		if err := by.nc.Publish(mark, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-marked:
			return n
		case <-time.After(30 * time.Second):
			t.Fatal("the mark does not arrive")
			return 0
		}
	}
}

func mustBucket(t *testing.T, c *Connection, owner Owner, want config.TemplateStore, allowReduction bool) Bucket {
	t.Helper()
	b, err := c.EnsureBucket(background(t), owner, want, allowReduction)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustStream(t *testing.T, c *Connection, owner Owner, want config.Stream, allowReduction bool) Stream {
	t.Helper()
	s, err := c.EnsureStream(background(t), owner, want, allowReduction)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says asserts that one of the lines has all the words.
func says(t *testing.T, lines []string, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(lines, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	}) {
		t.Errorf("none of %q has all of %q", lines, words)
	}
}

func saysNothing(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) > 0 {
		t.Errorf("unexpected: %q", lines)
	}
}
