package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

func TestMain(m *testing.M) {
	natstest.ServeIfAsked()
	os.Exit(m.Run())
}

// memory is a destination that keeps what it stores, each token once.
type memory struct {
	mu      sync.Mutex
	batches map[string]string
	stores  int
	away    error // what a check says
	// looking is called in each check, before it answers.
	looking func()
	// before is asked first, and what it returns is the answer unless it is nil.
	before func(ctx context.Context, b Batch) error
}

func (d *memory) Check(context.Context) (Schema, error) {
	d.mu.Lock()
	looking := d.looking
	d.mu.Unlock()
	if looking != nil {
		looking()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return Schema{Known: d.away == nil}, d.away
}

func (d *memory) leave(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = why
}

func (d *memory) Store(ctx context.Context, b Batch) error {
	d.mu.Lock()
	before := d.before
	d.stores++
	d.mu.Unlock()
	if before != nil {
		if err := before(ctx, b); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches[b.Token] = string(b.Payload)
	return nil
}

func (d *memory) answer(before func(context.Context, Batch) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = before
}

func (d *memory) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.batches)
}

func (d *memory) attempts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stores
}

// bench is a stream, and what reads it.
type bench struct {
	t      *testing.T
	server *natstest.Server
	js     jetstream.JetStream
	memory *memory
}

func newBench(t *testing.T, s *natstest.Server) *bench {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, js: js, memory: &memory{batches: make(map[string]string)}}
	b.makeStream()
	return b
}

func (b *bench) makeStream() {
	b.t.Helper()
	natstest.CreateStream(b.t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
}

func options() Options {
	return Options{Stream: "flows", Consumer: "sink", AckWait: time.Second, Workers: 3, RefusedSubject: "refused", RefusedStream: "refused"}
}

// start runs a sink until stop, which returns its books.
func (b *bench) start(o Options) (s *Sink, stop func() Books) {
	b.t.Helper()
	s = New(b.js, o, b.memory, slog.New(slog.DiscardHandler))
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
	b.t.Cleanup(func() { stop() })
	return s, stop
}

func batch(records int) []byte {
	var e flow.Encoder
	var out []byte
	for i := range records {
		out = e.AppendDelimited(out, &flow.Record{Bytes: uint64(i) + 1})
	}
	return out
}

func (b *bench) publish(encoding string, records int, payload []byte) {
	b.t.Helper()
	m := nats.NewMsg("flows.a.b.ipfix")
	m.Data = payload
	m.Header.Set(publish.HeaderEncoding, encoding)
	m.Header.Set(publish.HeaderCount, strconv.Itoa(records))
	if _, err := b.js.PublishMsg(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) publishMany(messages, records int) {
	b.t.Helper()
	for range messages {
		b.publish(publish.EncodingProtobuf, records, batch(records))
	}
}

// rest waits until a sink has dealt with everything, and everything is acknowledged.
func (b *bench) rest(consumer string) {
	b.t.Helper()
	natstest.Eventually(b.t, "everything is acknowledged", func() bool {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		stream, err := b.js.Stream(ctx, "flows")
		if err != nil {
			return false
		}
		c, err := stream.Consumer(ctx, consumer)
		// A consumer knows of a message a moment after its stream has it: nothing that waits is not enough.
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0 &&
			c.CachedInfo().AckFloor.Stream == stream.CachedInfo().State.LastSeq
	})
}

func balanced(t *testing.T, books Books) {
	t.Helper()
	if messages, records := books.Imbalance(); messages != 0 || records != 0 {
		t.Errorf("the books are off by %d messages and %d records: %+v", messages, records, books)
	}
}

// A stream that gathers those of several sites has their messages as they were, headers and all, under whatever subjects.
func TestTheFlowsOfSeveralStreamsAreStoredFromOneThatGathersThem(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "north", Subjects: []string{"north.>"}})
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "all", Sources: []*jetstream.StreamSource{{Name: "flows"}, {Name: "north"}}})
	b.publishMany(20, 7)
	m := nats.NewMsg("north.netflow9")
	m.Data = batch(3)
	m.Header.Set(publish.HeaderEncoding, publish.EncodingProtobuf)
	for range 10 {
		if _, err := b.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	o := options()
	o.Stream = "all"
	s, stop := b.start(o)
	natstest.Eventually(t, "all are stored", func() bool { return s.Books().Stored == Count{30, 20*7 + 10*3} })
	books := stop()
	balanced(t, books)
	if b.memory.len() != 30 || books.Refused[ReasonEncoding].Messages != 0 {
		t.Errorf("%d batches: %+v", b.memory.len(), books)
	}
}

func TestEachMessageIsStoredAndAcknowledged(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	s, stop := b.start(options())
	b.publishMany(100, 7)
	b.rest("sink")
	natstest.Eventually(t, "nothing waits", func() bool { return s.Books().Waiting == Count{} })
	books := stop()
	balanced(t, books)
	if want := (Count{100, 700}); books.Read != want || books.Stored != want || b.memory.len() != 100 {
		t.Errorf("%+v, %d batches", books, b.memory.len())
	}
}

func TestWhileTheDestinationIsAwayMessagesWaitWithTheSink(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.memory.answer(func(context.Context, Batch) error { return errors.New("away") })
	s, stop := b.start(options())
	b.publishMany(20, 2)
	natstest.Eventually(t, "each worker has failed", func() bool { return s.Books().StoreFailures >= 3 })
	if state := s.State(); state.Storing != "away" {
		t.Errorf("the state is %+v", state)
	}
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // beyond the AckWait
		balanced(t, s.Books())
	}
	if books := s.Books(); books.Read != (Count{3, 6}) || books.Waiting != books.Read {
		t.Errorf("with 3 workers: %+v", books)
	}
	b.memory.answer(nil)
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Stored != (Count{20, 40}) || books.Redelivered != 0 || books.Unanswered != (Count{}) {
		t.Errorf("%+v", books)
	}
	if state := s.State(); state.Storing != "" {
		t.Errorf("the state is %+v", state)
	}
}

// A busy database has no time for the check's questions, and takes what is stored: it is there.
func TestADestinationThatStoresIsThereThoughACheckGetsNoAnswerInTime(t *testing.T) {
	for name, test := range map[string]struct {
		stores bool
		answer error
		want   string
	}{
		"busy, and it stores":     {true, fmt.Errorf("looking: %w", context.DeadlineExceeded), ""},
		"nothing is stored":       {false, fmt.Errorf("looking: %w", context.DeadlineExceeded), "looking: context deadline exceeded"},
		"it answers with a fault": {true, errors.New("no table"), "no table"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t))
			s, stop := b.start(options())
			b.publishMany(1, 1)
			b.rest("sink")
			b.memory.mu.Lock()
			b.memory.away = test.answer
			if test.stores {
				b.memory.looking = func() {
					b.publishMany(1, 1)
					b.rest("sink")
				}
			}
			b.memory.mu.Unlock()
			_ = s.check(t.Context())
			state := s.State()
			balanced(t, stop())
			if state.Checking != test.want || (test.want == "") != state.Schema.Known {
				t.Errorf("%+v", state)
			}
		})
	}
}

func TestWhatIsRefusedForEverIsKeptWithTheReason(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	bad := batch(5)
	b.memory.answer(func(_ context.Context, batch Batch) error {
		if string(batch.Payload) == string(bad) {
			return fmt.Errorf("inserting: %w", &Refusal{ReasonDestination, errors.New("Code: 33.\r\nDB::Exception: \x00nonsense")})
		}
		return nil
	})
	b.publish(publish.EncodingProtobuf, 5, bad)
	b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
	b.publish(publish.EncodingProtobuf, 2, []byte{200, 1, 2})
	b.publish(publish.EncodingProtobuf, 1<<30, []byte{200}) // a header that cannot be true
	b.publishMany(3, 1)
	for _, consumer := range []string{"sink", "again"} { // the second has the same messages refused again
		o := options()
		o.Consumer = consumer
		_, stop := b.start(o)
		b.rest(consumer)
		books := stop()
		balanced(t, books)
		if books.Stored != (Count{3, 3}) || books.Refused[ReasonDestination] != (Count{1, 5}) ||
			books.Refused[ReasonEncoding] != (Count{1, 1}) || books.Refused[ReasonMalformed] != (Count{2, 2}) {
			t.Errorf("%+v", books)
		}
	}
	stream, err := b.js.Stream(t.Context(), "refused")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 4 {
		t.Fatalf("%d messages were kept, want 4, each once", n)
	}
	found := false
	for sequence := uint64(1); sequence <= 4; sequence++ {
		m, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get(HeaderRefused) != string(ReasonDestination) {
			continue
		}
		found = true
		if string(m.Data) != string(bad) || m.Header.Get(HeaderError) != "Code: 33.  DB::Exception:  nonsense" ||
			m.Header.Get(HeaderStream) != "flows" || m.Header.Get(HeaderSequence) != "1" ||
			m.Header.Get(publish.HeaderEncoding) != publish.EncodingProtobuf || m.Header.Get(publish.HeaderCount) != "5" {
			t.Errorf("kept %v", m.Header)
		}
	}
	if !found {
		t.Error("what the destination refused is not there")
	}
}

// Some bad messages among good ones are no trouble of the sink's: the books tell of them. Where nothing is stored any more, it says so,
// until something is.
func TestASinkWhoseMessagesAreAllRefusedSaysSo(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	bad := batch(5)
	b.memory.answer(func(_ context.Context, batch Batch) error {
		if string(batch.Payload) == string(bad) {
			return &Refusal{ReasonDestination, errors.New("Code: 33")}
		}
		return nil
	})
	o := options()
	o.Workers = 1
	s, stop := b.start(o)
	defer stop()
	refuse := func(n int) {
		for range n {
			b.publish(publish.EncodingProtobuf, 5, bad)
		}
	}
	refuse(rejectedInRow - 1)
	b.publishMany(1, 1)
	refuse(rejectedInRow - 1)
	b.rest(o.Consumer)
	if got := s.State().Rejecting; got != "" {
		t.Errorf("a message of these was stored, and it says %q", got)
	}
	refuse(1)
	natstest.Eventually(t, "it says that all is refused", func() bool { return s.State().Rejecting == "destination: Code: 33" })
	b.publishMany(1, 1)
	natstest.Eventually(t, "it stores again", func() bool { return s.State().Rejecting == "" })
}

// Without a place for it, what is refused is not let go of, and holds up nothing else.
func TestWhatIsRefusedIsPutOffWhereItCannotBeKept(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	o := options()
	o.RefusedSubject, o.PutOff, o.Workers = "taken", time.Second, 2
	if _, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "others", Subjects: []string{"taken"}}); err != nil {
		t.Fatal(err)
	}
	for range o.Workers {
		b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
	}
	b.publishMany(20, 2)
	s, stop := b.start(o)
	natstest.Eventually(t, "the others are stored", func() bool { return b.memory.len() == 20 })
	balanced(t, s.Books())
	natstest.Eventually(t, "each came again", func() bool { return s.Books().Redelivered >= 2 && s.Books().PutOff.Messages >= 2 })
	if books := s.Books(); len(books.Refused) != len(Reasons) || books.Refused[ReasonEncoding] != (Count{}) || books.StoreFailures == 0 {
		t.Errorf("%+v", books)
	}
	if err := b.js.DeleteStream(t.Context(), "others"); err != nil {
		t.Fatal(err)
	}
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Refused[ReasonEncoding] != (Count{2, 2}) || books.Stored != (Count{20, 40}) {
		t.Errorf("%+v", books)
	}
}

// As where somebody copied another consumer's configuration.
func TestASinkSaysWhatToDoWhereTheStreamOfRefusedMessagesIsAnothersOne(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "refused", Subjects: []string{"flowfleet.refused.other"}})
	o := options()
	o.PutOff = time.Second
	s, stop := b.start(o)
	b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
	natstest.Eventually(t, "it says what to do", func() bool {
		said := s.State().Refusing
		return strings.Contains(said, "name another one in refused.stream") && strings.Contains(said, "--subjects=..., with those that it has)")
	})
	if _, err := b.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "refused", Subjects: []string{"flowfleet.refused.other", "refused"}}); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is put away", func() bool { return s.Books().Refused[ReasonEncoding].Messages == 1 })
	balanced(t, stop())
}

// The stream of refused messages drops none for another. While it is full, what is refused stays in the stream it came from, the rest is
// stored, and the sink says what to do.
func TestWhatIsRefusedWaitsWhileItsStreamIsFull(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	if _, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "refused", Subjects: []string{"refused"}, MaxBytes: 1000,
		Discard: jetstream.DiscardNew}); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.PutOff, o.Workers = time.Second, 2
	const bad = 12
	s, stop := b.start(o)
	for range bad {
		b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
		b.publishMany(1, 2)
	}
	natstest.Eventually(t, "the others are stored", func() bool { return b.memory.len() == bad })
	natstest.Eventually(t, "it says what to do", func() bool {
		balanced(t, s.Books())
		says := s.State().Refusing
		return strings.Contains(says, "maximum bytes exceeded") && strings.Contains(says, "make room in the stream refused") && s.Books().PutOff.Messages > 0
	})
	kept := s.Books().Refused[ReasonEncoding].Messages
	if kept == 0 || kept == bad {
		t.Errorf("%d of %d fit", kept, bad)
	}
	stream, err := b.js.Stream(t.Context(), "refused")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != kept {
		t.Errorf("%d messages are kept, and the books have %d", n, kept)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = 1 << 20
	if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Refused[ReasonEncoding] != (Count{bad, bad}) || books.Stored != (Count{bad, 2 * bad}) {
		t.Errorf("%+v", books)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != bad {
		t.Errorf("%+v, %v", info, err)
	}
	if says := s.State().Refusing; says != "" {
		t.Errorf("it says %q", says)
	}
}

// A message that NATS took, or a header of it, can be too large with the headers that say why it was refused.
func TestWhatIsTooLargeToBeKeptWholeIsCut(t *testing.T) {
	for name, limits := range map[string]struct {
		payload, header int
		stream          int32
	}{
		"the payload, for NATS":                      {payload: 64<<10 - 150},
		"the payload, for the stream":                {payload: 20 << 10, stream: 8 << 10},
		"a header that it came with, for NATS":       {payload: 3, header: 64<<10 - 300},
		"a header without a payload, for the stream": {header: 20 << 10, stream: 8 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, natstest.Start(t, func(o *server.Options) { o.MaxPayload = 64 << 10 }))
			if limits.stream > 0 {
				if _, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "refused", Subjects: []string{"refused"},
					MaxMsgSize: limits.stream}); err != nil {
					t.Fatal(err)
				}
			}
			m := nats.NewMsg("flows.a.b.ipfix")
			m.Data = []byte(strings.Repeat("{}\n", limits.payload/3))
			m.Header.Set(publish.HeaderEncoding, publish.EncodingJSON)
			m.Header.Set(publish.HeaderCount, "1")
			m.Header.Set("Flowfleet-Long", strings.Repeat("x", limits.header))
			if _, err := b.js.PublishMsg(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			b.publishMany(3, 2)
			o := options()
			o.Workers = 1
			_, stop := b.start(o)
			b.rest("sink")
			books := stop()
			balanced(t, books)
			if books.Refused[ReasonEncoding].Messages != 1 || books.RefusedCut.Messages != 1 || books.Stored != (Count{3, 6}) {
				t.Errorf("%+v", books)
			}
			stream, err := b.js.Stream(t.Context(), "refused")
			if err != nil {
				t.Fatal(err)
			}
			kept, err := stream.GetMsg(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if kept.Header.Get(HeaderCut) != strconv.Itoa(len(m.Data)) || kept.Header.Get(HeaderRefused) != string(ReasonEncoding) ||
				kept.Header.Get(HeaderSequence) != "1" || !strings.HasPrefix(string(m.Data), string(kept.Data)) ||
				limits.payload > 3 && len(kept.Data) == 0 {
				t.Errorf("kept %d bytes with %.200q", len(kept.Data), kept.Header)
			}
		})
	}
}

func TestWhatWaitsAtTheEndGoesToAnotherSinkAtOnce(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.memory.answer(func(ctx context.Context, _ Batch) error {
		<-ctx.Done()
		return ctx.Err()
	})
	o := options()
	o.AckWait = time.Hour // nobody waits for that
	s, stop := b.start(o)
	b.publishMany(5, 2)
	natstest.Eventually(t, "each worker has one", func() bool { return s.Books().Waiting == Count{3, 6} })
	books := stop()
	balanced(t, books)
	if books.GivenBack != (Count{3, 6}) || books.Stored != (Count{}) {
		t.Errorf("%+v", books)
	}
	b.memory.answer(nil)
	_, stop = b.start(o)
	b.rest("sink")
	books = stop()
	balanced(t, books)
	if books.Stored != (Count{5, 10}) || books.Redelivered != 3 {
		t.Errorf("%+v", books)
	}
}

func TestNATSThatIsKilledCostsNothing(t *testing.T) {
	server := natstest.StartProcess(t)
	b := newBench(t, server)
	s, stop := b.start(options())
	const messages = 60
	for i := range messages {
		b.publishMany(1, 3)
		if i%20 == 10 {
			server.Stop()
			time.Sleep(200 * time.Millisecond)
			server.Restart()
			natstest.AwaitStream(t, b.js, "flows")
		}
	}
	b.rest("sink")
	natstest.Eventually(t, "the stream is read again", func() bool { return s.State().Reading == "" })
	balanced(t, stop())
	if b.memory.len() != messages {
		t.Errorf("%d of %d batches are stored", b.memory.len(), messages)
	}
}

// A stream that is made anew counts from 1 again: its messages are other ones, whatever their numbers.
func TestAStreamThatIsMadeAnewIsAnotherOne(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	_, stop := b.start(options())
	b.publishMany(4, 1)
	b.rest("sink")
	if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	b.makeStream()
	b.publishMany(4, 1)
	b.rest("sink")
	balanced(t, stop())
	if b.memory.len() != 8 {
		t.Errorf("%d tokens for 8 messages", b.memory.len())
	}
}

func TestAConsumerThatWouldLoseMessagesIsNotUsed(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	if _, err := b.js.CreateConsumer(t.Context(), "flows", jetstream.ConsumerConfig{Durable: "sink", MaxDeliver: 3,
		AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	b.publishMany(1, 1)
	s, stop := b.start(options())
	natstest.Eventually(t, "the state says so", func() bool {
		return s.State().Reading == "consumer sink of stream flows does not suit: a pull consumer with explicit acknowledgement, no limit of "+
			"deliveries and whole messages is needed"
	})
	stop()
	if b.memory.attempts() != 0 {
		t.Error("it was used")
	}
}

func TestABatchThatWasSentWithoutAnAnswerIsCounted(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	var silent sync.Map
	b.memory.answer(func(_ context.Context, batch Batch) error {
		if _, again := silent.LoadOrStore(batch.Token, true); !again && silentBatch(batch) {
			return fmt.Errorf("inserting: %w", ErrUnanswered)
		}
		return nil
	})
	b.publishMany(3, 2)
	b.publishMany(2, 1)
	_, stop := b.start(options())
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Stored != (Count{5, 8}) || books.Unanswered != (Count{3, 6}) {
		t.Errorf("%+v", books)
	}
}

func silentBatch(b Batch) bool { return len(b.Payload) == len(batch(2)) }

// The permissions of docs/clickhouse.md are enough, also to make the consumer and the stream of what is refused.
func TestTheGuidesPermissionsAreEnough(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "a"}, {Username: "sink", Password: "s", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.CONSUMER.INFO.flows.sink", "$JS.API.CONSUMER.MSG.NEXT.flows.sink", "$JS.ACK.flows.sink.>", "refused",
				"$JS.API.CONSUMER.CREATE.flows.sink", "$JS.API.STREAM.CREATE.refused",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	var clients []jetstream.JetStream
	for _, user := range []nats.Option{nats.UserInfo("admin", "a"), nats.UserInfo("sink", "s")} {
		js, err := jetstream.New(s.Connect(user))
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, js)
	}
	b := &bench{t: t, server: s, js: clients[0], memory: &memory{batches: make(map[string]string)}}
	b.makeStream()
	b.publishMany(5, 2)
	b.publish(publish.EncodingJSON, 1, []byte("{}\n"))
	b.js = clients[1]
	_, stop := b.start(options())
	b.js = clients[0]
	b.rest("sink")
	books := stop()
	balanced(t, books)
	if books.Stored != (Count{5, 10}) || books.Refused[ReasonEncoding] != (Count{1, 1}) || books.AcknowledgementFailures != 0 {
		t.Errorf("%+v", books)
	}
}
