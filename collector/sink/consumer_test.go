package sink

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// A stream with the retention Interest keeps only what a consumer is to read: one that is made late has lost what came before it.
func TestWhatIsPublishedWhileTheDestinationWasNeverThereIsKeptAndCounted(t *testing.T) {
	b := &bench{t: t, server: natstest.Start(t), memory: &memory{batches: make(map[string]string), away: errors.New("nobody answers")}}
	var err error
	if b.js, err = jetstream.New(b.server.Connect()); err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, Retention: jetstream.InterestPolicy})
	s, stop := b.start(options())
	natstest.Eventually(t, "the consumer is there, and the destination is what is not ready", func() bool {
		state := s.State()
		return state.Known && state.Reading == "" && state.NATS == "" && state.Checking == "nobody answers"
	})
	b.publishMany(10, 3)
	natstest.Eventually(t, "what waits is counted", func() bool { return s.State().Pending == 10 })
	if b.memory.attempts() != 0 || s.Books().Read != (Count{}) {
		t.Errorf("it was read before there was a place for it: %+v", s.Books())
	}
	b.memory.leave(nil)
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Stored != (Count{10, 30}) {
		t.Errorf("%+v", books)
	}
}

func TestAConsumerThatIsDeletedWhileTheDestinationIsAwayIsMadeAgain(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.memory.leave(errors.New("nobody answers"))
	s, _ := b.start(options())
	natstest.Eventually(t, "the consumer is there", func() bool { return s.State().Known })
	if err := b.js.DeleteConsumer(t.Context(), "flows", "sink"); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is there again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.js.Consumer(ctx, "flows", "sink")
		return err == nil
	})
}

// Readers of one consumer share its messages: one with another wish would have the messages of this one, and this one those of the other.
func TestAConsumerIsOnlySharedByThoseWhoWantTheSame(t *testing.T) {
	b := &bench{t: t, server: natstest.Start(t), memory: &memory{batches: make(map[string]string)}}
	var err error
	if b.js, err = jetstream.New(b.server.Connect()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name               string
		stream, have, want []string
		refused            bool
	}{
		{name: "everything, twice", stream: []string{"flows.>"}},
		{name: "the same subject", stream: []string{"flows.>"}, have: []string{"flows.a.edge.>"}, want: []string{"flows.a.edge.>"}},
		{name: "the same subjects in another order", stream: []string{"flows.>"}, have: []string{"flows.*.*.ipfix", "flows.*.*.sflow"},
			want: []string{"flows.*.*.sflow", "flows.*.*.ipfix"}},
		{name: "two FlowSinks of one name", stream: []string{"flows.>"}, have: []string{"flows.a.edge.>"}, want: []string{"flows.b.edge.>"}, refused: true},
		{name: "a part", stream: []string{"flows.>"}, have: []string{"flows.*.*.ipfix"}, want: []string{"flows.>"}, refused: true},
		{name: "more than a part", stream: []string{"flows.>"}, have: []string{"flows.*.*.ipfix", "flows.*.*.sflow"}, want: []string{"flows.*.*.sflow"}, refused: true},
		{name: "everything, where a part is wanted", stream: []string{"flows.>"}, want: []string{"flows.a.edge.>"}, refused: true},
		{name: "a part, where everything is wanted", stream: []string{"flows.>"}, have: []string{"flows.a.edge.>"}, refused: true},
		{name: "everything, and that is the fleet's", stream: []string{"flows.a.edge.>"}, want: []string{"flows.a.edge.>"}},
		{name: "the fleet's, and that is everything", stream: []string{"flows.a.edge.>"}, have: []string{"flows.a.edge.>"}},
		{name: "more than there is", stream: []string{"flows.a.edge.>"}, have: []string{"flows.>"}, want: []string{"flows.a.edge.>"}},
		{name: "one of two subjects of the stream", stream: []string{"flows.a.>", "flows.b.>"}, want: []string{"flows.a.>"}, refused: true},
		{name: "both subjects of the stream", stream: []string{"flows.a.>", "flows.b.>"}, want: []string{"flows.b.>", "flows.a.>"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: test.stream, Storage: jetstream.MemoryStorage})
			t.Cleanup(func() {
				if err := b.js.DeleteStream(context.Background(), "flows"); err != nil {
					t.Error(err)
				}
			})
			if _, err := b.js.CreateConsumer(t.Context(), "flows", jetstream.ConsumerConfig{Durable: "sink", FilterSubjects: test.have,
				AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
				t.Fatal(err)
			}
			o := options()
			o.FilterSubjects = test.want
			s, stop := b.start(o)
			defer stop()
			if !test.refused {
				natstest.Eventually(t, "it reads", func() bool { return s.State().Reading == "" })
				return
			}
			natstest.Eventually(t, "it says what to do", func() bool {
				reading := s.State().Reading
				return strings.Contains(reading, "name another consumer") && strings.Contains(reading, "nats consumer rm flows sink")
			})
		})
	}
}

// Others may change a consumer while it is read. What it then leaves out nobody would ever store.
func TestAConsumerThatOthersChangeIsNotReadAnyMore(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*jetstream.ConsumerConfig)
		says   string
	}{
		"to give up after some deliveries": {func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 3 }, "does not suit"},
		"to leave out what messages have":  {func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, "does not suit"},
		"to deliver a part":                {func(c *jetstream.ConsumerConfig) { c.FilterSubject = "flows.a.b.sflow" }, "name another consumer"},
		"to pause":                         {nil, "of stream flows is paused for "},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			s, _ := b.start(options())
			b.publishMany(1, 2)
			b.rest("sink")
			consumer, err := b.js.Consumer(t.Context(), "flows", "sink")
			if err != nil {
				t.Fatal(err)
			}
			as, changed := consumer.CachedInfo().Config, consumer.CachedInfo().Config
			if test.change == nil {
				_, err = b.js.PauseConsumer(t.Context(), "flows", "sink", time.Now().Add(time.Hour))
			} else {
				test.change(&changed)
				_, err = b.js.UpdateConsumer(t.Context(), "flows", changed)
			}
			if err != nil {
				t.Fatal(err)
			}
			b.publishMany(4, 2)
			natstest.Eventually(t, "it says so", func() bool {
				_ = s.ask(t.Context()) // as it does by itself in a while
				return strings.Contains(s.State().Reading, test.says)
			})
			if changed.HeadersOnly && b.memory.len() != 1 {
				t.Errorf("%d batches were stored", b.memory.len())
			}
			if test.change == nil {
				_, err = b.js.ResumeConsumer(t.Context(), "flows", "sink")
			} else {
				_, err = b.js.UpdateConsumer(t.Context(), "flows", as)
			}
			if err != nil {
				t.Fatal(err)
			}
			b.rest("sink")
			books := s.Books()
			balanced(t, books)
			if b.memory.len() != 5 {
				t.Errorf("%d batches are stored of 5, %+v", b.memory.len(), books)
			}
		})
	}
}

// A consumer that goes on where another one was keeps its place also in a stream that came back empty: until the numbers get there, it delivers
// nothing, and nothing is pending.
func TestAConsumerThatBeginsBeyondItsStreamIsNotTakenForOneThatKeepsUp(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishMany(10, 1)
	begin := func(start uint64) {
		t.Helper()
		if _, err := b.js.CreateConsumer(t.Context(), "flows", jetstream.ConsumerConfig{Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute,
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start}); err != nil {
			t.Fatal(err)
		}
	}
	begin(5000)
	s, stop := b.start(options())
	saysSo := func() bool { return strings.Contains(s.State().Reading, "nats consumer rm flows sink") }
	natstest.Eventually(t, "it says so", saysSo)
	b.deleteConsumer()
	natstest.Eventually(t, "all is stored", func() bool { return b.memory.len() == 10 })
	balanced(t, stop())

	b.deleteConsumer()
	begin(20)
	s, stop = b.start(options())
	natstest.Eventually(t, "it says so", saysSo)
	b.publishMany(15, 1) // 25: it delivers the last 6, and has left out the 9 before
	if err := s.ask(t.Context()); err == nil || !strings.Contains(err.Error(), "nats consumer rm flows sink") {
		t.Errorf("what was left out is forgotten: %v", err)
	}
	stop()

	b.deleteConsumer()
	begin(26) // the next one
	s, stop = b.start(options())
	b.publishMany(3, 1)
	b.rest("sink")
	if books := stop(); s.State().Reading != "" || books.Stored.Messages != 3 {
		t.Errorf("%q, %+v", s.State().Reading, books)
	}
	if err := s.reaches(t.Context(), &jetstream.ConsumerInfo{Config: jetstream.ConsumerConfig{OptStartSeq: 5000}, Delivered: jetstream.SequenceInfo{Stream: 28}}); err != nil {
		t.Errorf("a server set it back, and it delivers all that comes: %v", err)
	}
}
