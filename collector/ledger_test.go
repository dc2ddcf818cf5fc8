package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// fleetLedger is what "collector ledger" says of running collectors.
func fleetLedger(t *testing.T, processes ...*process) (streams []ledger.Stream, accounts []ledger.Account) {
	t.Helper()
	args := []string{"ledger", "--json"}
	for _, p := range processes {
		args = append(args, p.http)
	}
	out, err := execute(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Collectors []ledger.Account
		Streams    []ledger.Stream
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err, out)
	}
	return all.Streams, all.Collectors
}

func TestExactly137DatagramsOfAStreamSpreadOverTwoCollectorsAreMissed(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 7)
	e.sequence = 1<<32 - 500 // it wraps on the way
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	const sent, dropped = 2000, 137
	for i := range uint32(sent) {
		switch {
		case i%14 == 5 && i/14 < dropped:
			e.sequence++ // one record, which nobody gets
		case i%3 == 0:
			e.send(a.port, 1, oldLayout.data(i))
		default:
			e.send(b.port, 1, oldLayout.data(i))
		}
		if i%50 == 0 {
			time.Sleep(time.Millisecond) // no more than any machine can take
		}
	}
	var streams []ledger.Stream
	natstest.Eventually(t, "all was received", func() bool {
		streams, _ = fleetLedger(t, a, b)
		return len(streams) == 1 && streams[0].Units == sent-dropped
	})
	if got := streams[0]; got.Missed() != dropped || got.Length() != sent || got.Domain != 7 || got.Protocol != "ipfix" ||
		got.Exporter != "127.0.0.1" || got.Restarts != 0 {
		t.Errorf("the stream is %+v", got)
	}
	// What docs/ledger.md has Prometheus compute comes to the same.
	next, units := 0.0, 0.0
	for _, p := range []*process{a, b} {
		next = max(next, p.metric("sequence_next"))
		units += p.metric("sequence_units_total")
	}
	first := float64(streams[0].First)
	if missed := next - first - units; missed != dropped && missed != dropped-(1<<32) && missed != dropped+(1<<32) {
		t.Errorf("by the metrics %v are missed", missed)
	}
	a.checkLedger()
	b.checkLedger()
}

func TestTheLedgerIsShownAndFailsWhereItDoesNotHold(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(1, 2))
	e.send(a.port, 1, newLayoutWithout().data(3))
	natstest.Eventually(t, "all is received", func() bool {
		streams, _ := fleetLedger(t, a)
		return len(streams) == 1 && a.metric("records_published_total") == 2
	})
	out, err := execute(t, "", "ledger", a.http)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a          any       2          2        0", "127.0.0.1  ipfix     2          2"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	// A collector that lost a record without counting it.
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"instance":"x","listeners":[{"name":"any","datagrams":{"received":5,"decoded":4}}]}`)
	}))
	defer broken.Close()
	if _, err := execute(t, "", "ledger", "--wait", "0s", broken.URL); err == nil ||
		!strings.Contains(err.Error(), "collector x: the equation of datagrams of listener any is off by 1") {
		t.Errorf("the error is %v", err)
	}
	if _, err := execute(t, "", "ledger", "127.0.0.1:1"); err == nil {
		t.Error("nobody answers, and it is well")
	}
}

// The sums of the exporters follow the listeners' some seconds later: under load they are off, and nothing is wrong.
func TestEquationsThatHoldAtRestAreNotJudgedWhileDatagramsArrive(t *testing.T) {
	for name, test := range map[string]struct {
		each      int // datagrams that arrive between two looks
		decoded   int // fewer than were received
		wantError string
	}{
		"under load":                        {each: 5},
		"at rest":                           {wantError: "the equation of exporters_datagrams is off by 7"},
		"under load, with a loss uncounted": {each: 5, decoded: -1, wantError: "the equation of datagrams of listener any is off by 1"},
	} {
		t.Run(name, func(t *testing.T) {
			arrived := 7
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				arrived += test.each
				_, _ = fmt.Fprintf(w, `{"instance":"x","listeners":[{"name":"any","datagrams":{"received":%d,"decoded":%d}}]}`, arrived, arrived+test.decoded)
			}))
			defer collector.Close()
			_, err := execute(t, "", "ledger", "--wait", "500ms", collector.URL)
			switch {
			case test.wantError == "" && err != nil:
				t.Error(err)
			case test.wantError != "" && (err == nil || !strings.Contains(err.Error(), test.wantError)):
				t.Errorf("the error is %v", err)
			case test.each > 0 && err != nil && strings.Contains(err.Error(), "exporters_"):
				t.Errorf("what holds at rest only is judged: %v", err)
			}
		})
	}
}

// newLayoutWithout is a layout that nobody is told of.
func newLayoutWithout() layout { return layout{999, oldLayout.fields} }

func TestEachExporterHasBooksOfItsOwnThatComeToTheListeners(t *testing.T) {
	s := natstest.Start(t)
	p := startCollector(t, "a", s.URL(), "exporters: {allowedNetworks: [127.0.0.0/29], limits: {exporterMetrics: 4}}").awaitReady()
	const rounds = 40
	send := func(address string) {
		e := newExporter(t, 1, address)
		e.send(p.port, 0, oldLayout.template())
		for n := range uint32(rounds) {
			e.send(p.port, 2, oldLayout.data(2*n, 2*n+1))
			e.send(p.port, 1, oldLayout.data(n), []byte{1, 44, 0, 2})         // a set that is shorter than its header
			e.send(p.port, 1, newLayoutWithout().data(n), set(77, []byte{1})) // without its template; an id that is reserved
			e.write(p.port, append([]byte{0, 10, 0, 3}, make([]byte, 20)...)) // a header that cannot be
			e.write(p.port, []byte{0, 77, byte(n), 0, 0})                     // no protocol at all
		}
	}
	var account ledger.Account
	await := func(datagrams uint64, exporters int) {
		natstest.Eventually(t, "all is received and told by exporter", func() bool {
			_, accounts := fleetLedger(t, p)
			account = accounts[0]
			return account.Listeners[0].Datagrams.Received == datagrams && len(account.Exporters) == exporters
		})
	}
	const each = 5*rounds + 1
	send("127.0.0.2") // two protocols each, and there is room for four
	send("127.0.0.3")
	await(2*each, 4)
	send("127.0.0.4")
	send("127.0.0.5")
	newExporter(t, 1, "127.0.0.99").send(p.port, 0, oldLayout.template()) // not allowed
	await(4*each+1, 6)
	p.checkLedger()

	// Those of which nothing is decoded make room: what they sent is among the others'.
	want := []ledger.Exporter{
		{Protocol: "ipfix", Datagrams: ledger.Datagrams{Received: 1, Refused: map[string]uint64{"not_allowed": 1}}},
		{Protocol: "unknown", Datagrams: ledger.Datagrams{Received: 4 * rounds, Refused: map[string]uint64{"unknown_version": 4 * rounds}}},
	}
	for _, address := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"} {
		want = append(want, ledger.Exporter{
			Address: address, Protocol: "ipfix",
			Datagrams: ledger.Datagrams{Received: 4*rounds + 1, Decoded: 3*rounds + 1, Refused: map[string]uint64{"bad_header": rounds}},
			Sets: ledger.Sets{Received: 5*rounds + 1, Decoded: 2*rounds + 1, Waiting: rounds,
				Dropped: map[string]uint64{"malformed": rounds, "reserved_id": rounds}},
			Records: 3 * rounds,
		})
	}
	if diff := cmp.Diff(want, ledger.Exporters([]ledger.Account{account}), cmpopts.IgnoreFields(ledger.Exporter{}, "Naming")); diff != "" {
		t.Errorf("the exporters' books (-want +got):\n%s", diff)
	}
	out, err := execute(t, "", "ledger", p.http)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`127.0.0.2 +ipfix +161 +121 +40 \(bad_header 40\) +201 +81 +40 +80 \(malformed 40, reserved_id 40\) +120\n`,
		`others +ipfix +1 +0 +1 \(not_allowed 1\) `,
		`127.0.0.5 +ipfix +161 `,
	} {
		if !regexp.MustCompile(line).MatchString(out) {
			t.Errorf("there is no %q in\n%s", line, out)
		}
	}
}
