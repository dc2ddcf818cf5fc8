package observe

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// everything is a source in which each figure differs.
func everything() Source {
	var counts ledger.Counts
	for i := range counts {
		counts[i] = uint64(i + 1)
	}
	counts[ledger.SetsReceived] = 1000
	return Source{
		Listeners: func() []Listener { return []Listener{{Name: "netflow", Counts: counts, HeldBytes: 7}, {Name: "sflow"}} },
		Shared:    func() ledger.Counts { return counts },
		Memory:    func() Memory { return Memory{1, 2, 3} },
		Account:   account,
		Names: func() Names {
			return Names{Rows: map[string]int{"interfaces": 21}, Named: map[string]uint64{"interfaces": 22}, Unnamed: map[string]uint64{"interfaces": 23},
				Refused: map[string]uint64{"encoding": 24}, Bytes: 25}
		},
		Minutes: func() Minutes { return Minutes{Published: 26, Dropped: map[string]uint64{"refused": 27}, Waiting: 28} },
		NameRecords: func() NameRecords {
			return NameRecords{Published: 31, Lost: map[string]uint64{"replaced": 32}, Waiting: 33}
		},
		Store: func() Store { return Store{Connected: true, Loaded: true, Keys: 5, Writes: 9} },
		Output: func() Output {
			return Output{Connected: true, Published: 11, Dropped: map[string]uint64{"oldest": 12}, Spool: &Spool{
				Usable: true, Errors: map[string]uint64{"read_only": 13}}}
		},
		Captures:           func() Captures { return Captures{Running: 1, Begun: 2, Refused: 3, Datagrams: 4, Dropped: 5} },
		RefusedConnections: func() uint64 { return 1 },
	}
}

func account() ledger.Account {
	return ledger.Account{
		Listeners: []ledger.Listener{{Name: "netflow"}},
		Exporters: []ledger.Exporter{
			{Address: "192.0.2.1", Protocol: "ipfix", Datagrams: ledger.Datagrams{Received: 1, Decoded: 1}, Records: 2},
			{Protocol: "ipfix", Datagrams: ledger.Datagrams{Received: 4, Decoded: 4}},
		},
		Streams: []ledger.Stream{{StreamKey: ledger.StreamKey{Exporter: "192.0.2.1", Port: 4000, Protocol: "ipfix"}}},
	}
}

func document() *status.Document {
	return &status.Document{Instance: "a", Started: time.Unix(1, 0), Senders: []status.Sender{{Address: "192.0.2.1", Datagrams: 1}}}
}

func serve(t *testing.T, c config.HTTP, ready *Readiness) *Server {
	t.Helper()
	c.Address = "127.0.0.1:0"
	s, err := Listen(c, NewRegistry(everything()), ready, account, document, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Serve()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + s.Address() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestTheStatusIsServed(t *testing.T) {
	s := serve(t, config.HTTP{MaxConnections: 4}, NewReadiness())
	code, body := get(t, s, status.Path)
	d, err := status.Decode(strings.NewReader(body))
	if code != http.StatusOK || err != nil || d.Instance != "a" || d.Version != status.Version || len(d.Senders) != 1 {
		t.Errorf("%d %s: %+v, %v", code, body, d, err)
	}
}

func TestMetricsFollowPrometheusConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(NewRegistry(everything()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEveryCounterOfTheLedgerIsExposed(t *testing.T) {
	s := serve(t, config.HTTP{MaxConnections: 4}, NewReadiness())
	_, body := get(t, s, "/metrics")
	for i, info := range ledger.Infos {
		if help[info.Metric] == "" {
			t.Errorf("%s has no help", info.Metric)
		}
		var pairs []string
		if !shared(ledger.Counter(i)) {
			pairs = append(pairs, `listener="netflow"`)
		}
		if info.Reason != "" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", reasonLabel(info.Metric), info.Reason))
		}
		sort.Strings(pairs)
		labels := ""
		if len(pairs) > 0 {
			labels = "{" + strings.Join(pairs, ",") + "}"
		}
		if want := prefix + info.Metric + "_total" + labels + " "; !strings.Contains(body, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestReadinessGivesItsReasons(t *testing.T) {
	ready := NewReadiness("listeners", "templates")
	s := serve(t, config.HTTP{MaxConnections: 4}, ready)
	ready.Set("listeners", true, "")
	if status, body := get(t, s, "/readyz"); status != http.StatusServiceUnavailable ||
		body != "listeners: ok\ntemplates: not ready (not yet)\n" {
		t.Errorf("%d: %s", status, body)
	}
	if status, _ := get(t, s, "/healthz"); status != http.StatusOK {
		t.Errorf("health is %d", status)
	}
	ready.Set("templates", true, "given up after 30s")
	if status, body := get(t, s, "/readyz"); status != http.StatusOK ||
		body != "listeners: ok\ntemplates: ok (given up after 30s)\n" {
		t.Errorf("%d: %s", status, body)
	}
}

func TestConnectionsBeyondTheLimitAreRefusedAtOnce(t *testing.T) {
	s := serve(t, config.HTTP{MaxConnections: 2}, NewReadiness())
	var held []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", s.Address())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
		// The server has taken it when it answers.
		if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the third was served")
	}
	if s.Refused() != 1 {
		t.Errorf("%d refused", s.Refused())
	}
	for _, c := range held {
		_ = c.Close()
	}
}

func TestProfilesOnlyWhenAskedFor(t *testing.T) {
	for _, profiling := range []bool{false, true} {
		s := serve(t, config.HTTP{MaxConnections: 4, Profiling: profiling}, NewReadiness())
		if status, _ := get(t, s, "/debug/pprof/"); (status == http.StatusOK) != profiling {
			t.Errorf("with profiling %t the status is %d", profiling, status)
		}
	}
}

// TestTheGuideListsTheMetrics keeps docs/metrics.md true: go test ./collector/observe -update writes it.
func TestTheGuideListsTheMetrics(t *testing.T) {
	families, err := NewRegistry(everything()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		seen := make(map[string]bool)
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !seen[l.GetName()] {
					seen[l.GetName()] = true
					labels = append(labels, l.GetName())
				}
			}
		}
		sort.Strings(labels)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), f.GetHelp()))
	}
	want := metricsHead + strings.Join(rows, "\n") + "\n"
	const path = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go test ./collector/observe -update", path)
	}
}

const metricsHead = `# Metrics of the collector

Each collector serves these metrics on ` + "`/metrics`" + `, on the port of its HTTP address. Look first at these:

| To see | Look at |
|---|---|
| losses after decoding | ` + "`flowfleet_collector_records_dropped_total`" + ` |
| losses before the sockets | ` + "`flowfleet_collector_kernel_dropped_datagrams_total`" + `, and the gaps in the exporters' own sequences ([the ledger](ledger.md#what-never-arrived)) |
| what could not be decoded | ` + "`flowfleet_collector_datagrams_refused_total`, `flowfleet_collector_sets_dropped_total`, `flowfleet_collector_sets_expired_total`" + ` |
| whether the books balance | ` + "`flowfleet_collector_ledger_imbalance`" + ` |

These equations hold exactly whenever the collector is at rest. Each name has the prefix ` + "`flowfleet_collector_`" + ` and the suffix of the
table below. Sum over the reasons.

    datagrams_received = datagrams_decoded + datagrams_refused
    sets_received      = sets_decoded + sets_waiting + sets_expired + sets_dropped
    records_decoded + records_recovered = records_published + records_waiting + records_spooled + records_dropped

## All metrics
| Metric | Type | Labels | Meaning |
|---|---|---|---|
`

var _ prometheus.Collector = snapshot{}
