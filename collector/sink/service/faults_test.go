package service

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
)

// running is a sink within the test.
type running struct {
	t       *testing.T
	address string
	stop    func()
}

// run runs a sink of a NATS server and a ClickHouse, with more lines of its file, until stop or the test's end.
func run(t *testing.T, natsURL, clickhouse, more string) *running {
	t.Helper()
	r := &running{t: t, address: "127.0.0.1:" + strconv.Itoa(natstest.FreePort(t))}
	c, err := Load(write(t, fmt.Sprintf("nats: {urls: ['%s']}\nhttp: {address: '%s'}\nclickhouse: {url: '%s', createTables: true, timeout: 60s}\n%s",
		natsURL, r.address, clickhouse, more)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c, "rows-sink-a", slog.New(slog.DiscardHandler)) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	natstest.Eventually(t, "the sink is ready", r.ready)
	return r
}

func (r *running) readyz() string { return get("http://" + r.address + "/readyz") }

func (r *running) ready() bool {
	return r.readyz() == "clickhouse: ok\nconsumer: ok\nnats: ok\nschema: ok\n"
}

// says waits until the sink is not ready for a reason that has all of these words.
func (r *running) says(words ...string) {
	r.t.Helper()
	last := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("it says %s", last)
		}
	}()
	natstest.Eventually(r.t, fmt.Sprintf("it says %q", words), func() bool {
		last = r.readyz()
		for _, word := range words {
			if !strings.Contains(last, word) {
				return false
			}
		}
		return strings.Contains(last, "not ready")
	})
}

// books are messages that were read and stored; what was read has to be stored, as many messages as were handed out again aside.
func (r *running) books() (read, stored float64) {
	r.t.Helper()
	m := figures(get("http://" + r.address + "/metrics"))
	if m[`flowfleet_sink_ledger_imbalance{unit="messages"}`] != 0 || m[`flowfleet_sink_ledger_imbalance{unit="records"}`] != 0 {
		r.t.Errorf("the books are off: %v", m)
	}
	return m[`flowfleet_sink_read_total{unit="messages"}`], m[`flowfleet_sink_stored_total{unit="messages"}`]
}

// ClickHouse's own engine refuses; each time the sink waits, says what to do, gives up nothing, and all is stored once when that is done.
func TestWhatClickHouseCannotTakeForNowWaitsAndTheSinkSaysWhatToDo(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	r := run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "")
	messages := 0
	for _, fault := range []struct {
		name, begin, end string
		says             []string
	}{
		{"the disk is full", "MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000", "RESET SETTING min_free_disk_bytes_to_perform_insert",
			[]string{"make room on ClickHouse's disk", "Code: 243"}},
		{"the table is read-only", "MODIFY SETTING table_readonly = 1", "MODIFY SETTING table_readonly = 0",
			[]string{"a table takes no inserts", "Code: 242"}},
		{"too many parts", "MODIFY SETTING max_parts_in_total = 1, parts_to_throw_insert = 1, parts_to_delay_insert = 0",
			"RESET SETTING max_parts_in_total, parts_to_throw_insert, parts_to_delay_insert", []string{"see that merges run", "Code: 252"}},
	} {
		for _, table := range []string{"flows", "protocols_1m"} { // the second fails once the first has its rows
			messages += 10
			publishFlows(t, js, 5)
			rest(t, js)
			clickhouse.Query("ALTER TABLE flowfleet." + table + " " + fault.begin)
			publishFlows(t, js, 5)
			r.says(fault.says...)
			if _, stored := r.books(); stored != float64(messages-5) {
				t.Errorf("%s, %s: %v messages are said to be stored of %d", fault.name, table, stored, messages-5)
			}
			clickhouse.Query("ALTER TABLE flowfleet." + table + " " + fault.end)
			rest(t, js)
			exact(t, clickhouse, messages)
			natstest.Eventually(t, "the sink is ready", r.ready)
		}
	}
	if read, stored := r.books(); read != float64(messages) || stored != read {
		t.Errorf("%v messages were read and %v stored of %d", read, stored, messages)
	}
}

// While neither NATS nor ClickHouse is there, the sink names both; then all is stored once, in whichever order they come back.
func TestNATSAndClickHouseThatAreAwayAtOnceCostNothing(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	server := natstest.StartProcess(t)
	js, err := jetstream.New(server.Connect(nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
	r := run(t, server.URL(), clickhouse.URL(), "ackWait: 2s\n")
	for round, first := range []string{"nats", "clickhouse"} {
		publishFlows(t, js, 10)
		rest(t, js)
		clickhouse.Kill() // with no insert under way
		publishFlows(t, js, 10)
		r.says("clickhouse: not ready (")
		server.Stop()
		r.says("nats: not ready (", "clickhouse: not ready (")
		back := []func(){
			func() { server.Restart(); natstest.AwaitStream(t, js, "flows") },
			clickhouse.Restart,
		}
		if first == "clickhouse" {
			back[0], back[1] = back[1], back[0]
		}
		back[0]()
		time.Sleep(time.Second)
		back[1]()
		natstest.AwaitStream(t, js, "flows")
		rest(t, js)
		exact(t, clickhouse, 20*(round+1))
		natstest.Eventually(t, "the sink is ready", r.ready)
		r.books()
	}
}

// A server that is killed in the middle of inserts may forget rows of a batch that it knows the token of (docs/clickhouse-once.md). Whatever is
// missing then is counted as sent without an answer, and nothing is stored twice.
func TestWhatAServerLosesThatIsKilledInTheMiddleOfInsertsIsNoMoreThanTheSinkCounts(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	inserting := make(chan struct{}, 1)
	front := httptest.NewServer(network(t, clickhouse, func(_ http.ResponseWriter, q *http.Request) bool {
		if isInsert(q) {
			select {
			case inserting <- struct{}{}:
			default:
			}
		}
		return true
	}, nil))
	t.Cleanup(front.Close)
	r := run(t, js.Conn().ConnectedUrl(), front.URL, "")
	const rounds, each = 3, 6
	for round := range rounds {
		select {
		case <-inserting:
		default:
		}
		publishFlows(t, js, each)
		<-inserting
		time.Sleep(time.Duration(round) * 4 * time.Millisecond) // at different moments of one
		clickhouse.Kill()
		clickhouse.Restart()
		rest(t, js)
	}
	r.books()
	m := figures(get("http://" + r.address + "/metrics"))
	unanswered, stored := m[`flowfleet_sink_stored_unanswered_total{unit="records"}`], m[`flowfleet_sink_stored_total{unit="records"}`]
	rows, err := strconv.ParseFloat(clickhouse.Query("SELECT count() FROM flowfleet.flows"), 64)
	if err != nil {
		t.Fatal(err)
	}
	if rows > 10*rounds*each || 10*rounds*each-rows > unanswered || unanswered == 0 || stored < 10*rounds*each {
		t.Errorf("%v rows of %d flows, %v of them stored without an answer, %v said to be stored", rows, 10*rounds*each, unanswered, stored)
	}
	t.Logf("figure: %d kills, %v rows missing, %v records sent without an answer", rounds, 10*rounds*each-rows, unanswered)
}

// Two sinks share a consumer. One is killed when its batch is stored and not acknowledged: the other has it, and it is stored once.
func TestABatchOfAReplicaThatIsKilledBeforeItAcknowledgesIsStoredOnceByTheOther(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	var mu sync.Mutex
	held, tokens := make(map[string]bool), make(map[string]int)
	front := func(hold bool) *httptest.Server {
		s := httptest.NewServer(network(t, clickhouse, nil, func(a *http.Response) {
			if !isInsert(a.Request) || a.StatusCode != http.StatusOK {
				return
			}
			token := a.Request.URL.Query().Get("insert_deduplication_token")
			mu.Lock()
			tokens[token]++
			if hold {
				held[token] = true
			}
			mu.Unlock()
			if hold {
				<-a.Request.Context().Done() // it is stored, and nobody is told
			}
		}))
		t.Cleanup(s.Close)
		return s
	}
	run(t, js.Conn().ConnectedUrl(), front(false).URL, "ackWait: 1s\n")
	other := &running{t: t, address: "127.0.0.1:" + strconv.Itoa(natstest.FreePort(t))}
	p := &process{t: t, file: write(t, fmt.Sprintf("nats: {urls: ['%s']}\nackWait: 1s\nhttp: {address: '%s'}\nclickhouse: {url: '%s', timeout: 60s}\n",
		js.Conn().ConnectedUrl(), other.address, front(true).URL))}
	const rounds = 2
	messages := 0
	for range rounds {
		mu.Lock()
		before := len(held)
		mu.Unlock()
		p.start()
		t.Cleanup(func() { p.end(syscall.SIGKILL) })
		natstest.Eventually(t, "the other sink is ready", other.ready)
		natstest.Eventually(t, "the other sink has stored a batch", func() bool {
			publishFlows(t, js, 8) // each has 4 workers
			messages += 8
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			return len(held) > before
		})
		p.end(syscall.SIGKILL)
		rest(t, js)
	}
	exact(t, clickhouse, messages)
	mu.Lock()
	defer mu.Unlock()
	for token := range held {
		if tokens[token] < 2 {
			t.Errorf("%s was stored by a sink that was killed, and did not come to the other", token)
		}
	}
	t.Logf("figure: %d batches were stored by sinks that were killed before they acknowledged", len(held))
}

// Two FlowSinks have two consumers. Of two streams, all flows are in the table. Of one stream, each flow is there once, since both give its
// batch the same token: as long as neither is more than 10,000 inserts behind the other.
func TestTwoSinksStoreIntoOneTable(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "others", Subjects: []string{"others.>"}})
	first := run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "consumer: first\n")
	second := run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "stream: others\nconsumer: second\n")
	for range 20 { // with the same numbers in both streams
		publishOn(t, js, "flows.a.b.ipfix", 1)
		publishOn(t, js, "others.a.b.ipfix", 1)
	}
	restOf(t, js, "flows", "first")
	restOf(t, js, "others", "second")
	exact(t, clickhouse, 40)
	third := run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "consumer: third\n") // of the same stream as the first
	publishFlows(t, js, 20)
	restOf(t, js, "flows", "first")
	restOf(t, js, "flows", "third")
	exact(t, clickhouse, 60)
	for i, r := range []*running{first, second, third} {
		if read, stored := r.books(); read != stored || stored != []float64{40, 20, 40}[i] {
			t.Errorf("sink %d: %v were read, %v are stored", i, read, stored)
		}
	}
}

// Somebody deletes the consumer, long after ClickHouse forgot what it has: the next consumer goes on where the operator says that it was.
func TestWhatIsStoredIsNotStoredAgainWhenSomebodyDeletesTheConsumer(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	file := filepath.Join(t.TempDir(), status.BookmarkFile)
	r := run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "bookmarkFile: "+file+"\n")
	for _, table := range []string{"flows", "protocols_1m", "interfaces_5m"} { // those that are compared; of 10,000
		clickhouse.Query("ALTER TABLE flowfleet." + table + " MODIFY SETTING non_replicated_deduplication_window = 5")
	}
	publishFlows(t, js, 30)
	rest(t, js)
	said, err := status.DecodeSink(strings.NewReader(get("http://" + r.address + status.SinkPath)))
	if err != nil || said.Place == nil {
		t.Fatalf("%+v, %v", said, err)
	}
	mark, err := said.Place.Bookmark().Encode() // as the operator does
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, mark, 0o600); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := js.DeleteConsumer(t.Context(), "flows", "clickhouse"); err != nil {
		t.Fatal(err)
	}
	publishFlows(t, js, 10)
	r = run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "bookmarkFile: "+file+"\n")
	rest(t, js)
	exact(t, clickhouse, 40)
	if read, stored := r.books(); read != 10 || stored != 10 {
		t.Errorf("%v messages were read again and %v stored, of 10", read, stored)
	}
}
