package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// withMinutes is the output of startCollector with the ledger's minutes.
const withMinutes = "output: {ledger: Minutes, stream: {maxBytes: -1}, batch: {maxAge: 20ms}}"

// startWithMinutes starts a collector that publishes the ledger's minutes.
func startWithMinutes(t *testing.T, name, nats string) *process {
	t.Helper()
	return startConfigured(t, name, strings.NewReplacer("NAME", name, "NATS", nats).Replace(`
instance: NAME
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: ["NATS"]}
templateStore: {maxBytes: -1, loadTimeout: 60s}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
exporters: {sampling: {defaults: [{network: 0.0.0.0/0, rate: 50}]}}
`+withMinutes)).awaitReady()
}

// messagesOf reads all messages of the stream of flows.
func messagesOf(t *testing.T, s *natstest.Server) (out []*jetstream.RawStreamMsg) {
	t.Helper()
	js, err := jetstream.New(natstest.Connect(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "flows")
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	for n := state.FirstSeq; n <= state.LastSeq && state.Msgs > 0; n++ {
		m, err := stream.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// minutesOf reads what a stream has of the ledger, and how many records of flows its other messages have.
func minutesOf(t *testing.T, s *natstest.Server) (minutes []ledger.Minute, flows uint64) {
	t.Helper()
	for _, m := range messagesOf(t, s) {
		if isLedger := strings.HasSuffix(m.Subject, ".ledger"); isLedger != (m.Header.Get(publish.HeaderEncoding) == publish.EncodingLedger) {
			t.Errorf("%s has the encoding %q", m.Subject, m.Header.Get(publish.HeaderEncoding))
		} else if !isLedger {
			n, err := strconv.ParseUint(m.Header.Get(publish.HeaderCount), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			flows += n
			continue
		}
		for line := range strings.Lines(string(m.Data)) {
			var minute ledger.Minute
			if err := json.Unmarshal([]byte(line), &minute); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			minutes = append(minutes, minute)
		}
	}
	return minutes, flows
}

// sums are the figures of accounts or minutes that must agree.
type sums struct{ datagrams, refused, sets, setsDecoded, lost, records, units uint64 }

func (s *sums) account(a *ledger.Account) {
	for i := range a.Exporters {
		e := &a.Exporters[i]
		s.datagrams += e.Datagrams.Received
		s.refused += ledger.Sum(e.Datagrams.Refused)
		s.sets += e.Sets.Received
		s.setsDecoded += e.Sets.Decoded
		s.lost += ledger.Sum(e.Sets.Expired) + ledger.Sum(e.Sets.Dropped) + e.Sets.Waiting // at the end they expire
		s.records += e.Records
	}
	for i := range a.Streams {
		s.units += a.Streams[i].TotalUnits
	}
}

func (s *sums) minutes(minutes []ledger.Minute) {
	for i := range minutes {
		m := &minutes[i]
		s.datagrams += m.Datagrams
		s.refused += ledger.Sum(m.DatagramsRefused)
		s.sets += m.Sets
		s.setsDecoded += m.SetsDecoded
		s.lost += ledger.Sum(m.SetsLost)
		s.records += m.Records
		s.units += m.Units
	}
}

// Two collectors, of which one is restarted: what they published is, to the unit, what their ledgers had when they ended.
func TestTheLedgersMinutesAddUpToTheLedgerAcrossARestart(t *testing.T) {
	s := natstest.Start(t)
	a, b := startWithMinutes(t, "a", s.URL()), startWithMinutes(t, "b", s.URL())
	e := newExporter(t, 7)
	var want sums
	send := func(p *process, n int) {
		e.send(p.port, 0, oldLayout.template())
		for i := range uint32(n) {
			e.send(p.port, 1, oldLayout.data(i))
		}
		e.send(p.port, 0, newLayoutWithout().data(3)) // waits for a template that does not come
		e.sequence += 2                               // which nobody gets
	}
	end := func(p *process) {
		p.atRest()
		natstest.Eventually(t, "the exporters' books are up to date", func() bool {
			account := p.account()
			return ledger.Imbalances([]ledger.Account{account}) == nil
		})
		account := p.account()
		want.account(&account)
		p.terminate()
	}
	send(a, 30)
	send(b, 20)
	send(a, 10)
	end(a)
	a = startWithMinutes(t, "a", s.URL())
	send(b, 5)
	send(a, 40)
	end(a)
	end(b)

	var got sums
	minutes, flows := minutesOf(t, s)
	got.minutes(minutes)
	if got != want {
		t.Errorf("the minutes have %+v, the ledgers had %+v", got, want)
	}
	if flows != want.records || flows == 0 {
		t.Errorf("%d flows are on the stream, the ledgers had %d", flows, want.records)
	}
	runs := make(map[string]string)
	var told ledger.Minute // what records say, of all
	for i := range minutes {
		m := &minutes[i]
		if m.Fleet != "default/collector" || m.Minute%60 != 0 || time.Since(time.Unix(m.Minute, 0)) > time.Hour || m.Share == 0 {
			t.Errorf("it is signed %+v", m)
		}
		runs[m.Run] = m.Collector
		told.Bytes, told.ScaledBytes = told.Bytes+m.Bytes, told.ScaledBytes+m.ScaledBytes
		if m.Kind == ledger.KindStream && m.SamplingRate != 0 {
			told.SamplingRate = m.SamplingRate
		}
	}
	if rate := uint64(50); told.Bytes == 0 || told.ScaledBytes != told.Bytes*rate || told.SamplingRate != rate {
		t.Errorf("of volumes and rates they tell %+v", told)
	}
	if len(runs) != 3 {
		t.Errorf("three processes ran, and they are %v", runs)
	}
}

func TestReadersOfFlowsPassTheLedgerBy(t *testing.T) {
	s := natstest.Start(t)
	a := startWithMinutes(t, "a", s.URL())
	e := newExporter(t, 7)
	e.send(a.port, 0, oldLayout.template())
	e.send(a.port, 1, oldLayout.data(1))
	a.atRest()
	a.terminate() // publishes a minute
	b := startWithMinutes(t, "b", s.URL())
	e.send(b.port, 1, oldLayout.data(2))
	b.atRest()
	out, err := execute(t, "", "tail", "--server", s.URL(), "--stream", "flows", "--all", "-n", "2", "--json")
	if lines := strings.Count(out, "\n"); err != nil || lines != 2 {
		t.Errorf("tail shows %d flows, %v:\n%s", lines, err, out)
	}
	if out, err = execute(t, "", "top", "--server", s.URL(), "--stream", "flows", "--once", "--json", "--window", "10m"); err != nil ||
		!strings.Contains(out, `"flows":2`) {
		t.Errorf("top shows %v:\n%s", err, out)
	}
}
