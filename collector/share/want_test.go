package share

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

// keyOf is that of a member's template.
func keyOf(port, id uint16) template.Key {
	return template.Key{Scope: scope, Port: port, ID: uint64(id)}
}

// bucketOf is the bucket of the tests as somebody else opens it.
func bucketOf(t *testing.T, s *natstest.Server) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), config.Default().Templates.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// hooked is a memory beside which something happens, once, while it takes a value.
type hooked struct {
	Store
	before, after atomic.Pointer[func()]
}

func (h *hooked) Restore(d template.Definition, now int64) bool {
	if do := h.before.Swap(nil); do != nil {
		(*do)()
	}
	took := h.Store.Restore(d, now)
	if do := h.after.Swap(nil); do != nil {
		(*do)()
	}
	return took
}

// joinHooked is a member whose memory of templates is hooked.
func joinHooked(t *testing.T, s *natstest.Server) (*member, *hooked) {
	t.Helper()
	c := config.Default().Templates
	c.MaxBytes = -1
	m := &member{t: t}
	stores := m.stores(c, template.Limits{Exporters: 1000, Templates: 1000, Fields: 100})
	h := &hooked{Store: stores[template.FamilyTemplate]}
	stores[template.FamilyTemplate] = h
	var err error
	if m.bucket, err = New(c, t.Name(), s.Connect(), stores, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	m.observe()
	m.run()
	<-m.bucket.Loaded()
	return m, h
}

// What somebody deletes from the bucket while a collector fetches it stays deleted, whatever comes first: the answer, or the word of the watch.
func TestWhatIsDeletedWhileItIsFetchedStaysDeleted(t *testing.T) {
	for name, when := range map[string]func(h *hooked, deletes func()){
		"before the answer is taken": func(_ *hooked, deletes func()) { deletes() },
		"before memory takes it":     func(h *hooked, deletes func()) { h.before.Store(&deletes) },
		"behind that":                func(h *hooked, deletes func()) { h.after.Store(&deletes) },
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			m, h := joinHooked(t, s)
			m.learn(2055, 256, 4, 100)
			m.settled()
			kv := bucketOf(t, s)
			key := keyOf(2055, 256)
			entry, err := kv.Get(t.Context(), EncodeKey(key))
			if err != nil {
				t.Fatal(err)
			}
			deletes := func(key template.Key) {
				if err := kv.Delete(t.Context(), EncodeKey(key)); err != nil {
					t.Error(err)
				}
				natstest.Eventually(t, "the watch brings it", func() bool {
					m.bucket.mu.Lock()
					defer m.bucket.mu.Unlock()
					return m.bucket.deleted[key].revision > entry.Revision()
				})
			}
			deletes(keyOf(2056, 257)) // the watch has brought what came before that, too, and waits for nobody in the memory
			when(h, func() { deletes(key) })
			m.bucket.mu.Lock()
			listing := m.bucket.listing
			m.bucket.mu.Unlock()
			m.bucket.takeFetched(source{kv, listing}, key, entry)
			natstest.Eventually(t, "it is forgotten", func() bool { return m.length(2055, 256) == 0 })
			m.bucket.mu.Lock()
			defer m.bucket.mu.Unlock()
			if _, known := m.bucket.known[key]; known {
				t.Error("the bucket is taken to have it")
			}
		})
	}
}

// What is written anew after it was deleted counts, though the fetch began before.
func TestWhatIsWrittenAfterItWasDeletedIsKept(t *testing.T) {
	s := natstest.Start(t)
	m := join(t, s)
	m.learn(2055, 256, 4, 100)
	m.settled()
	kv := bucketOf(t, s)
	key := keyOf(2055, 256)
	entry, err := kv.Get(t.Context(), EncodeKey(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), EncodeKey(key)); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is forgotten", func() bool { return m.length(2055, 256) == 0 })
	m.learn(2055, 256, 8, 200)
	m.settled()
	m.bucket.mu.Lock()
	listing := m.bucket.listing
	m.bucket.mu.Unlock()
	m.bucket.takeFetched(source{kv, listing}, key, entry)
	if n := m.length(2055, 256); n != 8 {
		t.Errorf("the template's length is %d", n)
	}
}

// What was asked for before the bucket is listed anew is of another bucket, maybe.
func TestWhatWasFetchedBeforeAListingIsNotTaken(t *testing.T) {
	s := natstest.Start(t)
	one, other := join(t, s), join(t, s)
	one.learn(2055, 256, 4, 100)
	one.settled()
	other.eventually(2055, 256, 4)
	key := keyOf(2055, 256)
	kv := bucketOf(t, s)
	entry, err := kv.Get(t.Context(), EncodeKey(key))
	if err != nil {
		t.Fatal(err)
	}
	other.store.Forget(key)
	other.bucket.mu.Lock()
	asked := other.bucket.listing - 1
	other.bucket.mu.Unlock()
	if other.bucket.takeFetched(source{kv, asked}, key, entry) || other.length(2055, 256) != 0 {
		t.Error("it is taken")
	}
}

// wants is a memory that lacks keys, and says so once.
type wants struct{ keys []template.Key }

func (w *wants) Wants(most int, _ int64) (out []template.Key) {
	n := min(most, len(w.keys))
	out, w.keys = w.keys[:n], w.keys[n:]
	return out
}

func (w *wants) Restore(template.Definition, int64) bool { return true }
func (w *wants) Forget(template.Key)                     {}
func (w *wants) Definitions(int64) iter.Seq[template.Definition] {
	return func(func(template.Definition) bool) {}
}

// failing is a bucket that fails so many times.
type failing struct {
	jetstream.KeyValue
	failures int
	asked    map[string]int
}

var errUnreachable = errors.New("no answer")

func (f *failing) Get(_ context.Context, key string) (jetstream.KeyValueEntry, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errUnreachable
	}
	f.asked[key]++
	return nil, jetstream.ErrKeyNotFound
}

func (f *failing) Watch(_ context.Context, pattern string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errUnreachable
	}
	f.asked[pattern]++
	return nothing{}, nil
}

// nothing is a watcher of an empty bucket.
type nothing struct{}

func (nothing) Updates() <-chan jetstream.KeyValueEntry {
	c := make(chan jetstream.KeyValueEntry, 1)
	c <- nil
	close(c)
	return c
}
func (nothing) Stop() error { return nil }

// Memories say seldom what they want, or once. Where the bucket does not answer, all of it is asked for the next time, and each once where
// it does.
func TestWhatIsWantedIsAskedForUntilThereIsAnAnswer(t *testing.T) {
	w := &wants{}
	for i := range 300 {
		w.keys = append(w.keys, template.Key{Family: template.FamilyPage, ID: uint64(i)})
	}
	b := &Bucket{stores: Stores{template.FamilyPage: w}}
	kv := &failing{failures: 3, asked: make(map[string]int)}
	var rest sought
	rounds := 0
	for asked := true; asked; rounds++ {
		asked, _ = b.bringSome(t.Context(), source{KeyValue: kv}, &rest)
	}
	if len(kv.asked) != 300 || rounds > 3+2+1 {
		t.Errorf("%d of 300 were asked for in %d rounds", len(kv.asked), rounds)
	}
	for key, n := range kv.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", key, n)
		}
	}
}

// forgetful is a memory whose exporters made room and were heard again.
type forgetful struct {
	wants
	scopes []template.Scope
	found  map[netip.Addr]int
}

func (f *forgetful) Missed(most int) (out []template.Scope) {
	n := min(most, len(f.scopes))
	out, f.scopes = f.scopes[:n], f.scopes[n:]
	return out
}
func (f *forgetful) Welcome(template.Scope, int64) {}
func (f *forgetful) Found(a netip.Addr)            { f.found[a]++ }

// So it is with what exporters taught that made room for others.
func TestExportersThatAreMissedAreAskedForUntilThereIsAnAnswer(t *testing.T) {
	f := &forgetful{found: make(map[netip.Addr]int)}
	for i := range 40 {
		f.scopes = append(f.scopes, template.Scope{Exporter: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
	}
	b := &Bucket{stores: Stores{template.FamilyTemplate: f}}
	kv := &failing{failures: 5, asked: make(map[string]int)}
	var rest sought
	for range 10 {
		b.bringMissed(t.Context(), source{KeyValue: kv}, &rest)
	}
	if len(f.found) != 40 || len(kv.asked) != 40 {
		t.Errorf("%d of 40 were asked for, %d found", len(kv.asked), len(f.found))
	}
	if b.bringMissed(t.Context(), source{KeyValue: kv}, &rest) {
		t.Error("what was found is asked for again")
	}
	// One for which there is never an answer is given up.
	f.scopes = append(f.scopes, template.Scope{Exporter: netip.MustParseAddr("192.0.2.99")})
	kv.failures = 1 << 20
	for range missedTries {
		b.bringMissed(t.Context(), source{KeyValue: kv}, &rest)
	}
	if b.bringMissed(t.Context(), source{KeyValue: kv}, &rest) {
		t.Error(fmt.Sprint("it is asked for more than ", missedTries, " times"))
	}
}
