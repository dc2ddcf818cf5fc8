package service

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/sink"
)

func TestReadinessNamesTheSideThatIsNotReadyAndNoOther(t *testing.T) {
	tables := sink.Schema{Known: true, Version: 1, Wanted: 1}
	for _, test := range []struct {
		name  string
		state sink.State
		want  string
	}{
		{"all is well", sink.State{Schema: tables}, "clickhouse: ok\nconsumer: ok\nnats: ok\nschema: ok\n"},
		{"no NATS", sink.State{NATS: "gone", Reading: "no answer", Schema: tables}, "clickhouse: ok\nnats: not ready (gone)\nschema: ok\n"},
		{"no consumer", sink.State{Reading: "another's", Schema: tables},
			"clickhouse: ok\nconsumer: not ready (another's)\nnats: ok\nschema: ok\n"},
		{"no ClickHouse", sink.State{Checking: "refused"}, "clickhouse: not ready (refused)\nconsumer: ok\nnats: ok\n"},
		{"no tables", sink.State{Schema: sink.Schema{Known: true, Wanted: 1, Problem: "none"}},
			"clickhouse: ok\nconsumer: ok\nnats: ok\nschema: not ready (none)\n"},
		{"an insert that failed", sink.State{Storing: "full", Schema: tables}, "clickhouse: not ready (full)\nconsumer: ok\nnats: ok\nschema: ok\n"},
		{"no place for what is refused", sink.State{Refusing: "full", Schema: tables},
			"clickhouse: ok\nconsumer: ok\nnats: ok\nrefused: not ready (full)\nschema: ok\n"},
	} {
		r := observe.NewReadiness(checkNATS, checkClickHouse)
		show(sink.State{Reading: "not read yet", Checking: "not checked yet", Refusing: "full"}, r)
		show(test.state, r)
		if ready, got := r.State(); got != test.want || ready == strings.Contains(test.want, "not ready") {
			t.Errorf("%s: %t\n%s", test.name, ready, got)
		}
	}
}

// runWithoutClickHouse runs a sink until the test ends, with nobody where its ClickHouse should be. It returns the port of its pages.
func runWithoutClickHouse(t *testing.T, js jetstream.JetStream) (port int) {
	t.Helper()
	port = natstest.FreePort(t)
	c, err := Load(write(t, fmt.Sprintf("nats: {urls: ['%s']}\nhttp: {address: '127.0.0.1:%d'}\nclickhouse: {url: 'http://127.0.0.1:%d'}\n",
		js.Conn().ConnectedUrl(), port, natstest.FreePort(t))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c, "rows-sink-a", slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return port
}

func TestWithoutClickHouseTheSinkIsNotReadyForClickHouseOnly(t *testing.T) {
	port := runWithoutClickHouse(t, newStream(t, natstest.Start(t)))
	natstest.Eventually(t, "it says which side", func() bool {
		answer := get("http://127.0.0.1:" + strconv.Itoa(port) + "/readyz")
		return strings.HasPrefix(answer, "clickhouse: not ready (") && strings.Contains(answer, "connection refused") &&
			strings.HasSuffix(answer, "\nconsumer: ok\nnats: ok\n")
	})
}
