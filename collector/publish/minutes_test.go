package publish

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestMinutesWaitForTheStreamAndAreThereOnce(t *testing.T) {
	s := natstest.Start(t)
	c := config.Default()
	c.Output.Subject = "flows.network.edge"
	nc := natstest.Connect(t, s.URL())
	m, err := NewMinutes(c.Output, "network/edge", "a", nc)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(1_700_000_040, 0)
	m.Add(begin, nil)
	m.Add(begin, []ledger.Minute{{Kind: ledger.KindRest}, {Kind: ledger.KindStream}})
	if err := m.Send(t.Context()); err == nil || !strings.Contains(err.Error(), "flows.network.edge.ledger") {
		t.Errorf("without a stream: %v", err)
	}
	if got, want := m.Stats().Waiting, uint64(2); got != want {
		t.Errorf("%d records wait, want %d", got, want)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
	stream, err := js.Stream(t.Context(), "flows")
	if err != nil {
		t.Fatal(err)
	}
	first := m.waiting[0]
	if err := m.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.enqueue(first) // as if the acknowledgement had been lost
	if err := m.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs != 1 {
		t.Errorf("the stream has %d messages", info.State.Msgs)
	}
	message, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(message.Data), `"minute":1700000040,"fleet":"network/edge","collector":"a","run":"`); lines != 2 ||
		message.Header.Get(HeaderEncoding) != EncodingLedger || message.Header.Get(HeaderCount) != "2" {
		t.Errorf("it is %v %s", message.Header, message.Data)
	}
}

func TestMinutesThatWaitAreBoundedAndWhatGoesIsCounted(t *testing.T) {
	s := natstest.Start(t)
	c := config.Default()
	m, err := NewMinutes(c.Output, "network/edge", "a", natstest.Connect(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	added := uint64(0)
	for m.Stats().Overflowed == 0 {
		m.Add(time.Unix(0, 0), make([]ledger.Minute, 10_000))
		added += 10_000
	}
	for _, message := range m.waiting {
		if len(message.message.Data) > besideBytes {
			t.Fatalf("a message has %d bytes", len(message.message.Data))
		}
	}
	stats := m.Stats()
	if stats.Bytes > maxMinuteBytes || stats.Bytes < maxMinuteBytes/2 || stats.Waiting+stats.Overflowed != added {
		t.Errorf("%d were added: %+v", added, stats)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m.Send(ctx) == nil {
		t.Error("all is sent, after the end")
	}
	if ended := m.Close(); ended != stats.Waiting || m.Stats().Ended != ended || m.Stats().Overflowed+ended != added || m.Stats().Waiting != 0 {
		t.Errorf("in the end %+v", m.Stats())
	}
}

// A stream may take small messages only: output.batch.maxBytes says so for flows, and holds for the ledger, too.
func TestMinutesFitWhereFlowsFit(t *testing.T) {
	s := natstest.Start(t)
	c := config.Default()
	c.Output.Subject, c.Output.Batch.MaxBytes = "flows.network.edge", 4<<10
	nc := natstest.Connect(t, s.URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgSize: 5 << 10})
	m, err := NewMinutes(c.Output, "network/edge", "a", nc)
	if err != nil {
		t.Fatal(err)
	}
	records := make([]ledger.Minute, 1000)
	for i := range records {
		records[i] = ledger.Minute{Kind: ledger.KindRest, Domain: uint32(i), DatagramsRefused: map[string]uint64{"header": uint64(i)}}
	}
	m.Add(time.Unix(1_700_000_040, 0), records)
	if err := m.Send(t.Context()); err != nil || m.Stats().Published != uint64(len(records)) {
		t.Errorf("%v, %+v", err, m.Stats())
	}
}

// One record can be larger than what a stream takes, and a stream can be made to take less than it did.
func TestAMinuteThatTheStreamNeverTakesHoldsUpNoneBehindIt(t *testing.T) {
	s := natstest.Start(t)
	c := config.Default()
	c.Output.Subject = "flows.network.edge"
	nc := natstest.Connect(t, s.URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgSize: 2 << 10})
	m, err := NewMinutes(c.Output, "network/edge", "a", nc)
	if err != nil {
		t.Fatal(err)
	}
	m.Add(time.Unix(1_700_000_040, 0), []ledger.Minute{{Kind: ledger.KindRest, DatagramsRefused: map[string]uint64{strings.Repeat("x", 3<<10): 1}}})
	m.Add(time.Unix(1_700_000_100, 0), []ledger.Minute{{Kind: ledger.KindRest}, {Kind: ledger.KindRest}})
	if err := m.Send(t.Context()); err != nil || m.Stats() != (MinuteStats{Published: 2, Refused: 1}) {
		t.Errorf("%v, %+v", err, m.Stats())
	}
}
