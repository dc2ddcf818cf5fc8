package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// sinkName is the FlowSink's.
const sinkName = "rows"

// batch is how the demo's fleet gathers flows into messages. The engine runs one insert at a time, and each message is nine of them: few and
// large messages are stored within the demo's time.
const batch = "{maxBytes: 900Ki, maxAge: 5s}"

// storing is how long the demo waits for further rows. How long it takes in all depends on who else uses the machine.
const storing = 2 * time.Minute

const topTalkers = `SELECT exporter_name AS exporter, in_if_name AS interface, formatReadableSize(sum(scaled_bytes)) AS volume
FROM flowfleet.flows WHERE in_if_name != '' GROUP BY exporter, interface
ORDER BY sum(scaled_bytes) DESC NULLS LAST, exporter LIMIT 10`

// store has a FlowSink store what is in the fleet's stream, from its beginning, and asks who talks most. Where that fails it says so: what the
// demo is about, the fleet, has been shown before.
func store(ctx context.Context, s *stage) error {
	path, lack := findEngine(s.cluster.OwnsNodes())
	if lack != "" {
		s.cluster.Say("%s", lack)
		return nil
	}
	e, err := theEngine()
	if err == nil {
		err = e.start(ctx, s.cluster, path)
	}
	if err == nil {
		err = storeRows(ctx, s, e)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if s.stored = err == nil; !s.stored {
		s.cluster.Say("%s", notStored(err, s.fleet.Namespace))
	}
	return nil
}

// notStored says why the flows of a fleet in a namespace are not in ClickHouse, and what to type.
func notStored(err error, namespace string) string {
	return fmt.Sprintf("Left out: flows in ClickHouse. %v\nTo see why: %s\n\"make demo\" tries again.", err,
		strings.ReplaceAll(seeSink, "NAMESPACE", namespace))
}

func storeRows(ctx context.Context, s *stage, e engine) error {
	if err := s.cluster.Apply(ctx, sinkManifest(s.fleet)); err != nil {
		return err
	}
	if _, err := s.cluster.Kubectl(ctx, "--namespace", s.fleet.Namespace, "wait", "--for=condition=Ready", "flowsink/"+sinkName, "--timeout=3m"); err != nil {
		return err
	}
	records, err := streamed(ctx, s.cluster, s.fleet)
	if err != nil {
		return fmt.Errorf("counting the stream's records: %w", err)
	}
	rows, err := awaitRows(ctx, storing, records, func() (uint64, error) {
		answer, err := e.ask(ctx, "SELECT count() FROM flowfleet.flows", "TabSeparated")
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(answer, 10, 64)
	}, s.cluster.Say)
	if err != nil {
		return err
	}
	table, err := e.ask(ctx, topTalkers, "PrettyCompact")
	if err == nil {
		fmt.Print(talkers(table, rows, records))
	}
	return err
}

// awaitRows waits until so many rows are stored as there are records, and says how many there are on the way. It gives up when no further
// row came for the patience given.
func awaitRows(ctx context.Context, patience time.Duration, records uint64, stored func() (uint64, error), say func(string, ...any)) (rows uint64, err error) {
	for told := time.Now(); ; {
		before := rows
		err := rig.Await(ctx, patience, func() error {
			now, err := stored()
			switch {
			case err != nil:
				return err
			case now <= before && now < records:
				return fmt.Errorf("%d rows are stored of %d records, and no more come", now, records)
			}
			rows = now
			return nil
		})
		if err != nil || rows >= records {
			return rows, err
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			say("%d rows of %d records", rows, records)
		}
		select {
		case <-ctx.Done():
			return rows, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// talkers is what the demo prints in the end.
func talkers(table string, rows, records uint64) string {
	return fmt.Sprintf("\n%s\n\n%s\n\nrecords in the stream %10d\nrows in ClickHouse    %10d\n", topTalkers, table, records, rows)
}

// sinkManifest is a FlowSink of a fleet.
func sinkManifest(f rig.Fleet) string {
	return fmt.Sprintf(`apiVersion: flowfleet.io/v1alpha1
kind: FlowSink
metadata: {name: %s, namespace: %s}
spec:
  from: {flowCollector: %s}
  clickHouse: {url: "http://%s", createTables: true}
`, sinkName, f.Namespace, f.Name, engineAddress)
}

// streamed counts the records in a fleet's stream.
func streamed(ctx context.Context, cluster *rig.Rig, f rig.Fleet) (uint64, error) {
	js, disconnect, err := cluster.JetStream(ctx, rig.NATSServers[0])
	if err != nil {
		return 0, err
	}
	defer disconnect()
	stream, err := js.Stream(ctx, f.Stream())
	if err != nil {
		return 0, err
	}
	return count(ctx, stream)
}

// count adds up how many records the messages of a stream say that they have, without their contents.
func count(ctx context.Context, stream jetstream.Stream) (records uint64, err error) {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return 0, err
	}
	for left := stream.CachedInfo().State.Msgs; left > 0; {
		got, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return 0, err
		}
		before := left
		for m := range got.Messages() {
			left--
			if n, err := strconv.ParseUint(m.Headers().Get(publish.HeaderCount), 10, 32); err == nil { // else it has no flows
				records += n
			}
		}
		if err := got.Error(); err != nil {
			return 0, err
		}
		if left == before {
			return 0, fmt.Errorf("%d messages did not come within 10 seconds", left)
		}
	}
	return records, nil
}
