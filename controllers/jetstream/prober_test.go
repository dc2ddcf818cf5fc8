package jetstream

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// probing is a Prober that runs, and says of whom there was news.
type probing struct {
	*Prober
	t    *testing.T
	mu   sync.Mutex
	news map[Key]int
}

func probe(t *testing.T, interval time.Duration) *probing {
	t.Helper()
	p := &probing{t: t, news: make(map[Key]int)}
	p.Prober = NewProber(ProberOptions{Interval: interval, Notify: func(k Key) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.news[k]++
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

func (p *probing) newsOf(k Key) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.news[k]
}

// until waits for a finding.
func (p *probing) until(k Key, what string, enough func(Finding) bool) Finding {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		f := p.Finding(k)
		if enough(f) {
			return f
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: %s does not come about: bucket %+v, stream %+v", k, what, f.Bucket, f.Stream)
		}
	}
}

func looked(revision string) func(Finding) bool {
	return func(f Finding) bool { return f.Revision == revision }
}

func key1(name string) Key { return Key{"network", name} }

// wants is a bucket and a stream named after a fleet.
func wants(revision, name string, urls ...string) Want {
	server := &Server{URLs: urls}
	return Want{Revision: revision, Owner: Owner{Namespace: "network", Name: name, UID: "uid-" + name},
		Bucket: &WantBucket{Server: server, Spec: templates(func(c *config.TemplateStore) { c.Bucket = name })},
		Stream: &WantStream{Server: server, Spec: flows(func(c *config.Stream) { c.Name, c.Subjects = name, []string{name + ".>"} })},
	}
}

func TestWhatIsWantedIsMadeFoundAndDeleted(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	p := probe(t, time.Hour)
	k := key1("edge")
	if f := p.Finding(k); f.Bucket != nil || f.Stream != nil || f.Revision != "" {
		t.Errorf("nobody asked, and it knows %+v", f)
	}
	p.Want(k, wants("1", "edge", s.URL()))
	f := p.until(k, "the first look", looked("1"))
	b, st := f.Bucket, f.Stream
	if b.Class != ClassNone || !b.Found.Managed || b.Found.History != 1 || b.Found.MaxBytes != 1<<20 || b.Found.Storage != "File" ||
		b.At.IsZero() || b.FoundAt.IsZero() || b.Server.URL != s.URL() || b.Account == nil || b.Account.StorageLimit != -1 {
		t.Errorf("bucket %+v, account %+v", b, b.Account)
	}
	if st.Class != ClassNone || !st.Found.Managed || len(st.Found.Subjects) != 1 || st.Found.Subjects[0] != "edge.>" || st.Found.Retention != "Limits" {
		t.Errorf("stream %+v", st)
	}
	if d := p.Deeds(k); len(d) != 2 || !d[0].Created || !d[1].Created || d[0].Name != "edge" {
		t.Errorf("deeds %+v", d)
	}
	if d := p.Deeds(k); d != nil {
		t.Errorf("told twice: %+v", d)
	}
	// Another revision of the same is no reason to look; a change is looked at soon.
	at := f.Bucket.At
	p.Want(k, wants("2", "edge", s.URL()))
	if f := p.Finding(k); f.Revision != "2" || !f.Bucket.At.Equal(at) {
		t.Errorf("%+v", f.Bucket)
	}
	changed := wants("3", "edge", s.URL())
	changed.Bucket.Spec.History = 4
	p.Want(k, changed)
	if f := p.Finding(k); f.Revision == "3" || f.Bucket.Current || f.Bucket.Found.History != 1 {
		t.Errorf("it says that it has looked: %q, %+v", f.Revision, f.Bucket)
	}
	f = p.until(k, "the change", looked("3"))
	if f.Bucket.Found.History != 4 || !f.Bucket.Current {
		t.Errorf("%+v", f.Bucket)
	}
	if d := p.Deeds(k); len(d) != 1 || !strings.Contains(strings.Join(d[0].Changed, ""), "history raised from 1 to 4") {
		t.Errorf("deeds %+v", d)
	}
	gone := wants("4", "edge", s.URL())
	gone.Bucket.Delete, gone.Stream.Delete = true, true
	p.Want(k, gone)
	f = p.until(k, "the end", func(f Finding) bool { return f.Bucket.Deleted && f.Stream.Deleted })
	if exists(t, js, "KV_edge") || exists(t, js, "edge") || !f.Bucket.Next.IsZero() {
		t.Errorf("%+v", f)
	}
	if d := p.Deeds(k); len(d) != 2 || !d[0].Deleted {
		t.Errorf("deeds %+v", d)
	}
	p.Forget(k)
	if f := p.Finding(k); f.Bucket != nil {
		t.Errorf("not forgotten: %+v", f)
	}
}

func TestAFindingSaysWhatKindOfTroubleThereIsAndSinceWhen(t *testing.T) {
	p := probe(t, 50*time.Millisecond)
	k := key1("edge")
	p.Want(k, wants("1", "edge", "nats://127.0.0.1:1"))
	f := p.until(k, "the trouble", looked("1"))
	if f.Bucket.Class != ClassUnreachable || !f.Stream.Class.Unanswered() || f.Bucket.Failures == 0 || f.Bucket.Since.IsZero() ||
		!strings.Contains(f.Bucket.Error, "is the server running") || !f.Bucket.FoundAt.IsZero() {
		t.Errorf("%+v", f.Bucket)
	}
	since := f.Bucket.Since
	f = p.until(k, "one more try", func(f Finding) bool { return f.Bucket.Failures > 1 })
	if !f.Bucket.Since.Equal(since) {
		t.Errorf("since %s, then %s", since, f.Bucket.Since)
	}
	if n := p.newsOf(k); n != 1 {
		t.Errorf("the same trouble was news %d times", n)
	}
	s := natstest.Start(t)
	mustBucket(t, open(t, s.URL()), Owner{Namespace: "other", Name: "one", UID: "x"}, templates(func(c *config.TemplateStore) { c.Bucket = "edge" }), false)
	p.Want(k, wants("2", "edge", s.URL()))
	f = p.until(k, "the conflict", looked("2"))
	if f.Bucket.Class != ClassConflict || f.Bucket.Conflict.Namespace != "other" || f.Stream.Class != ClassNone || f.Bucket.Class.Unanswered() {
		t.Errorf("%+v, %+v", f.Bucket, f.Stream)
	}
}

// silent takes connections and says nothing.
func silent(t *testing.T) (url string, taken func() int64) {
	t.Helper()
	var n atomic.Int64
	return natstest.Listen(t, func(c net.Conn) {
		n.Add(1)
		t.Cleanup(func() { _ = c.Close() })
	}), n.Load
}

// A value that is larger than what is read of a server is another program's. The server is none the worse for it.
func TestABucketWithLargeValuesIsForeignAndItsServerReachable(t *testing.T) {
	s := natstest.Start(t)
	kv, err := administrator(t, s).CreateKeyValue(background(t), jetstream.KeyValueConfig{Bucket: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(background(t), "picture", make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	p := probe(t, time.Hour)
	for _, name := range []string{"edge", "core", "spine"} { // of one connection
		p.Want(key1(name), wants("1", name, s.URL()))
	}
	for _, name := range []string{"edge", "core", "spine"} {
		f := p.until(key1(name), "a look", looked("1"))
		want := ClassNone
		if name == "edge" {
			want = ClassForeign
		}
		if f.Bucket.Class != want || f.Stream.Class != ClassNone {
			t.Errorf("%s: the bucket is %q (%s), the stream %q (%s)", name, f.Bucket.Class, f.Bucket.Error, f.Stream.Class, f.Stream.Error)
		}
	}
	if f := p.Finding(key1("edge")); !strings.Contains(f.Bucket.Error, "in use by something else") {
		t.Errorf("it says %q", f.Bucket.Error)
	}
}

func TestSilentServersKeepNobodyElseWaiting(t *testing.T) {
	s := natstest.Start(t)
	p := probe(t, time.Hour)
	healthy := key1("healthy")
	p.Want(healthy, wants("1", "healthy", s.URL()))
	p.until(healthy, "the first look", looked("1"))
	for i := range 60 {
		url, _ := silent(t)
		name := fmt.Sprintf("silent-%d", i)
		p.Want(Key{fmt.Sprintf("tenant-%d", i%30), name}, wants("1", name, url))
	}
	p.until(Key{"tenant-0", "silent-0"}, "a silent one", looked("1"))
	// While most of them are still waited for, what is wanted of a server that answers is made.
	changed := wants("2", "healthy", s.URL())
	changed.Bucket.Spec.History = 7
	p.Want(healthy, changed)
	p.until(healthy, "the change", looked("2"))
	waiting := 0
	for i := range 60 {
		f := p.Finding(Key{fmt.Sprintf("tenant-%d", i%30), fmt.Sprintf("silent-%d", i)})
		switch {
		case f.Revision == "":
			waiting++
		case f.Bucket.Class != ClassSilent:
			t.Errorf("a silent server is %q: %s", f.Bucket.Class, f.Bucket.Error)
		}
	}
	if waiting == 0 {
		t.Error("the healthy one came last")
	}
}

func TestFleetsOfOneServerShareAConnection(t *testing.T) {
	url, taken := silent(t)
	p := probe(t, time.Hour)
	for i := range 200 {
		name := fmt.Sprintf("fleet-%d", i)
		p.Want(Key{"network", name}, wants("1", name, url))
	}
	for i := range 200 {
		f := p.until(Key{"network", fmt.Sprintf("fleet-%d", i)}, "the silence", looked("1"))
		if f.Stream.Class != ClassSilent {
			t.Fatalf("%+v", f.Stream)
		}
	}
	if n := taken(); n > 3 {
		t.Errorf("%d connections were made to a server that is silent", n)
	}
}

func TestOneNamespaceTakesAShareOfALaneOnly(t *testing.T) {
	l := lane{slots: 8, running: make(map[string]int)}
	var due []candidate
	for i := range 20 {
		due = append(due, candidate{pool: &pool{}, namespace: "greedy", due: time.Unix(int64(i), 0)})
	}
	due = append(due, candidate{pool: &pool{}, namespace: "modest", due: time.Unix(1000, 0)})
	began := map[string]int{}
	l.fill(due, func(c candidate) { began[c.namespace]++ })
	if began["modest"] != 1 || began["greedy"] != 2 {
		t.Errorf("%v", began)
	}
	for range 2 {
		l.release("greedy")
	}
	l.release("modest")
	if l.taken != 0 || len(l.running) != 0 {
		t.Errorf("%+v", l)
	}
}

func TestTextsOfServersAreOneShortLine(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", 4000), "a\x00b\nc\x1b[31m", "\xff\xfe", strings.Repeat("x", 1<<20)} {
		got := plain(text, 100)
		if len(got) > 100 || strings.ContainsAny(got, "\x00\n\x1b") || strings.ToValidUTF8(got, "") != got {
			t.Errorf("%q", got)
		}
	}
}
