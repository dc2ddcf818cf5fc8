package publish

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// newNames publishes on flows.network.edge.names of a new server; create makes the stream.
func newNames(t *testing.T, change func(*config.Output)) (n *Names, again func() *Names, create func(maxMessage int32) jetstream.Stream) {
	s := natstest.Start(t)
	c := config.Default()
	c.Output.Subject = "flows.network.edge"
	if change != nil {
		change(&c.Output)
	}
	nc := natstest.Connect(t, s.URL())
	again = func() *Names {
		n, err := NewNames(c.Output, nc)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return again(), again, func(maxMessage int32) jetstream.Stream {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgSize: maxMessage})
		stream, err := js.Stream(t.Context(), "flows")
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
}

func messagesIn(t *testing.T, stream jetstream.Stream) uint64 {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func linesOf(records ...names.Record) (out [][]byte) {
	for i := range records {
		out = append(out, records[i].AppendLine(nil))
	}
	return out
}

func record(number int, name string) names.Record {
	return names.Record{ValidFrom: 1_700_000_000, Version: 1_700_000_000 << 16, Exporter: "192.0.2.1", Table: "interfaces", Number: fmt.Sprint(number), Name: name}
}

func TestNamesWaitForTheStreamAndTwoThatHearTheSameMakeOneMessage(t *testing.T) {
	n, again, create := newNames(t, nil)
	n.Add(nil)
	n.Add(linesOf(record(1, `a "quoted" <name>`), record(2, "b")))
	if err := n.Send(t.Context()); err == nil || !strings.Contains(err.Error(), "flows.network.edge.names") {
		t.Errorf("without a stream: %v", err)
	}
	if n.Stats() != (NameStats{Waiting: 2}) || n.Idle() {
		t.Errorf("then %+v", n.Stats())
	}
	stream := create(0)
	other := again()
	other.Add(linesOf(record(1, `a "quoted" <name>`), record(2, "b")))
	for _, each := range []*Names{n, other} {
		if err := each.Send(t.Context()); err != nil || each.Stats() != (NameStats{Published: 2}) {
			t.Errorf("%v, %+v", err, each.Stats())
		}
	}
	if got := messagesIn(t, stream); got != 1 {
		t.Errorf("the stream has %d messages", got)
	}
	message, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"valid_from":1700000000,"version":111411200000000,"exporter":"192.0.2.1","domain":0,"table":"interfaces","number":"1","name":"a \"quoted\" <name>"}
{"valid_from":1700000000,"version":111411200000000,"exporter":"192.0.2.1","domain":0,"table":"interfaces","number":"2","name":"b"}
`
	if string(message.Data) != want || message.Header.Get(HeaderEncoding) != EncodingNames || message.Header.Get(HeaderCount) != "2" {
		t.Errorf("it is %v %s", message.Header, message.Data)
	}
}

func TestNamesFitWhereFlowsFitAndWhatNeverFitsHoldsUpNothing(t *testing.T) {
	n, _, create := newNames(t, func(c *config.Output) { c.Batch.MaxBytes = 4 << 10 })
	stream := create(5 << 10)
	var records []names.Record
	for i := range 1000 {
		records = append(records, record(i, "xe-0/0/0"))
	}
	huge := record(0, "x")
	huge.Description = strings.Repeat("x", 6<<10)
	n.Add(linesOf(huge))
	n.Add(linesOf(records...))
	if err := n.Send(t.Context()); err != nil || n.Stats() != (NameStats{Published: 1000, Refused: 1}) {
		t.Errorf("%v, %+v", err, n.Stats())
	}
	if got := messagesIn(t, stream); got < 20 {
		t.Errorf("they are %d messages", got)
	}
}

func TestNamesThatWaitAtTheEndAreCounted(t *testing.T) {
	n, _, _ := newNames(t, nil)
	n.Add(linesOf(record(1, "a")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n.Send(ctx) == nil {
		t.Error("all is sent, after the end")
	}
	if lost := n.Close(2); lost != 3 || n.Stats() != (NameStats{Ended: 3}) {
		t.Errorf("%d were lost, %+v", lost, n.Stats())
	}
}
