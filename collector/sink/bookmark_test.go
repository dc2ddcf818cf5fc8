package sink

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
)

// mark writes a bookmark of what a sink says of its place, as the operator does, and returns the file.
func (b *bench) mark(s *Sink) string {
	b.t.Helper()
	place, err := s.Place(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := place.Bookmark().Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.t.TempDir(), status.BookmarkFile)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

func (b *bench) deleteConsumer() {
	b.t.Helper()
	if err := b.js.DeleteConsumer(b.t.Context(), "flows", "sink"); err != nil {
		b.t.Fatal(err)
	}
}

// A destination knows for a while only what it has: what comes again after that is stored twice.
func TestAConsumerThatSomebodyDeletedGoesOnWhereItWas(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	s, stop := b.start(options())
	b.publishMany(20, 1)
	b.rest("sink")
	if err := s.ask(t.Context()); err != nil { // as it does by itself every 10 seconds
		t.Fatal(err)
	}
	b.deleteConsumer()
	b.publishMany(5, 1)
	b.rest("sink")
	if n := b.memory.attempts(); n != 25 || b.memory.len() != 25 {
		t.Errorf("%d batches were stored in %d attempts, of 25", b.memory.len(), n)
	}
	place, err := s.Place(t.Context())
	if err != nil || place.Start != 21 {
		t.Errorf("%+v, %v", place, err)
	}
	if err := s.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.BookmarkFile = b.mark(s)
	balanced(t, stop())

	// All sinks were away when somebody deleted it: another one goes by the operator's word.
	b.deleteConsumer()
	b.publishMany(5, 1)
	_, stop = b.start(o)
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if n := b.memory.attempts(); n != 30 || b.memory.len() != 30 || books.Read != (Count{5, 5}) {
		t.Errorf("%d batches were stored in %d attempts, of 30: %+v", b.memory.len(), n, books)
	}
}

// What was not acknowledged comes again, whatever came behind it.
func TestAConsumerThatSomebodyDeletedLeavesOutNothing(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishMany(20, 1)
	third := ""
	b.memory.answer(func(ctx context.Context, batch Batch) error {
		b.memory.mu.Lock()
		if third == "" && len(b.memory.batches) == 3 {
			third = batch.Token
		}
		mine := third == batch.Token
		b.memory.mu.Unlock()
		if mine {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	s, stop := b.start(options())
	natstest.Eventually(t, "all but one are stored", func() bool { return b.memory.len() == 19 })
	if err := s.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.BookmarkFile = b.mark(s)
	b.deleteConsumer()
	balanced(t, stop())
	b.memory.answer(nil)
	_, stop = b.start(o)
	b.rest("sink")
	balanced(t, stop())
	if b.memory.len() != 20 {
		t.Errorf("%d of 20 are stored", b.memory.len())
	}
}

// A server that lost its volume brings a stream of one copy back empty, as old as before. What it had said to be acknowledged has numbers that
// other messages get now.
func TestABookmarkOfAStreamThatCameBackEmptyIsNotFollowed(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishMany(20, 1)
	s, stop := b.start(options())
	b.rest("sink")
	if err := s.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.BookmarkFile = b.mark(s)
	stop()
	for name, test := range map[string]struct {
		delivered, floor uint64
		want             []uint64
	}{
		"what it takes goes on":           {25, 24, []uint64{24, 20}},
		"it is where it was":              {20, 20, []uint64{20, 20}},
		"some acknowledgements were lost": {20, 15, []uint64{20, 20}},
		"it is empty":                     {0, 0, nil},
		"it has taken some again":         {10, 10, []uint64{10}},
	} {
		t.Run(name, func(t *testing.T) {
			made := New(b.js, o, b.memory, slog.New(slog.DiscardHandler))
			look := func(delivered, floor uint64) {
				made.remember(t.Context(), &jetstream.ConsumerInfo{Created: s.streamOf, Delivered: jetstream.SequenceInfo{Stream: delivered},
					AckFloor: jetstream.SequenceInfo{Stream: floor}})
			}
			look(20, 20)
			look(test.delivered, test.floor)
			marks, err := made.bookmarks()
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, mark := range marks {
				got = append(got, mark.Acknowledged)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, not %v", got, test.want)
			}
		})
	}
}

// A bookmark is of one stream, and of the subjects that were read: where it is not, everything comes.
func TestABookmarkOfSomethingElseIsNotFollowed(t *testing.T) {
	for name, change := range map[string]func(b *bench, o *Options){
		"of the stream that was there before": func(b *bench, _ *Options) {
			if err := b.js.DeleteStream(b.t.Context(), "flows"); err != nil {
				b.t.Fatal(err)
			}
			b.makeStream()
			b.publishMany(10, 1)
		},
		"of other subjects":   func(_ *bench, o *Options) { o.FilterSubjects = []string{"flows.a.b.ipfix"} },
		"of another consumer": func(_ *bench, o *Options) { o.Consumer = "other" },
		"none":                func(_ *bench, o *Options) { o.BookmarkFile += "-missing" },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			b.publishMany(10, 1)
			s, stop := b.start(options())
			b.rest("sink")
			o := options()
			o.BookmarkFile = b.mark(s)
			stop()
			b.deleteConsumer()
			change(b, &o)
			_, stop = b.start(o)
			b.rest(o.Consumer)
			if books := stop(); books.Stored != (Count{10, 10}) {
				t.Errorf("%+v", books)
			}
		})
	}
}

// A stream for work keeps nothing that is acknowledged, and takes no consumer that begins elsewhere.
func TestAConsumerOfAStreamForWorkIsMadeAgain(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, Retention: jetstream.WorkQueuePolicy})
	s, stop := b.start(options())
	b.publishMany(5, 1)
	b.rest("sink")
	if err := s.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.deleteConsumer()
	b.publishMany(5, 1)
	natstest.Eventually(t, "all are stored", func() bool { return b.memory.len() == 10 })
	balanced(t, stop())
}
