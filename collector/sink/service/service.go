package service

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Names of the readiness checks.
const (
	checkNATS       = "nats"
	checkConsumer   = "consumer"
	checkClickHouse = "clickhouse"
	checkSchema     = "schema"
	checkRefused    = "refused"
	checkBlocks     = "blocks"
	checkRunning    = "running"
)

const (
	// readyInterval is how often readiness follows the sink's state.
	readyInterval = time.Second
	httpTime      = 2 * time.Second
)

// Run runs a sink until ctx ends. Instance is the name under which its page says whose it is, such as that of its pod; empty for none. An error
// means that it could not begin.
func Run(ctx context.Context, c *Config, instance string, log *slog.Logger) error {
	nc, err := connect.Dial("sink", c.NATS, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := connect.JetStream(nc, &c.NATS)
	if err != nil {
		return err
	}
	s := sink.New(js, c.options(), clickhouse.New(c.ClickHouse), log)
	ready := observe.NewReadiness(checkNATS, checkClickHouse)
	server, err := observe.Listen(c.HTTP, registry(s), ready, nil, nil, nil, log,
		observe.Page{Path: status.SinkPath, Handler: &page{sink: s, instance: instance, started: time.Now()}})
	if err != nil {
		return err
	}
	server.Serve()
	defer func() {
		ending, cancel := context.WithTimeout(context.Background(), httpTime)
		defer cancel()
		_ = server.Close(ending) // a scrape that is cut short does not matter
	}()
	log.Info("passing flows on", "version", observe.Version(), "stream", c.Stream, "consumer", c.Consumer, "to", c.ClickHouse.URL,
		"address", server.Address())
	var following sync.WaitGroup
	following.Go(func() { follow(ctx, s, ready) })
	s.Run(ctx)
	following.Wait()
	books := s.Books()
	log.Info("the books", "read", books.Read, "stored", books.Stored, "waiting", books.Waiting, "refused", books.Refused,
		"put off", books.PutOff, "given back", books.GivenBack)
	return nil
}

// follow has readiness say how the sink is.
func follow(ctx context.Context, s *sink.Sink, ready *observe.Readiness) {
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		show(s.State(), ready)
		select {
		case <-ctx.Done():
			ready.Set(checkRunning, false, "the sink is ending")
			return
		case <-ticker.C:
		}
	}
}

// show names each side that is not ready, and only that: how a consumer is cannot be told without NATS, and the tables not without
// ClickHouse.
func show(state sink.State, ready *observe.Readiness) {
	side := func(name string, told bool, wrong string) {
		if !told {
			ready.Leave(name)
			return
		}
		ready.Set(name, wrong == "", wrong)
	}
	destination := cmp.Or(state.Checking, state.Storing)
	side(checkNATS, true, state.NATS)
	side(checkConsumer, state.NATS == "", state.Reading)
	side(checkClickHouse, true, destination)
	side(checkSchema, state.Checking == "", state.Schema.Problem)
	blocks := cmp.Or(state.Noting, state.Fetching)
	side(checkBlocks, state.NATS == "" && blocks != "", blocks)
	side(checkRefused, state.Refusing != "", state.Refusing)
}
