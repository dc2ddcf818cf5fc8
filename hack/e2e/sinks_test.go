package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// The engine is a program of this machine beside the control plane, which pods reach.
var clickHouseAddress = netip.AddrPortFrom(plan.API, 8123).String()

// The ledger reaches the database: through a rolling update of the fleet and two deaths of the sink each record that exporters sent is one
// row, with the bytes that it has in the stream. It needs CHDB_LIB_PATH=$(go run ./hack/chdb).
func TestWhatExportersSendIsOneRowEachInClickHouse(t *testing.T) {
	ownNodes(t) // the engine runs in their network
	// It is none of the nodes' programs, and takes only what time they leave it: a rolling update is not to wait for an insert.
	clickhouse := clickhousetest.StartAt(t, clickHouseAddress, func(program string) *exec.Cmd {
		return cluster.Exec(context.Background(), "lan", "nice", "-n", "19", program)
	})
	diagnose(t)
	must(t, cluster.InstallOperator(t.Context(), "sinks.enabled=true"))
	t.Cleanup(func() { must(t, cluster.InstallOperator(context.Background())) })
	f, discard := another(t, "warehouse", "edge")
	t.Cleanup(discard)
	// Each message is an insert into eleven tables, of an engine that runs one at a time.
	patchOf(t, f, `{"spec":{"output":{"batch":{"maxBytes":"900Ki","maxAge":"3s"}}}}`)
	must(t, cluster.Apply(t.Context(), fmt.Sprintf(`apiVersion: flowfleet.io/v1alpha1
kind: FlowSink
metadata: {name: rows, namespace: %s}
spec:
  from: {flowCollector: %s}
  ackWait: 5s
  clickHouse: {url: "http://%s", createTables: true}
`, f.Namespace, f.Name, clickHouseAddress)))
	t.Cleanup(func() {
		_, err := cluster.Kubectl(context.Background(), "--namespace", f.Namespace, "delete", "flowsink", "rows", "--timeout=1m")
		must(t, err)
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(tellSink(f), clickhouse.Query("SELECT 'ClickHouse answers the test'"))
		}
	})
	sinkIs(t, f, "Ready", "True")
	must(t, cluster.Ready(t.Context(), f))
	endedOf(t, f)
	must(t, cluster.Settled(t.Context(), f, 3))

	end := meanwhile(t, f, "--exporters", "12", "--rate", "300", "--records", "4")
	time.Sleep(3 * time.Second)
	killSink(t, f)
	_, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "rollout", "restart", f.DaemonSet())
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "rollout", "status", f.DaemonSet(), "--timeout=5m")
	must(t, err)
	killSink(t, f)
	endedOf(t, f)
	report := end()
	complete(t, report)

	records, bytes := streamed(t, f)
	want := fmt.Sprintf("%d\t%d", records, bytes)
	must(t, rig.Await(t.Context(), 10*time.Minute, func() error { // each message is nine inserts of it
		if got := clickhouse.Query("SELECT count(), sum(bytes) FROM flowfleet.flows"); got != want {
			return fmt.Errorf("rows and bytes are %q, and in the stream %q", got, want)
		}
		return nil
	}))
	// Each record of the run has addresses of its own.
	want = fmt.Sprintf("%d\t%[1]d", report.Records)
	if got := clickhouse.Query("SELECT count(), uniqExact(src_addr, dst_addr) FROM flowfleet.flows WHERE time_received >= " +
		fmt.Sprintf("fromUnixTimestamp64Nano(%d)", report.Began.UnixNano())); got != want {
		t.Errorf("of the run there are %q rows and different records, want %q", got, want)
	}
	if got, want := clickhouse.Query("SELECT sum(flows), sum(bytes) FROM flowfleet.protocols_1m"), fmt.Sprintf("%d\t%d", records, bytes); got != want {
		t.Errorf("the roll-up has %q, want %q", got, want)
	}
	t.Logf("figure: %d rows of %d records in the stream, %d bytes; the sink was killed twice, the fleet rolled once", records, records, bytes)
	sinkIs(t, f, "Ready", "True")
	sinkIs(t, f, "DestinationReachable", "True")
	sinkIs(t, f, "SchemaCurrent", "True")
	sinkIs(t, f, "KeepingUp", "True")
}

// sinkIs waits until a condition of the FlowSink has a status.
func sinkIs(t *testing.T, f rig.Fleet, kind, status string) {
	t.Helper()
	if _, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "wait", "--for=condition="+kind+"="+status, "flowsink/rows", "--timeout=5m"); err != nil {
		t.Fatalf("%v\n%s", err, tellSink(f))
	}
}

// killSink kills the sink's pods, and waits until another one is there.
func killSink(t *testing.T, f rig.Fleet) {
	t.Helper()
	const selector = "app.kubernetes.io/component=sink"
	before, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "pods", "--selector", selector, "-o", "name")
	must(t, err)
	if strings.TrimSpace(before) == "" {
		t.Fatal("there is no sink to kill")
	}
	_, err = cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "delete", "pods", "--selector", selector, "--grace-period=0", "--force")
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "rollout", "status", "deployment/rows-sink", "--timeout=5m")
	must(t, err)
}

// tellSink is what a person wants to see of the sink after a failure.
func tellSink(f rig.Fleet) (text string) {
	for _, arguments := range [][]string{{"describe", "flowsink", "rows"}, {"logs", "--selector=app.kubernetes.io/component=sink", "--tail=30", "--prefix"}} {
		out, err := cluster.Kubectl(context.Background(), append([]string{"--namespace", f.Namespace}, arguments...)...)
		if err != nil {
			out = err.Error()
		}
		text += out
	}
	return text
}

// streamed counts the records that are in a fleet's stream, and their bytes.
func streamed(t *testing.T, f rig.Fleet) (records, bytes uint64) {
	t.Helper()
	js, disconnect, err := cluster.JetStream(t.Context(), rig.NATSServers[0])
	must(t, err)
	defer disconnect()
	stream, err := js.Stream(t.Context(), f.Stream())
	must(t, err)
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	must(t, err)
	messages := stream.CachedInfo().State.Msgs
	for seen := uint64(0); seen < messages; {
		batch, err := consumer.Fetch(int(min(messages-seen, 500)), jetstream.FetchMaxWait(20*time.Second))
		must(t, err)
		before := seen
		for m := range batch.Messages() {
			seen++
			for b := m.Data(); len(b) > 0; records++ {
				var one []byte
				one, b, err = flow.Split(b)
				must(t, err)
				var r flow.Record
				must(t, flow.Decode(one, &r))
				bytes += r.Bytes
			}
		}
		if must(t, batch.Error()); seen == before {
			t.Fatalf("only %d of %d messages of the stream came", seen, messages)
		}
	}
	return records, bytes
}
