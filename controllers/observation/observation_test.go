package observation

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
)

// document is as a collector says it.
func document(change ...func(*status.Document)) *status.Document {
	d := &status.Document{Version: 1, Build: "1.2.3", Started: time.Unix(1000, 0).UTC(), Time: time.Unix(2000, 0).UTC(), Begun: true, Ready: true,
		Bucket:    &status.Bucket{Name: "edge", Connected: true, Loaded: true, Read: true, Write: true, Keys: 21},
		Output:    status.Output{Kind: "JetStream", Stream: "flows", Connected: true, StreamReady: true, Published: 40},
		Listeners: []status.Listener{{Name: "netflow", Protocol: "NetFlow", Received: 42, Decoded: 42, Records: 40, Sockets: 1, AskedBytes: 1 << 22, GrantedBytes: 1 << 17}},
		Known:     status.Known{Exporters: 7, Templates: 21},
		Senders:   []status.Sender{{Address: "192.0.2.1", Datagrams: 42, Ports: 1, Domains: 1}}, SendersTotal: 1,
	}
	for _, f := range change {
		f(d)
	}
	return d
}

// says answers with a document, as a collector does.
func says(d *status.Document) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := status.Encode(d)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(text)
	}
}

// serve answers like a collector and returns it as a pod.
func serve(t *testing.T, name string, handler http.HandlerFunc) Pod {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return Pod{Name: name, Node: "node-" + name, Address: host, Port: int32(n)}
}

// observing is an Observer that runs.
func observing(t *testing.T, interval time.Duration, notify func(Key)) *Observer {
	t.Helper()
	o := NewObserver(ObserverOptions{Interval: interval, Notify: notify})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); o.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return o
}

// until waits for a finding.
func until(t *testing.T, o *Observer, k Key, what string, enough func(Finding) bool) Finding {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		f := o.Finding(k)
		if enough(f) {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not come about: %+v", what, f)
		}
	}
}

// asked: every collector was.
func asked(f Finding) bool {
	for i := range f.Reports {
		if f.Reports[i].Asked.IsZero() {
			return false
		}
	}
	return !f.At.IsZero()
}

var edge = Key{"network", "edge"}

func TestCollectorsAreAskedAndWhoDoesNotAnswerIsSaid(t *testing.T) {
	good := serve(t, "good", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		says(document())(w, r)
	})
	pods := []Pod{
		good,
		serve(t, "broken", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "secret {") }),
		serve(t, "other", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"secret":1}`) }),
		serve(t, "busy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusServiceUnavailable) }),
		serve(t, "old", http.NotFound),
		serve(t, "elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/secret", http.StatusFound)
		}),
		{Name: "gone", Address: "127.0.0.1", Port: 1},
	}
	o := observing(t, time.Hour, nil)
	if f := o.Finding(edge); len(f.Reports) != 0 || !f.At.IsZero() {
		t.Errorf("nobody asked, and it knows %+v", f)
	}
	o.Watch(edge, pods)
	f := until(t, o, edge, "the first look", asked)
	if diff := cmp.Diff(document(), f.Reports[0].Now); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, r := range f.Reports {
		if r.Pod != pods[i] {
			t.Errorf("report %d is of %s", i, r.Pod.Name)
		}
		if i > 0 && (r.Answers() || !strings.Contains(r.Error, r.Pod.Name) || r.FailedSince.IsZero() || strings.Contains(r.Error, "secret")) {
			t.Errorf("%s: %+v", r.Pod.Name, r)
		}
	}
	// One that is new is asked soon, and the others are not asked again.
	before := f.Reports[0].Asked
	o.Watch(edge, []Pod{good, serve(t, "new", says(document()))})
	f = until(t, o, edge, "the new one", asked)
	if len(f.Reports) != 2 || !f.Reports[1].Answers() || !f.Reports[0].Asked.Equal(before) {
		t.Errorf("%+v", f)
	}
	o.Forget(edge)
	if f := o.Finding(edge); len(f.Reports) != 0 {
		t.Errorf("not forgotten: %+v", f)
	}
}

func TestAnswersWithoutMeasureAreCutOff(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 64<<20))
	_ = z.Close()
	chunk := strings.Repeat("x", 1<<16)
	pods := []Pod{
		serve(t, "endless", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := fmt.Fprint(w, chunk); err != nil {
					return
				}
			}
		}),
		serve(t, "headers", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), chunk)
			}
		}),
		serve(t, "compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}),
		serve(t, "crowded", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"version":1,"started":"2026-01-01T00:00:00Z","senders":[%s{}]}`, strings.Repeat("{},", 20000))
		}),
		serve(t, "nested", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, strings.Repeat("[", 60000)) }),
	}
	o := observing(t, time.Hour, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o.Watch(edge, pods)
	f := until(t, o, edge, "the look", asked)
	runtime.ReadMemStats(&after)
	for _, r := range f.Reports {
		if r.Answers() {
			t.Errorf("%s is taken for a collector", r.Pod.Name)
		}
	}
	// The servers are part of this: the headers alone are 6 MB there.
	if got := after.TotalAlloc - before.TotalAlloc; got > 400<<20 {
		t.Errorf("%d MiB were allocated", got>>20)
	}
}

func TestTheAnswerBeforeIsKeptForTheSameProcessOnly(t *testing.T) {
	var received, started atomic.Int64
	received.Store(10)
	pod := serve(t, "a", func(w http.ResponseWriter, r *http.Request) {
		says(document(func(d *status.Document) {
			d.Listeners[0].Received = uint64(received.Load())
			d.Started = d.Started.Add(time.Duration(started.Load()) * time.Second)
		}))(w, r)
	})
	o := observing(t, 20*time.Millisecond, nil)
	o.Watch(edge, []Pod{pod})
	f := until(t, o, edge, "two answers", func(f Finding) bool { return f.Reports[0].Before != nil })
	if f.Reports[0].Before.Senders != nil {
		t.Error("the senders are kept twice")
	}
	received.Store(30)
	until(t, o, edge, "what came between", func(f Finding) bool { return f.Distribution.Datagrams == 20 && f.Distribution.Busy == 1 })
	started.Store(5)
	o.LookNow(edge)
	f = until(t, o, edge, "the restart", func(f Finding) bool { return f.Reports[0].Now.Started.Equal(time.Unix(1005, 0)) })
	if f.Reports[0].Before != nil && !f.Reports[0].Before.Started.Equal(time.Unix(1005, 0)) {
		t.Errorf("%+v", f.Reports[0].Before)
	}
}

func TestTrafficAloneIsNoNews(t *testing.T) {
	var n, dropped atomic.Uint64
	pod := serve(t, "a", func(w http.ResponseWriter, r *http.Request) {
		says(document(func(d *status.Document) {
			d.Listeners[0].Received, d.Output.Published = n.Add(1), n.Load()
			d.Listeners[0].KernelDropped = dropped.Load()
		}))(w, r)
	})
	var news atomic.Int64
	o := observing(t, 10*time.Millisecond, func(k Key) {
		if k == edge {
			news.Add(1)
		}
	})
	o.Watch(edge, []Pod{pod})
	until(t, o, edge, "some looks", func(Finding) bool { return n.Load() > 10 })
	before := news.Load()
	if before == 0 || before > 3 { // the first look, and that it is busy
		t.Errorf("%d news", before)
	}
	until(t, o, edge, "more looks", func(Finding) bool { return n.Load() > 30 })
	if got := news.Load(); got != before {
		t.Errorf("traffic was news %d times", got-before)
	}
	dropped.Store(3)
	until(t, o, edge, "the loss", func(Finding) bool { return news.Load() > before })
}

func TestSilentCollectorsKeepNoOtherFleetWaiting(t *testing.T) {
	silent := serve(t, "silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	o := observing(t, time.Hour, nil)
	for i := range 60 {
		var pods []Pod
		for j := range 20 {
			pod := silent
			pod.Name = fmt.Sprintf("%d-%d", i, j)
			pods = append(pods, pod)
		}
		o.Watch(Key{"hostile", fmt.Sprint(i)}, pods)
	}
	o.Watch(edge, []Pod{serve(t, "good", says(document()))})
	until(t, o, edge, "the look", asked)
	waiting := 0
	for i := range 60 {
		if !asked(o.Finding(Key{"hostile", fmt.Sprint(i)})) {
			waiting++
		}
	}
	if waiting < 50 {
		t.Errorf("only %d of 60 are still waited for: the good one came last", waiting)
	}
}

// seconds of the clock of the tests of distribution.
func second(n int) time.Time { return time.Unix(1e9+int64(n), 0) }

// looks at a collector: each is the second, and how many datagrams it had received. A number that is lower is another process'.
func looks(name string, at ...[2]int) Report {
	c := collector{report: Report{Pod: Pod{Name: name}}}
	process := int64(0)
	for i, look := range at {
		if i > 0 && look[1] < at[i-1][1] {
			process++
		}
		d := document(func(d *status.Document) {
			d.Listeners[0].Received, d.Started = uint64(look[1]), time.Unix(process, 0)
			d.Senders = []status.Sender{{Address: "192.0.2.1", Datagrams: uint64(look[1])}, {Address: "192.0.2.2", Datagrams: 7}} // one is silent
			d.SendersTotal = len(d.Senders)
		})
		c.take(d, nil, second(look[0]), time.Minute)
	}
	return c.report
}

func TestDistributionSaysOnlyWhatLooksAtAllHaveShown(t *testing.T) {
	away := looks("away", [2]int{0, 0})
	away.Error = "connection refused"
	for _, test := range []struct {
		name    string
		reports []Report
		want    Distribution
	}{
		{"all receive", []Report{looks("a", [2]int{0, 0}, [2]int{30, 5}), looks("b", [2]int{5, 0}, [2]int{35, 6})},
			Distribution{Collectors: 2, Busy: 2, Datagrams: 11, Only: Pod{Name: "b"}, Senders: 1}},
		{"one receives all, and the other was looked at since", []Report{looks("a", [2]int{0, 0}, [2]int{30, 0}, [2]int{60, 0}),
			looks("b", [2]int{10, 0}, [2]int{40, 9})}, Distribution{Collectors: 2, Busy: 1, Datagrams: 9, Only: Pod{Name: "b"}, Senders: 1}},
		{"one received, and the other was not looked at since", []Report{looks("a", [2]int{0, 0}, [2]int{30, 0}), looks("b", [2]int{10, 0}, [2]int{40, 9})},
			Distribution{Collectors: 1, Busy: 1, Open: 1, Datagrams: 9, Only: Pod{Name: "b"}, Senders: 1}},
		{"one received before the first look at the other", []Report{looks("a", [2]int{20, 7}, [2]int{50, 7}), looks("b", [2]int{10, 0}, [2]int{40, 9})},
			Distribution{Collectors: 1, Busy: 1, Open: 1, Datagrams: 9, Only: Pod{Name: "b"}, Senders: 1}},
		{"one receives all the time, and is looked at more often", []Report{looks("a", [2]int{0, 0}, [2]int{37, 0}),
			looks("b", [2]int{1, 0}, [2]int{31, 9}, [2]int{61, 20})}, Distribution{Collectors: 2, Busy: 1, Datagrams: 11, Only: Pod{Name: "b"}, Senders: 1}},
		{"a burst that one look at each has seen", []Report{looks("a", [2]int{0, 0}, [2]int{30, 50}, [2]int{60, 50}), looks("b", [2]int{15, 0}, [2]int{45, 60})},
			Distribution{Collectors: 2, Busy: 2, Datagrams: 110, Only: Pod{Name: "b"}, Senders: 1}},
		{"a restarted one begins anew", []Report{looks("a", [2]int{0, 9}, [2]int{30, 12}, [2]int{60, 2}), looks("b", [2]int{0, 0}, [2]int{50, 4}, [2]int{70, 4})},
			Distribution{Collectors: 1, Busy: 1, Open: 1, Datagrams: 4, Only: Pod{Name: "b"}, Senders: 1}},
		{"one that was looked at once", []Report{looks("a", [2]int{0, 9})}, Distribution{Collectors: 1}},
		{"one that does not answer", []Report{away, looks("b", [2]int{0, 0}, [2]int{30, 3})},
			Distribution{Collectors: 1, Busy: 1, Datagrams: 3, Only: Pod{Name: "b"}, Senders: 1}},
		{"nobody answers", []Report{{}}, Distribution{}},
	} {
		if diff := cmp.Diff(test.want, Distribute(test.reports)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// raw answers with bytes, whatever it is asked.
func raw(t *testing.T, name, answer string) Pod {
	t.Helper()
	url := natstest.Listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write([]byte(answer))
		_ = c.Close()
	})
	a := netip.MustParseAddrPort(strings.TrimPrefix(url, "nats://"))
	return Pod{Name: name, Node: "node-" + name, Address: a.Addr().String(), Port: int32(a.Port())}
}

// A FlowCollector names the port that is asked: what other services say there is nobody's to read in its status.
func TestNoWordOfWhatAnswersStandsInAnError(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: secret\r\n\r\n"
	text, err := status.Encode(document(func(d *status.Document) { d.Instance = "secret" }))
	if err != nil {
		t.Fatal(err)
	}
	pods := []Pod{
		raw(t, "ssh", "SSH-2.0-secret\r\n"),
		raw(t, "version", "HTTP/secret 200 OK\r\n\r\n"),
		raw(t, "code", "HTTP/1.1 secret OK\r\n\r\n"),
		raw(t, "header", "HTTP/1.1 200 OK\r\nsecret\r\n\r\n"),
		raw(t, "length", "HTTP/1.1 200 OK\r\nContent-Length: secret\r\n\r\n"),
		raw(t, "coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n"),
		raw(t, "chunk", chunked+"secret\r\n"),
		raw(t, "trailer", chunked+"0\r\nsecret secret\r\n\r\n"),
		raw(t, "location", "HTTP/1.1 302 Found\r\nLocation: http://secret:secret%/\r\n\r\n"),
		raw(t, "cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsecret"),
		raw(t, "other", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)),
	}
	o := observing(t, time.Hour, nil)
	o.Watch(edge, pods)
	for _, r := range until(t, o, edge, "the look", asked).Reports {
		if r.Answers() || r.Error == "" || strings.Contains(r.Error, "secret") {
			t.Errorf("%s: %q, taken for a collector: %t", r.Pod.Name, r.Error, r.Answers())
		}
	}
}

// A collector that is asked in its first second knows nothing yet: half a minute later would leave its fleet unknown for as long. One that does not
// begin at all is asked as seldom as others in the end.
func TestACollectorThatBeginsIsAskedAgainSoon(t *testing.T) {
	var c collector
	begins := document(func(d *status.Document) { d.Begun = false })
	now := second(0)
	for _, want := range []time.Duration{shortestRetry, 2 * shortestRetry, 4 * shortestRetry, interval, interval} {
		c.take(begins, nil, now, interval)
		if wait := c.due.Sub(now); wait < want || wait > want+want/4+1 {
			t.Errorf("asked again after %s, want %s and up to a quarter more", wait, want)
		}
		now = c.due
	}
	c.take(document(func(d *status.Document) { d.Begun = true }), nil, now, interval)
	if wait := c.due.Sub(now); wait < interval {
		t.Errorf("one that works is asked again after %s", wait)
	}
	c.take(begins, nil, now, interval)
	if wait := c.due.Sub(now); wait > 2*shortestRetry {
		t.Errorf("one that was started again is asked after %s", wait)
	}
}

// What a server of NATS repeats of what it was told, a collector repeats, too.
func TestNoSecretOfACollectorsWordsIsKept(t *testing.T) {
	const said = `nats: not understood: CONNECT {"verbose":false,"auth_token":"hunter2-of-edge"}`
	pod := serve(t, "edge-1", says(document(func(d *status.Document) {
		d.NotReady, d.Output.LastError, d.Bucket.LastError, d.Spool = said, said, said, &status.Spool{Error: said}
	})))
	d, err := ask(t.Context(), NewClient(), pod)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{d.NotReady, d.Output.LastError, d.Bucket.LastError, d.Spool.Error} {
		if strings.Contains(words, "hunter2") || !strings.Contains(words, "not understood") {
			t.Errorf("it is kept that the collector said %s", words)
		}
	}
}

// The order in which pods are handed over is no news: a pass that hands them over follows each piece of news.
func TestAnotherOrderOfThePodsIsNoNews(t *testing.T) {
	o := NewObserver(ObserverOptions{})
	a, b, c := Pod{Name: "a"}, Pod{Name: "b"}, Pod{Name: "c"}
	key := Key{Namespace: "flows", Name: "edge"}
	o.Watch(key, []Pod{a, b, c})
	before := digest(o.Finding(key))
	for _, pods := range [][]Pod{{b, c, a}, {c, b, a}} {
		o.Watch(key, pods)
		if digest(o.Finding(key)) != before {
			t.Errorf("%v is something else than %v", pods, []Pod{a, b, c})
		}
	}
	o.Watch(key, []Pod{a, b})
	if digest(o.Finding(key)) == before {
		t.Error("that a pod is gone is no news")
	}
}

// Each connection has another port of the operator's: a status that names it would be written anew with each question.
func TestAResetConnectionIsToldInTheSameWordsEachTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0) // resets
			_ = c.Close()
		}
	}()
	at := l.Addr().(*net.TCPAddr)
	var said [2]string
	for i := range said {
		_, err := ask(t.Context(), NewClient(), Pod{Name: "a", Address: at.IP.String(), Port: int32(at.Port)})
		if err == nil || !strings.Contains(err.Error(), "reset by peer") {
			t.Fatal(err)
		}
		said[i] = err.Error()
	}
	if said[0] != said[1] {
		t.Errorf("first %q, then %q", said[0], said[1])
	}
}
