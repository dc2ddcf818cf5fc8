package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

const bucket = "flows-blocks-sink"

func inBlocks() Options {
	o := options()
	o.Blocks = &Blocks{MaxBytes: 1 << 20, MaxAge: 200 * time.Millisecond}
	return o
}

// publishNumbered publishes messages of two records that no other message has.
func (b *bench) publishNumbered(from, messages int) {
	b.t.Helper()
	for n := from; n < from+messages; n++ {
		var e flow.Encoder
		payload := e.AppendDelimited(nil, &flow.Record{Bytes: uint64(2 * n)})
		b.publish(publish.EncodingProtobuf, 2, e.AppendDelimited(payload, &flow.Record{Bytes: uint64(2*n + 1)}))
	}
}

// records are how often each is stored.
func (d *memory) records(t *testing.T) map[string]int {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]int)
	for _, payload := range d.batches {
		for rest := []byte(payload); len(rest) > 0; {
			record, after, err := flow.Split(rest)
			if err != nil {
				t.Fatal(err)
			}
			out[string(record)]++
			rest = after
		}
	}
	return out
}

// ends waits until all is acknowledged, and stops a sink: its books balance, and so many messages are there once each.
func (b *bench) ends(stop func() Books, messages int) Books {
	b.t.Helper()
	b.rest("sink")
	books := stop()
	balanced(b.t, books)
	b.exactly(messages)
	return books
}

// exactly compares what is stored with messages of publishNumbered.
func (b *bench) exactly(messages int) {
	b.t.Helper()
	records := b.memory.records(b.t)
	twice := 0
	for _, n := range records {
		if n > 1 {
			twice++
		}
	}
	if len(records) != 2*messages || twice > 0 {
		b.t.Errorf("%d of %d records are stored, %d of them more than once", len(records), 2*messages, twice)
	}
}

// blocks are tokens of blocks that are stored.
func (d *memory) blocks() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for token := range d.batches {
		if strings.Contains(token, "/block/") {
			out = append(out, token)
		}
	}
	return out
}

// list is what the bucket has; nil without one.
func (b *bench) list() *list {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
	defer cancel()
	kv, err := b.js.KeyValue(ctx, bucket)
	if err != nil {
		return nil
	}
	entry, err := kv.Get(ctx, listKey)
	if err != nil {
		return nil
	}
	l, err := decodeList(entry.Value())
	if err != nil {
		b.t.Error(err)
	}
	return l
}

// replica runs a sink with a connection of its own. kill takes that away: whatever the sink was doing, NATS hears no more of it.
func (b *bench) replica(o Options, as ...nats.Option) (s *Sink, kill func(), stop func() Books) {
	b.t.Helper()
	nc := b.server.Connect(as...)
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	s = New(js, o, b.memory, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() Books {
		cancel()
		<-done
		return s.Books()
	}
	b.t.Cleanup(func() {
		nc.Close()
		stop()
	})
	return s, func() { nc.Close(); cancel() }, stop
}

func TestSeveralMessagesAreStoredAsOneBlock(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishNumbered(0, 100)
	_, _, stop := b.replica(inBlocks())
	books := b.ends(stop, 100)
	if n := b.memory.attempts(); n > 50 || books.Stored != (Count{100, 200}) || books.InBlocks.Messages < 50 || books.Blocks == 0 {
		t.Errorf("%d attempts to store 100 messages: %+v", n, books)
	}
	if l := b.list(); l == nil || len(l.Noted) != 0 || l.Stored.count()+l.Singly.count() != 100 {
		t.Errorf("%+v", l)
	}
}

// A sink is cut off at each point of a block's way. Another one, which makes blocks or not, stores all of it once.
func TestASinkThatEndsAtAnyPointOfABlocksWayCostsNothing(t *testing.T) {
	allowed := []string{"$JS.API.>", "$KV.>", "refused"} // and no acknowledgement
	users := func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "a"}, {Username: "silent", Password: "s", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: allowed}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}}}}}
	}
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, point := range map[string]struct {
		user    string
		maxAge  time.Duration
		store   func(ctx context.Context, d *memory, batch Batch) error // of the sink that is cut off
		reached func(b *bench, tokens *sync.Map) bool
		resent  bool // the block comes again as it was
	}{
		"before it is noted": {user: "admin", maxAge: time.Minute, reached: func(b *bench, _ *sync.Map) bool {
			c, err := b.js.Consumer(b.t.Context(), "flows", "sink")
			return err == nil && c.CachedInfo().NumAckPending == 20
		}},
		"noted and not sent": {user: "admin", maxAge: time.Second, store: func(ctx context.Context, _ *memory, _ Batch) error { return hang(ctx) },
			reached: func(b *bench, _ *sync.Map) bool { l := b.list(); return l != nil && len(l.Noted) > 0 }, resent: true},
		"stored and not marked": {user: "admin", maxAge: time.Second, store: func(ctx context.Context, d *memory, batch Batch) error {
			d.mu.Lock()
			d.batches[batch.Token] = string(batch.Payload)
			d.mu.Unlock()
			return hang(ctx)
		}, reached: func(b *bench, _ *sync.Map) bool { return len(b.memory.blocks()) > 0 }, resent: true},
		"marked and not acknowledged": {user: "silent", maxAge: time.Second,
			reached: func(b *bench, _ *sync.Map) bool { l := b.list(); return l != nil && len(l.Stored) > 0 }},
	} {
		for next, o := range map[string]Options{"blocks": inBlocks(), "no blocks": options()} {
			t.Run(name+", then "+next, func(t *testing.T) {
				t.Parallel()
				s := natstest.Start(t, users)
				js, err := jetstream.New(s.Connect(nats.UserInfo("admin", "a")))
				if err != nil {
					t.Fatal(err)
				}
				b := &bench{t: t, server: s, js: js, memory: &memory{batches: make(map[string]string)}}
				b.makeStream()
				var tokens sync.Map
				var first atomic.Bool
				first.Store(true)
				b.memory.answer(func(ctx context.Context, batch Batch) error {
					again, _ := tokens.LoadOrStore(batch.Token, new(atomic.Int64))
					again.(*atomic.Int64).Add(1)
					if first.Load() && point.store != nil {
						return point.store(ctx, b.memory, batch)
					}
					return nil
				})
				cut := inBlocks()
				cut.Workers, cut.Blocks.MaxAge = 1, point.maxAge
				b.publishNumbered(0, 20)
				_, kill, _ := b.replica(cut, nats.UserInfo(point.user, map[string]string{"admin": "a", "silent": "s"}[point.user]))
				natstest.Eventually(t, "the point is reached", func() bool { return point.reached(b, &tokens) })
				first.Store(false)
				kill()
				b.publishNumbered(20, 10)
				_, _, stop := b.replica(o, nats.UserInfo("admin", "a"))
				b.ends(stop, 30)
				resent := false
				tokens.Range(func(token, n any) bool {
					resent = resent || strings.Contains(token.(string), "/block/") && n.(*atomic.Int64).Load() > 1
					return true
				})
				if resent != point.resent {
					t.Errorf("a block was sent again: %v", resent)
				}
			})
		}
	}
}

// Whatever is cut off and when, among sinks that make blocks and such that do not.
func TestSinksOfOneConsumerOfWhichSomeMakeBlocksStoreEachMessageOnce(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	g := rand.New(rand.NewPCG(7, 8))
	fault := rand.New(rand.NewPCG(9, 10))
	var mu sync.Mutex
	b.memory.answer(func(_ context.Context, batch Batch) error {
		mu.Lock()
		n := fault.IntN(10)
		mu.Unlock()
		switch {
		case n < 2:
			time.Sleep(time.Duration(n+1) * 50 * time.Millisecond)
		case n == 2: // it is stored, and nobody says so
			b.memory.mu.Lock()
			b.memory.batches[batch.Token] = string(batch.Payload)
			b.memory.mu.Unlock()
			return fmt.Errorf("inserting: %w", ErrUnanswered)
		case n == 3:
			return errors.New("too many parts")
		}
		return nil
	})
	// The first makes the list before others can have sent anything without one.
	modes := []Options{inBlocks(), inBlocks(), options()}
	modes[1].Blocks.MaxAge = 20 * time.Millisecond
	kills := make([]func(), len(modes))
	var sinks []*Sink
	start := func(i int) {
		s, kill, _ := b.replica(modes[i])
		sinks, kills[i] = append(sinks, s), kill
	}
	start(0)
	b.publishNumbered(0, 10)
	natstest.Eventually(t, "there is a list", func() bool { return b.list() != nil })
	start(1)
	start(2)
	const rounds, each = 30, 20
	for round := range rounds {
		b.publishNumbered(10+round*each, each)
		time.Sleep(time.Duration(g.IntN(250)) * time.Millisecond)
		i := g.IntN(len(modes))
		kills[i]()
		start(i)
	}
	b.rest("sink")
	b.exactly(10 + rounds*each)
	total := Books{}
	for _, s := range sinks {
		books := s.Books()
		total.InBlocks.Messages += books.InBlocks.Messages
		total.Unsure.Messages += books.Unsure.Messages
		total.Redelivered += books.Redelivered
	}
	if total.Unsure != (Count{}) || total.InBlocks.Messages == 0 || total.Redelivered == 0 {
		t.Errorf("%+v", total)
	}
	t.Logf("figure: %d sinks were cut off, %d messages in %d blocks, %d came again", rounds, total.InBlocks.Messages, len(b.memory.blocks()), total.Redelivered)
}

// Without blocks, sinks look for each message in the list for as long as there is one.
func TestAListIsFollowedUntilSomebodyDeletesIt(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishNumbered(0, 20)
	_, _, stop := b.replica(inBlocks())
	b.rest("sink")
	stop()
	s, _, stop := b.replica(options())
	b.publishNumbered(20, 5)
	b.rest("sink")
	if l := b.list(); l.Singly.count() < 5 {
		t.Errorf("%+v", l)
	}
	if err := b.js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	b.publishNumbered(25, 5)
	b.rest("sink")
	if err := s.ask(t.Context()); err != nil { // as it does by itself every 10 seconds
		t.Fatal(err)
	}
	if state := s.State(); s.noted() != nil || state.Noting != "" {
		t.Errorf("%+v", state)
	}
	b.publishNumbered(30, 5)
	b.ends(stop, 35)
	if b.list() != nil {
		t.Error("the list was made again")
	}
}

// A sink without blocks had a message when it ended: it is in no block, since nobody knows whether it is stored.
func TestWhatASinkWithoutBlocksHadComesByItself(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	var first atomic.Bool
	first.Store(true)
	b.memory.answer(func(ctx context.Context, batch Batch) error {
		if !first.Load() {
			return nil
		}
		b.memory.mu.Lock()
		b.memory.batches[batch.Token] = string(batch.Payload)
		b.memory.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	})
	b.publishNumbered(0, 3)
	_, kill, _ := b.replica(options())
	natstest.Eventually(t, "they are stored", func() bool { return b.memory.len() == 3 })
	first.Store(false)
	kill()
	b.publishNumbered(3, 20)
	_, _, stop := b.replica(inBlocks())
	b.ends(stop, 23)
	if len(b.memory.blocks()) == 0 {
		t.Error("no block was made of the others")
	}
}

// The same of a sink that cannot see the list, as one of an older image: what comes again and is in no block goes by itself.
func TestWhatASinkHadThatKeepsNoListComesByItself(t *testing.T) {
	s := natstest.Start(t, natstest.As([]string{"$JS.API.CONSUMER.INFO.flows.sink", "$JS.API.CONSUMER.MSG.NEXT.flows.sink", "$JS.ACK.flows.sink.>"}))
	js, err := jetstream.New(s.Connect(nats.UserInfo("admin", "admin")))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, js: js, memory: &memory{batches: make(map[string]string)}}
	b.makeStream()
	_, _, stop := b.replica(inBlocks(), nats.UserInfo("admin", "admin"))
	b.publishNumbered(0, 10)
	b.rest("sink")
	stop()
	var first atomic.Bool
	first.Store(true)
	b.memory.answer(func(ctx context.Context, batch Batch) error {
		if first.Load() {
			b.memory.mu.Lock()
			b.memory.batches[batch.Token] = string(batch.Payload)
			b.memory.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	before := b.memory.len()
	_, kill, _ := b.replica(options(), nats.UserInfo("fleet", "secret"))
	b.publishNumbered(10, 3)
	natstest.Eventually(t, "they are stored", func() bool { return b.memory.len() == before+3 })
	first.Store(false)
	kill()
	_, _, stop = b.replica(inBlocks(), nats.UserInfo("admin", "admin"))
	b.publishNumbered(13, 10)
	b.ends(stop, 23)
}

func TestOfABlockThatIsRefusedOnlyWhatIsBadIs(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	var e flow.Encoder
	bad := e.AppendDelimited(nil, &flow.Record{Bytes: 4242})
	b.memory.answer(func(_ context.Context, batch Batch) error {
		if strings.Contains(string(batch.Payload), string(bad)) {
			return &Refusal{ReasonDestination, errors.New("Code: 33")}
		}
		return nil
	})
	b.publishNumbered(0, 10)
	b.publish(publish.EncodingProtobuf, 1, bad)
	b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
	b.publishNumbered(10, 10)
	o := inBlocks()
	o.Workers = 1
	_, _, stop := b.replica(o)
	books := b.ends(stop, 20)
	if books.Stored != (Count{20, 40}) || books.Refused[ReasonDestination] != (Count{1, 1}) || books.Refused[ReasonEncoding] != (Count{1, 1}) || books.Unsure != (Count{}) {
		t.Errorf("%+v", books)
	}
}

// Nothing but the list says then what is stored: the destination would take a block of other borders.
func TestAConsumerThatIsMadeAgainHandsOutWhatTheListKnows(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishNumbered(0, 60)
	_, _, stop := b.replica(inBlocks())
	b.rest("sink")
	stop()
	attempts := b.memory.attempts()
	b.deleteConsumer()
	b.publishNumbered(60, 20)
	_, _, stop = b.replica(inBlocks())
	books := b.ends(stop, 80)
	if books.Read.Messages != 80 || books.Stored.Messages != 80 || b.memory.attempts()-attempts > 30 {
		t.Errorf("%d attempts more: %+v", b.memory.attempts()-attempts, books)
	}
}

func TestAStreamThatIsMadeAnewHasAListOfItsOwn(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	_, _, stop := b.replica(inBlocks())
	b.publishNumbered(0, 20)
	b.rest("sink")
	if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	b.makeStream()
	b.publishNumbered(20, 20)
	b.ends(stop, 40)
}

// What was noted and is no more cannot be sent as it was: the others go by themselves, and are counted.
func TestABlockOfWhichSomethingIsMissingIsCounted(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	var first atomic.Bool
	first.Store(true)
	b.memory.answer(func(ctx context.Context, _ Batch) error {
		if first.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	b.publishNumbered(0, 20)
	o := inBlocks()
	o.Workers = 1
	_, kill, _ := b.replica(o)
	natstest.Eventually(t, "a block is noted", func() bool { l := b.list(); return l != nil && len(l.Noted) == 1 })
	gone, noted := b.list().Noted[0].At[0][0], b.list().Noted[0].At.count()
	kill()
	stream, err := b.js.Stream(t.Context(), "flows")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	first.Store(false)
	_, _, stop := b.replica(o)
	books := b.ends(stop, 19)
	if books.Unsure != (Count{noted - 1, 2 * (noted - 1)}) || books.Stored.Messages != 19 {
		t.Errorf("of %d that were noted: %+v", noted, books)
	}
}

func TestBlocksSurviveANATSThatIsKilled(t *testing.T) {
	server := natstest.StartProcess(t)
	b := newBench(t, server)
	for range 2 {
		b.replica(inBlocks(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	}
	const messages = 90
	for i := range messages {
		b.publishNumbered(i, 1)
		if i%30 == 15 {
			time.Sleep(time.Duration(i) * 7 * time.Millisecond)
			server.Stop()
			time.Sleep(200 * time.Millisecond)
			server.Restart()
			natstest.AwaitStream(t, b.js, "flows")
		}
	}
	b.rest("sink")
	b.exactly(messages)
}

// Each right that blocks need is taken away while a block is on its way, and given back: what can be stored once meanwhile is, the sink says
// which one is missing, and all is stored once in the end.
func TestWhereARightIsMissingForBlocksMessagesGoByThemselvesOrWait(t *testing.T) {
	all := natstest.DocumentedPermissions(t, "Sinks with blocks", natstest.Names{Bucket: bucket, Stream: "flows"})
	usual := []string{"$JS.API.CONSUMER.INFO.flows.sink", "$JS.API.CONSUMER.MSG.NEXT.flows.sink", "$JS.ACK.flows.sink.>", "refused",
		"$JS.API.CONSUMER.CREATE.flows.sink", "$JS.API.STREAM.CREATE.refused"}
	user := func(allowed []string) func(*server.Options) {
		return func(o *server.Options) {
			o.Users = nil
			natstest.As(allowed)(o)
		}
	}
	run := func(t *testing.T, direct bool, without string) {
		allowed := append(slices.Clone(usual), slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == without })...)
		s := natstest.Start(t, user(allowed))
		js, err := jetstream.New(s.Connect(nats.UserInfo("admin", "admin")))
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, server: s, js: js, memory: &memory{batches: make(map[string]string)}}
		natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, AllowDirect: direct})
		b.publishNumbered(0, 20)
		sink, _, stop := b.replica(inBlocks(), nats.UserInfo("fleet", "secret"))
		b.rest("sink")
		if without == "" {
			if len(b.memory.blocks()) == 0 || sink.State().Noting != "" || sink.State().Fetching != "" {
				t.Errorf("no block was made: %+v", sink.State())
			}
		} else if state := sink.State(); len(b.memory.blocks()) > 0 || !strings.Contains(state.Noting+state.Fetching, strings.TrimSuffix(without, ">")) {
			t.Errorf("%v, %+v", b.memory.blocks(), state)
		}
		balanced(t, stop())
		// Somebody who has all rights makes a block, and ends before it is marked: this one must not send its messages otherwise.
		var first atomic.Bool
		first.Store(true)
		b.memory.answer(func(ctx context.Context, batch Batch) error {
			if first.Load() && strings.Contains(batch.Token, "/block/") {
				b.memory.mu.Lock()
				b.memory.batches[batch.Token] = string(batch.Payload)
				b.memory.mu.Unlock()
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		before := len(b.memory.blocks())
		b.publishNumbered(20, 20)
		one := inBlocks()
		one.Workers, one.Blocks.MaxAge = 1, time.Second
		_, kill, _ := b.replica(one, nats.UserInfo("admin", "admin"))
		natstest.Eventually(t, "a block is stored", func() bool { return len(b.memory.blocks()) > before })
		first.Store(false)
		kill()
		o := inBlocks()
		o.PutOff = time.Second
		sink, _, stop = b.replica(o, nats.UserInfo("fleet", "secret"))
		b.publishNumbered(40, 10)
		if without == "" {
			b.rest("sink")
		} else {
			defer func() {
				if t.Failed() {
					t.Logf("%d records, %+v, %+v, %+v", len(b.memory.records(t)), sink.Books(), sink.State(), b.list())
				}
			}()
			natstest.Eventually(t, "the new ones are stored", func() bool {
				return len(b.memory.records(t)) == 2*50 && sink.Books().Redelivered >= 15 && sink.Books().Waiting == Count{}
			})
		}
		balanced(t, stop())
		b.replica(inBlocks(), nats.UserInfo("admin", "admin"))
		b.rest("sink")
		b.exactly(50)
	}
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("none, direct reads %v", direct), func(t *testing.T) { t.Parallel(); run(t, direct, "") })
	}
	for _, subject := range all {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			run(t, false, subject)
		})
	}
}

// A value that somebody else wrote says nothing: what may be in a block waits, and the sink says why.
func TestAListThatCannotBeReadHasMessagesWait(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.publishNumbered(0, 5)
	o := inBlocks()
	o.AckWait = time.Minute // a message that comes again, as on a busy machine, waits for the list
	_, _, stop := b.replica(o)
	b.rest("sink")
	stop()
	kv, err := b.js.KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), listKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), listKey, "{"); err != nil {
		t.Fatal(err)
	}
	s, _, stop := b.replica(o)
	b.publishNumbered(5, 5)
	natstest.Eventually(t, "it says so", func() bool { return strings.Contains(s.State().Noting, "reading the list of blocks") })
	b.rest("sink") // they were never handed out before
	if _, err := kv.Put(t.Context(), listKey, entry.Value()); err != nil {
		t.Fatal(err)
	}
	b.publishNumbered(10, 5)
	b.ends(stop, 15)
}
