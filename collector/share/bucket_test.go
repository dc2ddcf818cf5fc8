package share

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// member is one collector's half of sharing: its memory and its bucket.
type member struct {
	t      *testing.T
	store  *template.Store
	rates  *sampling.Store
	clocks *boot.Store
	names  *names.Store
	totals ledger.Totals
	bucket *Bucket
}

var (
	address = netip.MustParseAddr("192.0.2.1")
	scope   = template.Scope{Version: template.IPFIX, Exporter: address, Domain: 7}
)

// stores makes the member's memory.
func (m *member) stores(c config.TemplateStore, limits template.Limits) Stores {
	limits.TTL = c.TTL.Std()
	m.store = template.NewStore(template.ModeAuto, limits, &m.totals, nil)
	m.rates = sampling.NewStore(template.ModeAuto, sampling.LimitsFor(limits.Exporters, limits.TTL), &m.totals)
	m.clocks = boot.NewStore(template.ModeAuto, limits.Exporters, limits.TTL)
	m.names = names.NewStore(names.LimitsFor(limits.Exporters), limits.TTL)
	return Stores{template.FamilyTemplate: m.store, template.FamilySampling: m.rates, template.FamilyClock: m.clocks,
		template.FamilyNames: names.Manifests{Store: m.names}, template.FamilyPage: names.BucketPages{Store: m.names}}
}

func (m *member) observe() {
	m.store.Observe(m.bucket)
	m.rates.Observe(m.bucket)
	m.clocks.Observe(m.bucket)
	m.names.Observe(m.bucket)
}

func join(t *testing.T, s *natstest.Server, change ...func(*config.TemplateStore)) *member {
	t.Helper()
	c := config.Default().Templates
	c.MaxBytes = -1
	for _, f := range change {
		f(&c)
	}
	m := &member{t: t}
	stores := m.stores(c, template.Limits{Exporters: 1000, Templates: 1000, Fields: 100})
	var err error
	if m.bucket, err = New(c, t.Name(), s.Connect(), stores, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	m.bucket.probeInterval = 100 * time.Millisecond
	m.observe()
	m.run()
	return m
}

// run has the bucket work until the end of the test.
func (m *member) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.bucket.Run(ctx)
	}()
	m.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// learn teaches a template of one field whose length tells versions apart.
func (m *member) learn(port, id, length uint16, stamp uint64) {
	m.t.Helper()
	record := binary.BigEndian.AppendUint16(nil, id)
	record = append(record, 0, 1, 0, 1)
	record = binary.BigEndian.AppendUint16(record, length)
	parsed, _, err := template.Parse(template.IPFIX, template.KindData, record, 10)
	if err != nil {
		m.t.Fatal(err)
	}
	m.store.Exporter(scope, clock.Steady()).LearnTemplate(port, parsed, stamp, clock.Steady())
}

// length is that of the template as port knows it, 0 for none.
func (m *member) length(port, id uint16) uint16 {
	e := m.store.Find(scope)
	if e == nil {
		return 0
	}
	if t, _ := e.Template(port, id, clock.Steady()); t != nil {
		return t.Fields[0].Length
	}
	return 0
}

func (m *member) eventually(port, id, length uint16) {
	m.t.Helper()
	natstest.Eventually(m.t, "the other learns the template", func() bool { return m.length(port, id) == length })
}

// settled waits until nothing is to be written.
func (m *member) settled() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if left := m.bucket.Flush(ctx); left != 0 {
		m.t.Fatalf("%d changes are not written", left)
	}
}

func bucketStream(t *testing.T, s *natstest.Server) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(context.Background(), "KV_flowfleet-templates")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func lastSequence(t *testing.T, s *natstest.Server) uint64 {
	t.Helper()
	return bucketStream(t, s).CachedInfo().State.LastSeq
}

func TestWhatOneLearnsTheOtherKnows(t *testing.T) {
	s := natstest.Start(t)
	a, b := join(t, s), join(t, s)
	a.learn(2055, 256, 4, 100)
	b.eventually(2055, 256, 4)
	a.learn(2055, 256, 8, 101) // redefined
	b.eventually(2055, 256, 8)
	sampler := subjectKey(t, sampling.Sampler, 5)
	a.rates.Exporter(scope, 1).Learn(scope.Domain, 2055, sampler, 512, 100, clock.Steady())
	natstest.Eventually(t, "the other learns the rate", func() bool {
		e := b.rates.Find(scope)
		if e == nil {
			return false
		}
		rate, _ := e.Rate(scope.Domain, 9999, sampler, clock.Steady())
		return rate == 512
	})
	a.clocks.Learn(scope, 2055, 1_700_000_000_000, 100, clock.Steady())
	natstest.Eventually(t, "the other learns the clock", func() bool {
		return b.clocks.Initialized(scope, 9999, clock.Steady()) == 1_700_000_000_000
	})
}

// A redefinition that a member hears first that had not heard the port may be another device's. The others are told once one of them hears it, though
// the bucket has it by then.
func TestTheOthersAreToldWhoHeardARedefinition(t *testing.T) {
	s := natstest.Start(t)
	a, b, c := join(t, s), join(t, s), join(t, s)
	a.learn(2055, 256, 4, 100)
	b.learn(2055, 256, 4, 100)
	c.eventually(2055, 256, 4)
	c.learn(2055, 256, 8, 200)
	a.eventually(2055, 256, 0)
	b.eventually(2055, 256, 0)
	a.learn(2055, 256, 8, 201)
	b.eventually(2055, 256, 8)
}

func TestANewMemberKnowsEverythingOnceLoaded(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	for id := uint16(256); id < 356; id++ {
		a.learn(2055, id, 4, 100)
	}
	a.settled()
	b := join(t, s)
	<-b.bucket.Loaded()
	for id := uint16(256); id < 356; id++ {
		if b.length(2055, id) != 4 {
			t.Fatalf("template %d is not known", id)
		}
	}
	if got := b.bucket.Stats().Writes; got != 0 {
		t.Errorf("loading wrote %d values", got)
	}
}

func TestTemplatesSentAgainCauseNoWrites(t *testing.T) {
	s := natstest.Start(t)
	a, b := join(t, s), join(t, s)
	a.learn(2055, 256, 4, 100)
	b.eventually(2055, 256, 4)
	a.settled()
	before := lastSequence(t, s)
	for second := range uint64(600) {
		a.learn(2055, 256, 4, 101+second)
		b.learn(2055, 256, 4, 101+second)
		b.learn(uint16(3000+second), 256, 4, 101+second) // a new port for each
	}
	a.settled()
	b.settled()
	if after := lastSequence(t, s); after != before {
		t.Errorf("the bucket was written %d times", after-before)
	}
}

func TestConcurrentWritersAgree(t *testing.T) {
	s := natstest.Start(t)
	members := []*member{join(t, s), join(t, s), join(t, s)}
	for round := range uint16(20) {
		for i, m := range members {
			m.learn(2055, 300+round, 4+uint16(i), 100) // exported in the same second
		}
	}
	natstest.Eventually(t, "all agree on all templates", func() bool {
		for round := range uint16(20) {
			want := members[0].length(2055, 300+round)
			for _, m := range members {
				if got := m.length(2055, 300+round); got != want || got == 0 {
					return false
				}
			}
		}
		return true
	})
}

// overtaken is a bucket whose answers are so slow that the watch brings what was written after them first.
type overtaken struct {
	jetstream.KeyValue
	meanwhile func()
}

func (o overtaken) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	entry, err := o.KeyValue.Get(ctx, key)
	o.meanwhile()
	return entry, err
}

func TestAnAnswerThatTheWatchOvertookIsNotBelieved(t *testing.T) {
	s := natstest.Start(t)
	other := join(t, s) // makes the bucket
	<-other.bucket.Loaded()
	m := &member{t: t}
	c := config.Default().Templates
	stores := m.stores(c, template.Limits{Exporters: 1000, Templates: 1000, Fields: 100})
	var err error
	if m.bucket, err = New(c, t.Name(), s.Connect(), stores, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	m.store.Observe(m.bucket)
	kv, err := m.bucket.js.KeyValue(t.Context(), c.Bucket)
	if err != nil {
		t.Fatal(err)
	}

	m.learn(2055, 256, 4, 100)
	other.learn(2055, 256, 5, 100) // exported in the same second: the bucket decides
	other.settled()
	slow := overtaken{kv, func() {
		key := template.Key{Scope: scope, Port: 2055, ID: 256}
		written, err := kv.Get(t.Context(), EncodeKey(key))
		if err != nil {
			t.Fatal(err)
		}
		value, err := DecodeValue(written.Value())
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint16(value.Record[len(value.Record)-2:], 6)
		if _, err := kv.Put(t.Context(), EncodeKey(key), EncodeValue(value)); err != nil {
			t.Fatal(err)
		}
		if written, err = kv.Get(t.Context(), EncodeKey(key)); err != nil {
			t.Fatal(err)
		}
		m.bucket.apply(written, false)
	}}
	for changes := 0; m.bucket.length() > 0; changes++ {
		if changes > 10 {
			t.Fatal("there is no end of changes")
		}
		o, _ := m.bucket.take(func() {})
		if err := m.bucket.perform(slow, o); err != nil {
			t.Fatal(err)
		}
		delete(m.bucket.busy, o.definition.Key)
	}
	if got := m.length(2055, 256); got != 6 {
		t.Errorf("a field of %d bytes in memory, 6 in the bucket", got)
	}
}

func TestLearningGoesOnWhileTheServerIsAway(t *testing.T) {
	s := natstest.Prepare(t)
	a := join(t, s)
	a.learn(2055, 256, 4, 100)
	a.learn(2055, 256, 8, 101)
	if a.length(2055, 256) != 8 {
		t.Error("memory depends on the server")
	}
	s.Restart()
	b := join(t, s)
	b.eventually(2055, 256, 8)
	s.Stop()
	b.learn(2055, 257, 16, 100)
	s.Restart()
	a.eventually(2055, 257, 16)
}

func TestAnEmptyStoreIsFilledFromMemory(t *testing.T) {
	s := natstest.Start(t)
	a, b := join(t, s), join(t, s)
	a.learn(2055, 256, 4, 100)
	b.eventually(2055, 256, 4)
	s.Stop()
	s.UseStore(t.TempDir())
	s.Restart()
	c := join(t, s)
	c.eventually(2055, 256, 4)
}

func TestABucketDeletedByHandIsMadeAndFilledAgain(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	a.learn(2055, 256, 4, 100)
	a.settled()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(context.Background(), "flowfleet-templates"); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the bucket is filled again", func() bool {
		kv, err := js.KeyValue(context.Background(), "flowfleet-templates")
		if err != nil {
			return false
		}
		entries, err := List(context.Background(), kv, ">", time.Minute)
		return err == nil && len(entries) == 1
	})
	b := join(t, s)
	b.eventually(2055, 256, 4)
}

func TestAnOlderCopyOfTheStoreDoesNotBringBackOldLayouts(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	a.learn(2055, 256, 4, 100)
	a.settled()
	s.Stop()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(s.Store())); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	natstest.Eventually(t, "the connection is back", func() bool { return a.bucket.Status().Connected })
	a.learn(2055, 256, 8, 200)
	a.learn(2055, 257, 2, 200)
	a.settled()
	s.Stop()
	s.UseStore(old)
	s.Restart()
	b := join(t, s)
	b.eventually(2055, 256, 8)
	b.eventually(2055, 257, 2)
	if a.length(2055, 256) != 8 {
		t.Error("the old layout came back")
	}
}

func TestAWatchThatDiesInSilenceIsNoticed(t *testing.T) {
	s := natstest.Start(t)
	a, b := join(t, s), join(t, s)
	a.learn(2055, 256, 4, 100)
	b.eventually(2055, 256, 4)
	deleteConsumers(t, s)
	a.learn(2055, 256, 8, 101)
	b.eventually(2055, 256, 8)
}

// deleteConsumers ends all watches of the bucket without their clients' knowing.
func deleteConsumers(t *testing.T, s *natstest.Server) {
	t.Helper()
	stream := bucketStream(t, s)
	names := stream.ConsumerNames(context.Background())
	for name := range names.Name() {
		if err := stream.DeleteConsumer(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWatchOfAnEmptyBucketThatDiesInSilenceIsNoticed(t *testing.T) {
	s := natstest.Start(t)
	a, b := join(t, s), join(t, s)
	<-a.bucket.Loaded()
	<-b.bucket.Loaded()
	deleteConsumers(t, s)
	a.learn(2055, 256, 4, 100)
	b.eventually(2055, 256, 4)
	natstest.Eventually(t, "the watch is opened anew, whatever the library does", func() bool {
		return b.bucket.Stats().WatchRestarts > 0
	})
}

// The stream's last number may belong to a message that is gone: that is no sign of a watch that has died.
func TestABucketWhoseLastMessageIsGoneIsNotListedOverAndOver(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	a.learn(2055, 256, 4, 100)
	a.settled()
	a.learn(2055, 257, 4, 100)
	a.settled()
	name := "$KV.flowfleet-templates." + EncodeKey(template.Key{Scope: scope, Port: 2055, ID: 257})
	if err := bucketStream(t, s).Purge(context.Background(), jetstream.WithPurgeSubject(name)); err != nil {
		t.Fatal(err)
	}
	b := join(t, s)
	b.eventually(2055, 256, 4)
	time.Sleep(10 * b.bucket.probeInterval)
	if n := b.bucket.Stats().WatchRestarts; n != 0 {
		t.Errorf("it was listed %d times more", n)
	}
}

// gone is the marker of a deletion.
type gone struct {
	jetstream.KeyValueEntry
	key      template.Key
	revision uint64
}

func (g gone) Key() string                     { return EncodeKey(g.key) }
func (g gone) Revision() uint64                { return g.revision }
func (g gone) Created() time.Time              { return clock.Wall() }
func (g gone) Operation() jetstream.KeyValueOp { return jetstream.KeyValueDelete }

// A withdrawal and the next definition are written one behind the other, and the watch delivers the first when both are done.
func TestADeletionDoesNotTakeWhatWasWrittenSince(t *testing.T) {
	m := &member{t: t}
	b, err := New(config.Default().Templates, "test", natstest.Start(t).Connect(), m.stores(config.Default().Templates,
		template.Limits{Exporters: 10, Templates: 10, Fields: 10}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.learn(2055, 256, 4, 100)
	key := template.Key{Scope: scope, Port: 2055, ID: 256}
	b.mu.Lock()
	b.remember(key, known{revision: 7})
	b.mu.Unlock()
	b.apply(gone{key: key, revision: 6}, false)
	if m.length(2055, 256) != 4 {
		t.Error("it is forgotten")
	}
	b.apply(gone{key: key, revision: 8}, false)
	if m.length(2055, 256) != 0 {
		t.Error("a deletion is not followed")
	}
}

func TestAFullBucketIsSaidWithWhatToDo(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s, func(c *config.TemplateStore) { c.MaxBytes = 4096 })
	for id := range uint16(200) {
		a.learn(2055, 256+id, 4, 100)
	}
	natstest.Eventually(t, "it is said", func() bool { return strings.Contains(a.bucket.Status().LastError, "maximum bytes") })
	if a.length(2055, 455) != 4 {
		t.Error("memory depends on it")
	}
	kv, err := a.bucket.js.KeyValue(context.Background(), "flowfleet-templates")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = kv.Put(context.Background(), "t1.x", make([]byte, 4096)); err == nil || !strings.Contains(hint(err), "templateStore.maxBytes") {
		t.Errorf("the hint for %v is %q", err, hint(err))
	}
}

// Each collector is a consumer of the bucket's stream, which may allow fewer than the fleet has.
func TestACollectorThatTheBucketHasNoRoomForSaysWhatToDoAndJoinsOnceThereIs(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	a.learn(2055, 256, 4, 100)
	a.settled()
	allow := func(consumers int) {
		t.Helper()
		c := bucketStream(t, s).CachedInfo().Config
		c.MaxConsumers = consumers
		if _, err := a.bucket.js.UpdateStream(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	allow(1)
	late := join(t, s)
	natstest.Eventually(t, "it is said", func() bool { return strings.Contains(late.bucket.Status().ReadError, "maximum consumers") })
	if h := hint(fmt.Errorf("watching: %w", jetstream.ErrMaximumConsumersLimit)); !strings.Contains(h, "max_consumers") {
		t.Errorf("the hint is %q", h)
	}
	allow(2)
	late.eventually(2055, 256, 4)
}

func TestWhatIsKnownOfTheBucketIsBounded(t *testing.T) {
	b, err := New(config.Default().Templates, "test", natstest.Start(t).Connect(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range uint64(maxKnown + 1000) {
		b.remember(template.Key{ID: id}, known{revision: id})
	}
	if n := len(b.known); n != maxKnown {
		t.Errorf("%d keys", n)
	}
	if _, ok := b.known[template.Key{ID: maxKnown + 999}]; !ok {
		t.Error("the latest is not among them")
	}
}

func TestWhatANewerCollectorWroteIsLeftAlone(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	<-a.bucket.Loaded()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(context.Background(), "flowfleet-templates")
	if err != nil {
		t.Fatal(err)
	}
	name := EncodeKey(template.Key{Scope: scope, Port: 2055, ID: 256})
	future := []byte{schema + 1, 'x'}
	if _, err := kv.Put(context.Background(), name, future); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is seen", func() bool { return a.bucket.Stats().Newer > 0 })
	a.learn(2055, 256, 4, 100)
	a.settled()
	entry, err := kv.Get(context.Background(), name)
	if err != nil || string(entry.Value()) != string(future) {
		t.Errorf("it is %x, %v now", entry.Value(), err)
	}
	if a.length(2055, 256) != 4 {
		t.Error("memory depends on it")
	}
}

func TestWhatIsInUseOutlivesItsTTL(t *testing.T) {
	for name, offset := range map[string]time.Duration{"clock right": 0, "clock behind": -time.Hour, "clock ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			clock.SetWall(func() time.Time { return time.Now().Add(offset) })
			t.Cleanup(func() { clock.SetWall(time.Now) })
			s := natstest.Start(t)
			a := join(t, s, func(c *config.TemplateStore) { c.TTL = config.Duration(2 * time.Second) })
			a.learn(2055, 256, 4, 100)
			a.settled()
			first := lastSequence(t, s)
			natstest.Eventually(t, "it is written again before it expires", func() bool {
				a.learn(2055, 256, 4, 100)
				return lastSequence(t, s) >= first+2
			})
			if n := a.bucket.Stats().Writes; n > 10 {
				t.Errorf("%d writes for one value", n)
			}
		})
	}
}

func TestAnExistingBucketIsNeverChanged(t *testing.T) {
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(context.Background(), jetstream.KeyValueConfig{
		Bucket: "flowfleet-templates", History: 10, TTL: time.Hour, MaxBytes: 1 << 24,
	}); err != nil {
		t.Fatal(err)
	}
	a := join(t, s)
	<-a.bucket.Loaded()
	if got := a.bucket.Status().Differences; len(got) != 3 {
		t.Errorf("differences are %q", got)
	}
	stream, err := js.Stream(context.Background(), "KV_flowfleet-templates")
	if err != nil {
		t.Fatal(err)
	}
	if c := stream.CachedInfo().Config; c.MaxMsgsPerSubject != 10 || c.MaxAge != time.Hour || c.MaxBytes != 1<<24 {
		t.Errorf("it was changed: %+v", c)
	}
}

func TestARedefinitionStormIsSlowedDownAndItsEndIsWritten(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	<-a.bucket.Loaded()
	const rounds = 3 * writeBurst
	for i := range uint64(rounds) {
		a.learn(2055, 256, 1+uint16(i%60000), 100+i)
	}
	a.settled()
	b := join(t, s)
	b.eventually(2055, 256, 1+uint16((rounds-1)%60000))
	if n := a.bucket.Stats().Writes; n > writeBurst+1000 {
		t.Errorf("%d writes", n)
	}
}
