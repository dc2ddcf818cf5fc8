package publish

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func output(change func(*config.Output)) config.Output {
	c := config.Default()
	c.Output.Stream.MaxBytes = -1
	if change != nil {
		change(&c.Output)
	}
	return c.Output
}

func start(t *testing.T, s *natstest.Server, c config.Output) Publisher {
	t.Helper()
	p, err := New(c, "test", s.Connect(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Close(ctx)
	})
	return p
}

// submit hands in n batches of one record each, numbered from first.
func submit(p Publisher, first, n, size int) {
	for i := range n {
		b := p.Get()
		b.Subject = "flows.default.collector.ipfix"
		b.Buffer = fmt.Appendf(b.Buffer, "%06d", first+i)
		b.Buffer = append(b.Buffer, strings.Repeat(".", size)...)
		b.Records = 1
		p.Submit(b)
	}
}

// check asserts the ledger.
func check(t *testing.T, p Publisher) Stats {
	t.Helper()
	s := p.Stats()
	if s.Submitted+s.Recovered != s.Published+s.Waiting+s.Spooled+s.DroppedRecords() {
		t.Errorf("%d submitted, %d recovered, but %d published, %d waiting, %d spooled, %d dropped", s.Submitted, s.Recovered,
			s.Published, s.Waiting, s.Spooled, s.DroppedRecords())
	}
	return s
}

// stored returns the numbers of the records in the stream, in order.
func stored(t *testing.T, s *natstest.Server) []string {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, "flows")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := stream.CachedInfo().State.FirstSeq; i <= stream.CachedInfo().State.LastSeq && i > 0; i++ {
		m, err := stream.GetMsg(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get(HeaderCount) != "1" || m.Header.Get(HeaderEncoding) != EncodingProtobuf {
			t.Errorf("headers are %v", m.Header)
		}
		out = append(out, string(m.Data[:6]))
	}
	return out
}

func assertAllOnce(t *testing.T, got []string, n int) {
	t.Helper()
	seen := make(map[string]bool)
	for _, number := range got {
		if seen[number] {
			t.Errorf("record %s is there twice", number)
		}
		seen[number] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d records arrived", len(seen), n)
	}
}

func TestBatchesArriveOnceAndInOrder(t *testing.T) {
	s := natstest.Start(t)
	p := start(t, s, output(nil))
	natstest.Eventually(t, "the stream is there", func() bool { return p.Status().StreamReady })
	submit(p, 0, 500, 1000)
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if stats := check(t, p); stats.Published != 500 || stats.Batches != 500 || stats.BufferBytes != 0 || stats.InFlightBytes != 0 {
		t.Errorf("stats are %+v", stats)
	}
	got := stored(t, s)
	assertAllOnce(t, got, 500)
	for i, number := range got {
		if number != fmt.Sprintf("%06d", i) {
			t.Fatalf("message %d is record %s", i, number)
		}
	}
}

func TestNothingIsLostWhileTheServerIsAway(t *testing.T) {
	s := natstest.Prepare(t)
	p := start(t, s, output(nil))
	submit(p, 0, 50, 100)
	if stats := check(t, p); stats.Waiting != 50 {
		t.Errorf("%d records wait", stats.Waiting)
	}
	s.Restart()
	natstest.Eventually(t, "the first records are published", func() bool { return p.Stats().Published == 50 })
	for round := 1; round <= 2; round++ {
		submit(p, 50*round, 25, 100)
		s.Stop()
		submit(p, 50*round+25, 25, 100)
		s.Restart()
		natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == uint64(50*round+50) })
	}
	assertAllOnce(t, stored(t, s), 150)
}

func TestAStreamThatIsDeletedIsMadeAgain(t *testing.T) {
	s := natstest.Start(t)
	p := start(t, s, output(nil))
	submit(p, 0, 1, 10)
	natstest.Eventually(t, "it is published", func() bool { return p.Stats().Published == 1 })
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(context.Background(), "flows"); err != nil {
		t.Fatal(err)
	}
	submit(p, 1, 10, 10)
	natstest.Eventually(t, "they are published", func() bool { return p.Stats().Published == 11 })
	assertAllOnce(t, stored(t, s), 10)
}

func TestTheBufferIsBoundedAndItsPolicyHonest(t *testing.T) {
	for _, test := range []struct {
		policy      config.DropPolicy
		reason      Reason
		first, last string
	}{
		{config.DropOldest, DroppedOldest, "000090", "000099"},
		{config.DropNewest, DroppedNewest, "000000", "000009"},
	} {
		t.Run(string(test.policy), func(t *testing.T) {
			s := natstest.Prepare(t)
			p := start(t, s, output(func(o *config.Output) {
				o.Buffer.MaxBytes = 10 * 1006
				o.Buffer.Policy = test.policy
			}))
			submit(p, 0, 100, 1000)
			stats := check(t, p)
			if stats.Waiting > 10 || stats.Dropped[test.reason] != 100-stats.Waiting || stats.BufferBytes > 10*1006 {
				t.Errorf("stats are %+v", stats)
			}
			s.Restart()
			natstest.Eventually(t, "the rest is published", func() bool { return p.Stats().Waiting == 0 })
			check(t, p)
			got := stored(t, s)
			if got[len(got)-1] != test.last {
				t.Errorf("what was kept are %v", got)
			}
		})
	}
}

// startUnheard returns a Publisher with a buffer of so many bytes that had one batch published, and four more that the stream
// stored without anybody hearing of it: the proxy between them is cut.
func startUnheard(t *testing.T, maxBytes config.Size) (p Publisher, s *natstest.Server, proxy *natstest.Proxy) {
	t.Helper()
	s = natstest.Start(t)
	proxy = natstest.NewProxy(t, s)
	c := output(func(o *config.Output) { o.Buffer.MaxBytes, o.Buffer.InFlightBytes = maxBytes, 4*1006 })
	p, err := New(c, "test", natstest.Connect(t, proxy.URL()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	submit(p, 0, 1, 1000)
	natstest.Eventually(t, "the first is published", func() bool { return p.Stats().Published == 1 })
	proxy.Silence()
	submit(p, 1, 4, 1000)
	natstest.Eventually(t, "the stream has what is in flight", func() bool { return len(stored(t, s)) == 5 })
	proxy.Cut()
	natstest.Eventually(t, "their answers are given up", func() bool { return p.Stats().InFlightBytes == 0 })
	return p, s, proxy
}

// The stream stores, and nobody hears of it: what must make room then is what was never sent. What counts as dropped is lost,
// what does not is there, once.
func TestWhatTheStreamMayHaveIsNotDroppedForRoom(t *testing.T) {
	p, s, proxy := startUnheard(t, 10*1006)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	submit(p, 5, 95, 1000)
	stats := check(t, p)
	if stats.Dropped[DroppedOldest] != 89 || stats.DroppedRecords() != 89 {
		t.Errorf("stats are %+v", stats)
	}
	proxy.Heal()
	natstest.Eventually(t, "the rest is published", func() bool { return p.Stats().Waiting == 0 })
	got := stored(t, s)
	assertAllOnce(t, got, 100-89)
	if got[4] != "000004" || got[5] != "000094" {
		t.Errorf("what is stored are %v", got)
	}
}

// Where nothing else is left to make room, or the process ends, those of unknown fate are counted as such.
func TestWhatTheStreamMayHaveIsCountedByItself(t *testing.T) {
	p, s, _ := startUnheard(t, 4*1006)
	submit(p, 5, 1, 1000) // the oldest of the four goes
	submit(p, 6, 1, 1000) // the one that was never sent goes
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err == nil {
		t.Error("nothing was lost, it says")
	}
	stats := check(t, p)
	if stats.Dropped[DroppedUnacknowledged] != 4 || stats.Dropped[DroppedOldest] != 1 || stats.Dropped[DroppedShutdown] != 1 {
		t.Errorf("stats are %+v", stats)
	}
	assertAllOnce(t, stored(t, s), 5)
}

// A server that is frozen takes nothing from its connection, whose buffers fill up until a write to it waits: no worker waits
// with it, whoever looks at the Publisher meanwhile.
func TestNoWorkerWaitsForAServerThatReadsNothing(t *testing.T) {
	s := natstest.Start(t)
	proxy := natstest.NewProxy(t, s)
	c := output(func(o *config.Output) { o.Buffer.MaxBytes, o.Buffer.InFlightBytes = 64<<20, 64<<20 })
	p, err := New(c, "test", natstest.Connect(t, proxy.URL()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	submit(p, 0, 1, 1000)
	natstest.Eventually(t, "the first is published", func() bool { return p.Stats().Published == 1 })
	proxy.Stall()
	ctx, cancel := context.WithCancel(context.Background())
	var looks sync.WaitGroup
	looks.Go(func() {
		for ctx.Err() == nil {
			_ = p.Status()
			time.Sleep(time.Millisecond)
		}
	})
	submitted := make(chan struct{})
	go func() {
		defer close(submitted)
		for i := range 40 {
			submit(p, 1+100*i, 100, 10_000) // 40 MB in all, more than the buffers of a connection take
			time.Sleep(20 * time.Millisecond)
		}
	}()
	select {
	case <-submitted:
	case <-time.After(30 * time.Second): // the library gives up the write after a minute
		t.Error("a worker waits")
	}
	proxy.Heal()
	<-submitted
	cancel()
	looks.Wait()
	natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 4001 })
	assertAllOnce(t, stored(t, s), 4001)
}

func TestBlockWaitsForRoom(t *testing.T) {
	s := natstest.Prepare(t)
	p := start(t, s, output(func(o *config.Output) {
		o.Buffer.MaxBytes = 10 * 1006
		o.Buffer.Policy = config.Block
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		submit(p, 0, 100, 1000)
	}()
	natstest.Eventually(t, "the buffer is full", func() bool { return p.Stats().Waiting == 10 })
	s.Restart()
	<-done
	natstest.Eventually(t, "all are published", func() bool { return p.Stats().Published == 100 })
	check(t, p)
	assertAllOnce(t, stored(t, s), 100)
}

func TestWhatTheServerNeverTakesIsDroppedAndCounted(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 2000 })
	p := start(t, s, output(nil))
	submit(p, 0, 1, 5000)
	submit(p, 1, 1, 500)
	natstest.Eventually(t, "the small one is published", func() bool { return p.Stats().Published == 1 })
	if stats := check(t, p); stats.Dropped[DroppedRefused] != 1 {
		t.Errorf("stats are %+v", stats)
	}
}

// logged is how often a logger's output has a text.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func TestWhatComesWithEveryBatchDoesNotFillTheLog(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 2000 })
	var log logged
	p, err := New(output(nil), "test", s.Connect(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	submit(p, 0, 500, 5000)
	natstest.Eventually(t, "all are dropped", func() bool { return check(t, p).Dropped[DroppedRefused] == 500 })
	if n := log.count("will never take"); n != 1 || log.count("max_payload") == 0 {
		t.Errorf("%d lines say that messages are refused", n)
	}
	if n := log.count("flows are being dropped"); n != 1 {
		t.Errorf("%d lines say that flows are dropped", n)
	}
}

// A quiet exporter's flows make short batches, many of them while the server is away: they must not keep buffers that are made
// for full ones.
func TestWhatWaitsTakesNoMoreMemoryThanItCountsFor(t *testing.T) {
	s := natstest.Prepare(t)
	p := start(t, s, output(nil)).(*jetStream)
	submit(p, 0, 1000, 150)
	p.mu.Lock()
	room := 0
	for _, b := range p.queue {
		room += cap(b.Buffer)
	}
	counted := p.stats.BufferBytes
	p.mu.Unlock()
	if room > 2*counted {
		t.Errorf("batches of %d bytes have buffers of %d", counted, room)
	}
	s.Restart()
	natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 1000 })
	assertAllOnce(t, stored(t, s), 1000)
}

func TestWhatIsLeftAtTheEndIsCounted(t *testing.T) {
	s := natstest.Prepare(t)
	p := start(t, s, output(nil))
	submit(p, 0, 7, 10)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "7 records") {
		t.Errorf("the error is %v", err)
	}
	if stats := check(t, p); stats.Dropped[DroppedShutdown] != 7 || stats.Waiting != 0 || stats.InFlightBytes != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

func TestAMissingStreamIsMadeAsConfigured(t *testing.T) {
	for retention, want := range map[config.Retention]jetstream.RetentionPolicy{
		config.RetentionLimits: jetstream.LimitsPolicy, config.RetentionInterest: jetstream.InterestPolicy,
		config.RetentionWorkQueue: jetstream.WorkQueuePolicy,
	} {
		s := natstest.Start(t)
		p := start(t, s, output(func(o *config.Output) {
			o.Stream.Retention, o.Stream.Subjects = retention, []string{"flows.a.>", "flows.default.>"}
			o.Stream.MaxAge, o.Stream.MaxBytes, o.Stream.Storage = config.Duration(time.Hour), 1<<24, config.StorageMemory
		}))
		natstest.Eventually(t, "the stream is made", func() bool { return p.Status().StreamReady })
		js, err := jetstream.New(s.Connect())
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(context.Background(), "flows")
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		if c.Retention != want || c.MaxAge != time.Hour || c.MaxBytes != 1<<24 || c.Storage != jetstream.MemoryStorage || len(c.Subjects) != 2 {
			t.Errorf("%s: %+v", retention, c)
		}
		if d := p.Status().Differences; len(d) != 0 {
			t.Errorf("it differs from what made it: %q", d)
		}
	}
}

func TestAnExistingStreamIsLeftAsItIs(t *testing.T) {
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	before := jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>", "more.>"}, MaxAge: 240 * time.Hour}
	if _, err := js.CreateStream(context.Background(), before); err != nil {
		t.Fatal(err)
	}
	p := start(t, s, output(func(o *config.Output) { o.Stream.MaxAge = config.Duration(24 * time.Hour) }))
	natstest.Eventually(t, "the stream is looked at", func() bool { return p.Status().StreamReady })
	if got := p.Status().Differences; len(got) != 2 {
		t.Errorf("differences are %q", got)
	}
	// What the configuration leaves open is no difference.
	open := start(t, s, output(nil))
	natstest.Eventually(t, "the stream is looked at", func() bool { return open.Status().StreamReady })
	if got := open.Status().Differences; len(got) != 1 {
		t.Errorf("differences are %q", got)
	}
	stream, err := js.Stream(context.Background(), "flows")
	if err != nil {
		t.Fatal(err)
	}
	if after := stream.CachedInfo().Config; after.MaxAge != before.MaxAge || len(after.Subjects) != 2 {
		t.Errorf("it was changed: %+v", after)
	}
}

func TestAFileTakesWhatItCan(t *testing.T) {
	path := t.TempDir() + "/flows.bin"
	p := start(t, natstest.Start(t), output(func(o *config.Output) { o.Kind, o.File = config.OutputFile, path }))
	submit(p, 0, 3, 10)
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	submit(p, 3, 2, 10) // after the end of the file
	if stats := check(t, p); stats.Published != 3 || stats.Dropped[DroppedWrite] != 2 || stats.Bytes != 3*16 {
		t.Errorf("stats are %+v", stats)
	}
}

func BenchmarkJetStream(b *testing.B) {
	s := natstest.Start(b)
	p, err := New(output(func(o *config.Output) { o.Buffer.Policy = config.Block }), "bench", s.Connect(),
		slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(strings.Repeat("x", 60<<10))
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		batch := p.Get()
		batch.Subject, batch.Records = "flows.default.collector.ipfix", 600
		batch.Buffer = append(batch.Buffer, payload...)
		p.Submit(batch)
	}
	if err := p.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(p.Stats().Published)/b.Elapsed().Seconds(), "records/s")
}

// Whoever waits for something to change sees the end, also where the one who closes is interrupted for long.
func TestCloseEndsHoweverItsWorkersAreWoken(t *testing.T) {
	s := natstest.Start(t)
	p, err := New(output(func(*config.Output) {}), "test", natstest.Connect(t, s.URL()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	js := p.(*jetStream)
	stop := js.stop
	js.stop = func() {
		time.Sleep(300 * time.Millisecond)
		stop()
	}
	closed := make(chan error, 1)
	go func() { closed <- p.Close(t.Context()) }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the end is not seen")
	}
}
