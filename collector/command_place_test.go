package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// inPod makes commands find a configuration as in a collector's pod.
func inPod(t *testing.T, configuration string) {
	t.Helper()
	before := podConfiguration
	t.Cleanup(func() { podConfiguration = before })
	podConfiguration = filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(podConfiguration, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fleetOf makes a stream with one flow, and a bucket, under the names of a FlowCollector.
func fleetOf(t *testing.T, s *natstest.Server, namespace, name string, bytes uint64) {
	t.Helper()
	js, err := jetstream.New(s.Connect(nats.ReconnectBufSize(1 << 20)))
	if err != nil {
		t.Fatal(err)
	}
	subject := fmt.Sprintf("flows.%s.%s", namespace, name)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "flows-" + namespace + "-" + name, Subjects: []string{subject + ".>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "flowfleet-" + namespace + "-" + name}); err != nil {
		t.Fatal(err)
	}
	r := flow.Record{Type: flow.TypeIPFIX, Bytes: bytes, Packets: 1}
	var encoder flow.Encoder
	if _, err := js.Publish(t.Context(), subject+".ipfix", encoder.AppendDelimited(nil, &r)); err != nil {
		t.Fatal(err)
	}
}

func TestCommandsFindTheirFleetInAPodAndFromALaptop(t *testing.T) {
	s := natstest.Start(t)
	fleetOf(t, s, "flows", "edge", 4711)
	fleetOf(t, s, "flows", "core", 4712)
	inPod(t, fmt.Sprintf("nats: {urls: [%q]}\ntemplateStore: {bucket: flowfleet-flows-edge}\noutput: {stream: {name: flows-flows-edge, subjects: [flows.flows.edge.>]}, subject: flows.flows.edge}\n", s.URL()))
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"in a pod":                        {[]string{"tail"}, "4711"},
		"another fleet's, in a pod":       {[]string{"tail", "--fleet", "flows/core"}, "4712"},
		"from a laptop, by fleet":         {[]string{"tail", "--server", s.URL(), "--fleet", "flows/core"}, "4712"},
		"from a laptop, by stream":        {[]string{"tail", "--server", s.URL(), "--stream", "flows-flows-core"}, "4712"},
		"templates, in a pod":             {[]string{"templates", "list"}, "No exporter has taught"},
		"templates, by fleet":             {[]string{"templates", "list", "--server", s.URL(), "--fleet", "flows/core"}, "No exporter has taught"},
		"templates, by bucket":            {[]string{"templates", "list", "--server", s.URL(), "--bucket", "flowfleet-flows-core"}, "No exporter has taught"},
		"a server hides the pod's bucket": {[]string{"templates", "list", "--server", s.URL()}, "there is no bucket flowfleet-templates"},
		"a server hides the pod's stream": {[]string{"tail", "--server", s.URL()}, "there is no stream flows on"},
		"a fleet without a namespace":     {[]string{"tail", "--fleet", "edge"}, "flows/edge"},
	} {
		args := test.args
		if args[0] == "tail" {
			args = append(args, "--all", "--count", "1")
		}
		out, err := execute(t, "", args...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, test.want) {
			t.Errorf("%s: %s\n%s", name, strings.Join(args, " "), out)
		}
	}
}

func TestTheLedgerOfAPodAsksItsOwnPort(t *testing.T) {
	server := httptest.NewServer(books("pod-1"))
	defer server.Close()
	inPod(t, fmt.Sprintf("http: {address: %q}\nnats: {urls: [nats://127.0.0.1:1]}\n", server.Listener.Addr().String()))
	out, err := execute(t, "", "ledger")
	if err != nil || !strings.Contains(out, "pod-1") {
		t.Errorf("%v\n%s", err, out)
	}
}

// books serves the ledger of a collector that has nothing to tell.
func books(instance string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		l := ledger.Listener{Name: "of-" + instance}
		_ = json.NewEncoder(w).Encode(ledger.Account{Instance: instance, Listeners: []ledger.Listener{l}})
	}
}

func TestAFleetsLedgerShowsThoseThatAnswerAndNamesTheOthers(t *testing.T) {
	a, b, gone := httptest.NewServer(books("pod-a")), httptest.NewServer(books("pod-b")), httptest.NewServer(books("pod-c"))
	defer a.Close()
	defer b.Close()
	gone.Close()
	addresses := []string{a.Listener.Addr().String(), gone.Listener.Addr().String(), b.Listener.Addr().String()}
	out, err := execute(t, "", append([]string{"ledger"}, addresses...)...)
	if err == nil || !strings.Contains(err.Error(), addresses[1]) || !strings.Contains(err.Error(), "1 of 3 collectors do not answer") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out, "of-pod-a") || !strings.Contains(out, "of-pod-b") {
		t.Errorf("those that answer are not shown:\n%s", out)
	}
	out, err = execute(t, "", append([]string{"ledger", "--json"}, addresses...)...)
	var all struct {
		Collectors []ledger.Account
		Missing    []string
	}
	if decoding := json.Unmarshal([]byte(out), &all); decoding != nil || err == nil || len(all.Collectors) != 2 || len(all.Missing) != 1 {
		t.Errorf("%v, %v:\n%s", decoding, err, out)
	}
	if _, err := execute(t, "", "ledger", addresses[1]); err == nil {
		t.Error("nobody answers, and all is well")
	}
}

func TestVersionIsACommand(t *testing.T) {
	command, err := execute(t, "", "version")
	flag, flagErr := execute(t, "", "--version")
	if err != nil || flagErr != nil || !strings.Contains(flag, strings.TrimSpace(command)) || strings.TrimSpace(command) == "" {
		t.Errorf("%q (%v), %q (%v)", command, err, flag, flagErr)
	}
}
