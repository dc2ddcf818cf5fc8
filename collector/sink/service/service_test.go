package service

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// sinkVariable names the file of the sink that a test binary becomes.
const sinkVariable = "FLOWFLEET_TEST_SINK"

func TestMain(m *testing.M) {
	clickhousetest.ServeIfAsked()
	natstest.ServeIfAsked()
	if path := os.Getenv(sinkVariable); path != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		c, err := Load(path)
		if err == nil {
			err = Run(ctx, c, "", slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
		}
		if err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a sink that can be killed.
type process struct {
	t       testing.TB
	file    string
	current atomic.Pointer[exec.Cmd]
}

func (p *process) start() {
	p.t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), sinkVariable+"="+p.file)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.current.Store(command)
}

// end sends a signal, and waits for the end.
func (p *process) end(s os.Signal) {
	command := p.current.Load()
	_ = command.Process.Signal(s) // it may be gone already
	_ = command.Wait()
}

func write(t testing.TB, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newStream makes the stream flows.
func newStream(t *testing.T, s *natstest.Server) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
	return js
}

// publishFlows publishes messages of 10 flows of 100 bytes and a rate of 2.
func publishFlows(t *testing.T, js jetstream.JetStream, messages int) {
	t.Helper()
	publishOn(t, js, "flows.a.b.ipfix", messages)
}

func publishOn(t *testing.T, js jetstream.JetStream, subject string, messages int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // nats.go's own, of 5 s, passes on a busy machine
	defer cancel()
	var e flow.Encoder
	for range messages {
		m := nats.NewMsg(subject)
		for range 10 {
			m.Data = e.AppendDelimited(m.Data, &flow.Record{TimeReceivedNs: uint64(time.Now().UnixNano()), Bytes: 100, Packets: 1, SamplingRate: 2})
		}
		m.Header.Set(publish.HeaderEncoding, publish.EncodingProtobuf)
		m.Header.Set(publish.HeaderCount, "10")
		if _, err := js.PublishMsg(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
}

// rest waits until all is acknowledged, for as long as more and more of it is.
func rest(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	restOf(t, js, "flows", "clickhouse")
}

// restOf is rest of a consumer.
func restOf(t *testing.T, js jetstream.JetStream, stream, consumer string) {
	t.Helper()
	// A sink may store one message after another, each as slow as its destination, and the first of all last: the floor stays, and fewer wait.
	for left, all := uint64(math.MaxUint64), false; !all; {
		natstest.Eventually(t, "more is acknowledged", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			stream, err := js.Stream(ctx, stream)
			if err != nil {
				return false
			}
			c, err := stream.Consumer(ctx, consumer)
			if err != nil {
				return false
			}
			before, info := left, c.CachedInfo()
			left = info.NumPending + uint64(info.NumAckPending)
			// A consumer knows of a message a moment after its stream has it: nothing that waits is not enough.
			all = left == 0 && info.AckFloor.Stream == stream.CachedInfo().State.LastSeq
			return all || left < before
		})
	}
}

// exact compares rows, bytes and scaled bytes of flows and of a roll-up with what was published.
func exact(t *testing.T, s *clickhousetest.Server, messages int) {
	t.Helper()
	want := fmt.Sprintf("%d\t%d\t%d", 10*messages, 1000*messages, 2000*messages)
	for _, query := range []string{
		"SELECT count(), sum(bytes), sum(scaled_bytes) FROM flowfleet.flows",
		"SELECT sum(flows), sum(bytes), sum(scaled_bytes) FROM flowfleet.protocols_1m",
		"SELECT sum(flows), sum(bytes), sum(scaled_bytes) FROM flowfleet.interfaces_5m WHERE direction = 'in'",
	} {
		if got := s.Query(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// network stands before ClickHouse; after is asked once it has answered, and before the client hears so.
func network(t *testing.T, s *clickhousetest.Server, before func(http.ResponseWriter, *http.Request) bool,
	after func(*http.Response)) http.Handler {
	t.Helper()
	target, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.ModifyResponse = func(r *http.Response) error {
		if after != nil {
			after(r)
		}
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	})
}

func isInsert(r *http.Request) bool { return strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") }

// The sink is killed between a batch that is stored and its acknowledgement, the worst moment, and at others.
func TestSinksThatAreKilledLoseNothingAndStoreNothingTwice(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	var mu sync.Mutex
	hold := math.MaxInt            // from which place in the stream on: the next batch that is stored
	var held []string              // batches that were stored, and of which no sink was told
	stored := make(map[string]int) // how often each batch was
	front := httptest.NewServer(network(t, clickhouse, nil, func(r *http.Response) {
		if !isInsert(r.Request) || r.StatusCode != http.StatusOK {
			return
		}
		token := r.Request.URL.Query().Get("insert_deduplication_token")
		place, err := strconv.Atoi(strings.Split(token, "/")[1])
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		this := place >= hold
		stored[token]++
		if this {
			hold, held = math.MaxInt, append(held, token)
		}
		mu.Unlock()
		if this {
			<-r.Request.Context().Done() // the answer waits until the sink is gone
		}
	}))
	t.Cleanup(front.Close)
	p := &process{t: t, file: write(t, fmt.Sprintf("nats: {urls: ['%s']}\nackWait: 1s\nhttp: {address: '-'}\nclickhouse: {url: '%s', createTables: true}\n",
		js.Conn().ConnectedUrl(), front.URL))}
	p.start()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	g := rand.New(rand.NewPCG(3, 4))
	const rounds, messages = 12, 6
	kills := 0 // between store and acknowledgement
	for round := range rounds {
		if round%3 == 2 { // at any moment
			publishFlows(t, js, messages)
			time.Sleep(time.Duration(g.IntN(300)) * time.Millisecond)
		} else {
			kills++
			mu.Lock()
			hold = round*messages + 1 // one of this round
			mu.Unlock()
			publishFlows(t, js, messages)
			natstest.Eventually(t, "a batch is stored", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(held) == kills
			})
		}
		p.end(syscall.SIGKILL)
		p.start()
	}
	rest(t, js)
	exact(t, clickhouse, rounds*messages)
	mu.Lock()
	defer mu.Unlock()
	for _, token := range held {
		if stored[token] < 2 {
			t.Errorf("%s was stored, nobody was told, and it did not come again", token)
		}
	}
	t.Logf("figure: %d kills, %d between store and acknowledgement", rounds, kills)
	p.end(syscall.SIGTERM)
}

func TestFaultsOfClickHouseCostNothing(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	var fault atomic.Value
	fault.Store("")
	var met atomic.Int64
	front := httptest.NewTLSServer(network(t, clickhouse, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-ClickHouse-User") != "sink" || r.Header.Get("X-ClickHouse-Key") != "secret" {
			w.Header().Set("X-ClickHouse-Exception-Code", "516")
			http.Error(w, "Code: 516. DB::Exception: sink: Authentication failed", http.StatusForbidden)
			return false
		}
		if !isInsert(r) {
			return true
		}
		if fault.Load() == "" {
			return true
		}
		met.Add(1)
		switch fault.Load() {
		case "500":
			http.Error(w, "", http.StatusInternalServerError)
		case "full": // as ClickHouse says it
			w.Header().Set("X-ClickHouse-Exception-Code", "243")
			http.Error(w, "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)", http.StatusInternalServerError)
		case "late": // it failed after it began to answer
			_, _ = io.WriteString(w, "Code: 241. DB::Exception: Memory limit (total) exceeded")
		case "redirect":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		case "cut":
			panic(http.ErrAbortHandler)
		case "killed": // with no insert under way: what one costs that is, docs/clickhouse-once.md says
			clickhouse.Kill()
			clickhouse.Restart()
			fault.Store("")
			panic(http.ErrAbortHandler)
		case "slow": // it stores, and the client does not hear so in time
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			network(t, clickhouse, nil, nil).ServeHTTP(httptest.NewRecorder(), r.WithContext(context.Background()))
			<-r.Context().Done()
		}
		return false
	}, nil))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(front.Close)
	authority := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	password := write(t, "wrong\n")
	port := natstest.FreePort(t)
	p := &process{t: t, file: write(t, fmt.Sprintf("nats: {urls: ['%s']}\nworkers: 1\nhttp: {address: '127.0.0.1:%d'}\nclickhouse: {url: '%s', "+
		"createTables: true, user: sink, passwordFile: '%s', tls: {caFile: '%s'}, timeout: 8s}\n", js.Conn().ConnectedUrl(), port, front.URL,
		password, authority))}
	// Tables may take longer than that to make, on a busy machine.
	slow := p.file
	p.file = write(t, strings.Replace(content(t, slow), "timeout: 8s", "timeout: 60s", 1))
	p.start()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	address := "http://127.0.0.1:" + strconv.Itoa(port)
	natstest.Eventually(t, "the wrong password is told", func() bool {
		return strings.Contains(get(address+"/readyz"), "clickhouse: not ready (") && strings.Contains(get(address+"/readyz"), "Authentication failed")
	})
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the sink is ready", func() bool { return get(address+"/readyz") == "clickhouse: ok\nconsumer: ok\nnats: ok\nschema: ok\n" })
	p.end(syscall.SIGTERM)
	p.file = slow
	p.start()
	messages := 0
	for _, f := range []string{"500", "full", "late", "redirect", "cut", "slow", "killed"} {
		before := met.Load()
		fault.Store(f)
		publishFlows(t, js, 10)
		messages += 10
		attempts := int64(2)
		if f == "killed" || f == "slow" {
			attempts = 1
		}
		natstest.Eventually(t, f+" is met", func() bool { return met.Load() >= before+attempts })
		if f != "killed" {
			fault.Store("")
		}
		rest(t, js)
	}
	exact(t, clickhouse, messages)
	natstest.Eventually(t, "the sink is ready", func() bool { return get(address+"/readyz") == "clickhouse: ok\nconsumer: ok\nnats: ok\nschema: ok\n" })
	metrics := figures(get(address + "/metrics"))
	if metrics[`flowfleet_sink_stored_total{unit="messages"}`] != 70 || metrics[`flowfleet_sink_stored_total{unit="records"}`] != 700 ||
		metrics[`flowfleet_sink_read_total{unit="records"}`] != 700 || metrics[`flowfleet_sink_ledger_imbalance{unit="records"}`] != 0 ||
		metrics[`flowfleet_sink_store_failures_total`] < 11 || metrics[`flowfleet_sink_stored_unanswered_total{unit="messages"}`] == 0 {
		t.Errorf("%v", metrics)
	}
	checkGuide(t, metrics)
	p.end(syscall.SIGTERM)
	if state := p.current.Load().ProcessState; !state.Success() {
		t.Errorf("the sink ended with %s", state)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// get is an answer's body, empty where there is none.
func get(address string) string {
	response, err := http.Get(address)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	b, _ := io.ReadAll(response.Body)
	return string(b)
}

func figures(exposition string) map[string]float64 {
	found := make(map[string]float64)
	lines := bufio.NewScanner(strings.NewReader(exposition))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "flowfleet_") {
			found[name] = v
		}
	}
	return found
}

// checkGuide compares the guide's metrics with those of a sink.
func checkGuide(t *testing.T, metrics map[string]float64) {
	t.Helper()
	guide := content(t, "../../../docs/clickhouse-metrics.md")
	exposed := make(map[string]bool)
	for series := range metrics {
		name, _, _ := strings.Cut(series, "{")
		exposed[name] = true
		if !strings.Contains(guide, "`"+name+"`") {
			t.Errorf("docs/clickhouse-metrics.md does not have %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`flowfleet_sink_[a-z_]*[a-z]`).FindAllString(guide, -1) {
		if !exposed[name] {
			t.Errorf("docs/clickhouse-metrics.md has %s, which no sink exposes", name)
		}
	}
}
