package sink

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// hand is a sink that does nothing by itself, and what it has in hand.
type hand struct {
	*bench
	sink *Sink
	n    *notes
}

func (b *bench) hand(o Options) *hand {
	b.t.Helper()
	s := New(b.js, o, b.memory, slog.New(slog.DiscardHandler))
	if err := s.ask(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return &hand{b, s, s.noted()}
}

// take reads messages, as one that gathers does.
func (h *hand) take(messages int) []*held {
	h.t.Helper()
	batch, err := h.sink.consumer.Fetch(messages, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	var out []*held
	for m := range batch.Messages() {
		out = append(out, h.sink.take(h.t.Context(), m))
	}
	if len(out) != messages {
		h.t.Fatalf("%d messages of %d", len(out), messages)
	}
	return out
}

// begin notes messages as one block.
func (h *hand) begin(messages []*held) *block {
	h.t.Helper()
	var all []mark
	for _, m := range messages {
		all = append(all, m.mark())
	}
	l, err := h.n.note(h.t.Context(), all, true)
	if err != nil || len(l.Noted) != 1 {
		h.t.Fatalf("%v, %+v", err, l)
	}
	return &l.Noted[0]
}

// A message of a block waits with one sink, and another one stores and acknowledges the block meanwhile: what it acknowledged may have left the
// stream then, which says nothing of the block.
func TestABlockThatAnotherSinkStoredIsNotTakenForOneThatLostMessages(t *testing.T) {
	for name, retention := range map[string]jetstream.RetentionPolicy{"work queue": jetstream.WorkQueuePolicy, "interest": jetstream.InterestPolicy} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
				t.Fatal(err)
			}
			natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, Retention: retention})
			o := inBlocks()
			o.AckWait = time.Minute
			h := b.hand(o)
			b.publishNumbered(0, 5)
			messages := h.take(5)
			noted := h.begin(messages)
			k := h.sink.newKeeper()
			defer k.stop()
			other := b.hand(o).sink
			other.storeBlock(t.Context(), h.n, noted, messages[:4], k) // its books do not know them
			h.sink.book.change(func(books *Books) { books.Waiting, books.Read = Count{1, 2}, Count{1, 2} })
			h.sink.storeBlock(t.Context(), h.n, noted, messages[4:], k)
			b.exactly(5)
			books := h.sink.Books()
			balanced(t, books)
			if books.Unsure != (Count{}) || books.Stored != (Count{1, 2}) {
				t.Errorf("%+v", books)
			}
		})
	}
}

// A mirror that began later answers for the stream (mirror_direct), as does a server whose disk is behind: that one of them lacks a message does
// not say that the stream does.
func TestABlockIsPutTogetherOfWhatTheStreamItselfHas(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	ctx := t.Context()
	if _, err := b.js.UpdateStream(ctx, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, AllowDirect: true}); err != nil {
		t.Fatal(err)
	}
	o := inBlocks()
	o.AckWait = time.Minute
	h := b.hand(o)
	b.publishNumbered(0, 20)
	messages := h.take(20)
	noted := h.begin(messages)
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "later", Mirror: &jetstream.StreamSource{Name: "flows", OptStartSeq: 20}, MirrorDirect: true})
	natstest.Eventually(t, "the mirror answers, too", func() bool {
		stream, err := b.js.Stream(ctx, "flows")
		if err != nil {
			return false
		}
		_, err = stream.GetMsg(ctx, 1)
		return errors.Is(err, jetstream.ErrMsgNotFound)
	})
	k := h.sink.newKeeper()
	defer k.stop()
	h.sink.storeBlock(ctx, h.n, noted, messages[:1], k)
	if got := b.memory.blocks(); len(got) != 1 || h.sink.Books().Unsure != (Count{}) {
		t.Errorf("stored %v: %+v", got, h.sink.Books())
	}
	b.exactly(20)
}

// late is a bucket of which a server reads that does not have what was written last.
type late struct {
	jetstream.KeyValue
	entries []jetstream.KeyValueEntry // these first
}

func (k *late) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if len(k.entries) > 0 {
		entry := k.entries[0]
		k.entries = k.entries[1:]
		return entry, nil
	}
	return k.KeyValue.Get(ctx, key)
}

func TestWhatBecameOfABlockIsNotedWhereAServerReadsAnOlderList(t *testing.T) {
	for name, end := range map[string]func(*hand, *block) error{
		"stored": func(h *hand, noted *block) error { return h.n.store(h.t.Context(), noted.Digest) },
		"split": func(h *hand, noted *block) error {
			_, _, err := h.n.split(h.t.Context(), noted.Digest)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			h := b.hand(inBlocks())
			before, err := h.n.kv.Get(t.Context(), listKey)
			if err != nil {
				t.Fatal(err)
			}
			b.publishNumbered(0, 3)
			noted := h.begin(h.take(3))
			h.n.kv = &late{h.n.kv, []jetstream.KeyValueEntry{before, before}}
			if err := end(h, noted); err != nil {
				t.Fatal(err)
			}
			if l := b.list(); len(l.Noted) != 0 || l.Stored.count()+l.Singly.count() != 3 {
				t.Errorf("%+v", l)
			}
		})
	}
}

// Somebody puts the bucket back to what it was, or another in its place: sinks go on with what it has.
func TestABucketThatIsPutBackIsFollowed(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	h := b.hand(inBlocks())
	former, err := h.n.kv.Get(t.Context(), listKey)
	if err != nil {
		t.Fatal(err)
	}
	b.publishNumbered(0, 10)
	noted := h.begin(h.take(5))
	if err := b.js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	kv, err := b.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), listKey, former.Value()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := h.n.store(ctx, noted.Digest); err != nil {
		t.Fatal(err)
	}
	later := h.begin(h.take(5))
	if l := b.list(); len(l.Noted) != 1 || l.Noted[0].Digest != later.Digest {
		t.Errorf("%+v", l)
	}
}

// lost is a bucket whose first answer to a write does not arrive.
type lost struct {
	jetstream.KeyValue
	writes int
}

func (k *lost) Update(ctx context.Context, key string, value []byte, last uint64) (uint64, error) {
	revision, err := k.KeyValue.Update(ctx, key, value, last)
	if k.writes++; k.writes == 1 && err == nil {
		return 0, context.DeadlineExceeded
	}
	return revision, err
}

func TestABlockIsKnownToBeSplitWhereTheAnswerWasLost(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	h := b.hand(inBlocks())
	b.publishNumbered(0, 3)
	noted := h.begin(h.take(3))
	h.n.kv = &lost{KeyValue: h.n.kv}
	if l, did, err := h.n.split(t.Context(), noted.Digest); err != nil || !did || l.Singly.count() != 3 {
		t.Errorf("%v, %v, %+v", did, err, l)
	}
	if _, did, err := h.n.split(t.Context(), noted.Digest); err != nil || did {
		t.Errorf("it is split once: %v, %v", did, err)
	}
}

// Where the bucket cannot grow, what was never handed out before need not wait for somebody who makes room: a stream that keeps what nobody has
// acknowledged would fill up the more.
func TestABucketWithoutRoomHasMessagesGoByThemselves(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishNumbered(0, 5)
	s, _, stop := b.replica(inBlocks())
	b.rest("sink")
	resize := func(bytes int64) {
		t.Helper()
		stream, err := b.js.Stream(t.Context(), "KV_"+bucket)
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		c.MaxBytes = bytes
		if _, err := b.js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := b.js.Stream(t.Context(), "KV_"+bucket)
	if err != nil {
		t.Fatal(err)
	}
	resize(int64(stream.CachedInfo().State.Bytes)) // it takes no other value
	b.publishNumbered(5, 10)
	b.rest("sink")
	if noting := s.State().Noting; !strings.Contains(noting, "maximum bytes exceeded") {
		t.Errorf("it says %q", noting)
	}
	resize(bucketBytes)
	b.publishNumbered(15, 5)
	b.ends(stop, 20)
}

// Both are answered where a table changes: the first attempt may have been stored.
func TestABlockThatIsRefusedAfterNobodyAnsweredMayBeStored(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	var blocks atomic.Int64
	b.memory.answer(func(_ context.Context, batch Batch) error {
		switch {
		case !strings.Contains(batch.Token, "/block/"):
			return nil
		case blocks.Add(1) == 1:
			return ErrUnanswered
		}
		return &Refusal{ReasonDestination, errors.New("Code: 469")}
	})
	o := inBlocks()
	o.Workers = 1
	b.publishNumbered(0, 5)
	_, _, stop := b.replica(o)
	if books := b.ends(stop, 5); books.Unsure != (Count{5, 10}) {
		t.Errorf("%+v", books)
	}
}

// The acknowledgements of one stream say nothing of the next one.
func TestAStreamThatIsMadeAnewKeepsTheBlocksThatItBegan(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	h := b.hand(inBlocks())
	h.n.floor.Store(1_000_000)
	if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	b.makeStream()
	if _, err := h.n.js.CreateConsumer(t.Context(), "flows", jetstream.ConsumerConfig{Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	var l *list
	const blocks = maxNoted/2 + 10
	for i := range uint64(blocks) {
		var err error
		now := time.Now().UnixNano()
		if l, err = h.n.note(t.Context(), []mark{{sequence: 2*i + 1, time: now}, {sequence: 2*i + 2, time: now}}, true); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.Noted) != blocks {
		t.Errorf("%d blocks of %d are known", len(l.Noted), blocks)
	}
}

// What is known to have gone by itself goes by itself whenever it comes again: also to a destination that takes the block now, of a consumer that
// says that it was never handed out.
func TestTheMessagesOfABlockThatWasRefusedStayByThemselves(t *testing.T) {
	for name, again := range map[string]func(b *bench){"the same consumer": func(*bench) {}, "another": (*bench).deleteConsumer} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			var mended atomic.Bool
			b.memory.answer(func(_ context.Context, batch Batch) error {
				if strings.Contains(batch.Token, "/block/") && !mended.Load() {
					return &Refusal{ReasonDestination, errors.New("Code: 252")}
				}
				return nil
			})
			o := inBlocks()
			h := b.hand(o)
			b.publishNumbered(0, 10)
			messages := h.take(10)
			noted := h.begin(messages)
			k := h.sink.newKeeper()
			defer k.stop()
			for _, m := range messages { // whatever it says to the server is lost
				m.Msg = silent{m.Msg}
			}
			h.sink.storeBlock(t.Context(), h.n, noted, messages, k)
			b.exactly(10)
			mended.Store(true)
			again(b)
			b.publishNumbered(10, 10)
			_, _, stop := b.replica(o)
			b.ends(stop, 20)
		})
	}
}

// silent is a message of which the server hears nothing.
type silent struct{ jetstream.Msg }

func (silent) DoubleAck(context.Context) error  { return errors.New("lost") }
func (silent) NakWithDelay(time.Duration) error { return nil }
func (silent) InProgress() error                { return nil }

func TestSinksKeepToWhatAConsumerLetsOneAskFor(t *testing.T) {
	for name, o := range map[string]Options{"in blocks": inBlocks(), "one by one": options()} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			if _, err := b.js.CreateConsumer(t.Context(), "flows", jetstream.ConsumerConfig{Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy,
				MaxRequestBatch: 10, MaxRequestMaxBytes: 64 << 10, MaxRequestExpires: 50 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			b.publishNumbered(0, 40)
			_, _, stop := b.replica(o)
			if books := b.ends(stop, 40); name == "in blocks" && books.InBlocks.Messages < 30 {
				t.Errorf("%+v", books)
			}
		})
	}
}

// Nobody answers acknowledgements, as while a consumer has no leader. Those of a block wait together, so that a sink ends in the time that it has.
func TestASinkThatWaitsForTheAcknowledgementsOfABlockEnds(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	o := inBlocks()
	o.AckWait = time.Minute
	h := b.hand(o)
	b.publishNumbered(0, 20)
	messages := h.take(20)
	noted := h.begin(messages)
	var waiting, most atomic.Int64
	everyone := make(chan struct{})
	for _, m := range messages {
		m.Msg = unanswered{m.Msg, func(ctx context.Context) error {
			defer waiting.Add(-1)
			if n := waiting.Add(1); n == int64(len(messages)) {
				most.Store(n)
				close(everyone)
			}
			select {
			case <-everyone:
			case <-ctx.Done():
			}
			return errors.New("no answer")
		}}
	}
	k := h.sink.newKeeper()
	defer k.stop()
	h.sink.storeBlock(t.Context(), h.n, noted, messages, k)
	books := h.sink.Books()
	balanced(t, books)
	if most.Load() != 20 || books.AcknowledgementFailures != 20 || books.InBlocks.Messages != 20 {
		t.Errorf("%d wait together: %+v", most.Load(), books)
	}
}

// unanswered is a message whose acknowledgement ends as it is told.
type unanswered struct {
	jetstream.Msg
	ack func(context.Context) error
}

func (m unanswered) DoubleAck(ctx context.Context) error { return m.ack(ctx) }

// Somebody puts the stream back to what it was, with its consumer, and the bucket stays: numbers are given again.
func TestAStreamThatIsPutBackLosesNothingThatComesThen(t *testing.T) {
	server := natstest.Start(t)
	b := newBench(t, server)
	pass := func(from int) {
		t.Helper()
		b.publishNumbered(from, 10)
		_, _, stop := b.replica(inBlocks())
		b.rest("sink")
		stop()
	}
	pass(0)
	dir, saved := filepath.Join(server.Store(), "jetstream", "$G", "streams", "flows"), t.TempDir()
	server.Stop()
	if err := os.CopyFS(saved, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	natstest.AwaitStream(t, b.js, "flows")
	pass(10)
	server.Stop()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(saved))); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	natstest.AwaitStream(t, b.js, "flows")
	b.publishNumbered(20, 15) // with the numbers 11 to 25
	o := inBlocks()
	o.AckWait = time.Minute
	h := b.hand(o)
	messages := h.take(15)
	k := h.sink.newKeeper()
	defer k.stop()
	if n := messages[0].mark().sequence; n != 11 {
		t.Fatalf("the stream was not put back: it goes on with %d", n)
	}
	for _, part := range [][]*held{messages[10:], messages[:10]} { // another sink is quicker
		h.sink.handleGathered(t.Context(), h.n, &gathered{k: h.sink.newKeeper(), flows: part})
	}
	b.rest("sink")
	b.exactly(35)
	if l := b.list(); l.Stored.count() < 20 {
		t.Errorf("%+v", l)
	}
}
