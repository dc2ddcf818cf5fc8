package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

// newLayoutWithout is a layout that nobody is told of.
func newLayoutWithout() layout { return layout{999, oldLayout.fields} }
