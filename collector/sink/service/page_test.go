package service

import (
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/status"
)

// With a real server, and ClickHouse away: what waits has an age, and what could not be looked at is not there.
func TestTheSinksPageSaysWhereItStands(t *testing.T) {
	js := newStream(t, natstest.Start(t))
	port := runWithoutClickHouse(t, js)
	page := func() *status.Sink {
		response, err := http.Get("http://127.0.0.1:" + strconv.Itoa(port) + status.SinkPath)
		if err != nil {
			return nil
		}
		defer func() { _ = response.Body.Close() }()
		d, err := status.DecodeSink(response.Body)
		if err != nil {
			t.Error(err)
		}
		return d
	}
	natstest.Eventually(t, "nothing waits", func() bool {
		d := page()
		return d != nil && d.Place != nil && d.Place.Pending == 0 && d.Place.Lag != nil && *d.Place.Lag == 0
	})
	publishFlows(t, js, 3)
	var d *status.Sink
	natstest.Eventually(t, "three messages wait, and grow old", func() bool {
		d = page()
		return d != nil && d.Place != nil && d.Place.Pending == 3 && d.Place.Lag != nil && *d.Place.Lag > time.Millisecond && d.Destination != ""
	})
	if p := d.Place; p.Consumer != "clickhouse" || p.Stream != "flows" || p.First != 1 || p.Last != 3 || p.Oldest != 1 || p.Filtered || p.MaxBytes != -1 ||
		p.MaxMessages != -1 || d.Instance != "rows-sink-a" || p.Replicas != 1 || time.Since(p.Time).Abs() > time.Minute || p.AckWait != time.Minute || p.Made.IsZero() || d.Schema != nil || d.NATS != "" || d.Reading != "" || d.Stored != 0 {
		t.Errorf("%+v, %+v", d, p)
	}
}

func TestASinkThatHasNotLookedAtItsDestinationDoesNotSayThatItFails(t *testing.T) {
	s := sink.New(newStream(t, natstest.Start(t)), sink.Options{Stream: "flows", Consumer: "clickhouse"}, nil, slog.New(slog.DiscardHandler))
	if d := (&page{sink: s}).document(t.Context()); d.Destination != "" || s.State().Checking != sink.NotChecked {
		t.Errorf("the page says %q, the sink %q", d.Destination, s.State().Checking)
	}
}
