package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

const (
	// sinkWorkers is the default of "collector sink".
	sinkWorkers = 4
	// sinkExporters of hack/flowgen, whose records each have an address of their own: the roll-ups have as much to do as they can have.
	sinkExporters = 60
	// sinkDatagrams a second, of 20 records, are more than the engine stores and fewer than a collector takes.
	sinkDatagrams = 8000
)

// programs that a measurement of sinks runs beside nats-server's.
type programs struct{ collector, nats, clickhouse, flowgen, library string }

// runSinks prints how many records a second go from a stream into ClickHouse's engine through "collector sink", and how many the engine takes
// without it: into all tables, and without the roll-ups. What the sink falls short of the second is its own.
func runSinks(collector, natsServer, library string, duration time.Duration) error {
	directory, err := os.MkdirTemp("", "flowfleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }() // the system's own clean-up takes what is left
	p := programs{collector, natsServer, filepath.Join(directory, "clickhouse"), filepath.Join(directory, "flowgen"), library}
	for _, program := range []string{p.clickhouse, p.flowgen} {
		if out, err := exec.Command("go", "build", "-trimpath", "-o", program, "./hack/"+filepath.Base(program)).CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", filepath.Base(program), err, out)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "batches of\trecords a batch\tinto\tM records/s\tsink, CPU us/record\tClickHouse, CPU us/record\tNATS server, CPU us/record\tsink's memory, MiB, at a third and at the end\t")
	for _, batch := range []string{"maxBytes: 64Ki", "maxBytes: 900Ki, maxAge: 2s"} {
		if err := p.measureSinks(table, directory, batch, duration); err != nil {
			return fmt.Errorf("batches with %s: %w", batch, err)
		}
	}
	return table.Flush()
}

func (p programs) measureSinks(table *tabwriter.Writer, directory, batch string, duration time.Duration) error {
	pair, err := startPair(p.collector, directory, cluster(p.nats, 1), "stream: {maxBytes: 2Gi}, batch: {"+batch+"}")
	if err != nil {
		return err
	}
	defer pair.stop()
	port := strconv.Itoa(pair.port)
	if out, err := exec.Command(p.flowgen, "send", "--target", "127.0.0.1", "--netflow-port", port, "--ipfix-port", port, "--sflow-port", port,
		"--exporters", strconv.Itoa(sinkExporters), "--records", "20", "--rate", strconv.Itoa(sinkDatagrams), "--duration", duration.String()).CombinedOutput(); err != nil {
		return fmt.Errorf("sending flows: %w: %s", err, out)
	}
	awaitRead(pair.port)
	time.Sleep(3 * time.Second) // the oldest batch is published by then
	pair.collector.stop()
	stream, err := openStream(pair.urls)
	if err != nil {
		return err
	}
	defer stream.close()
	if err := stream.read(); err != nil {
		return err
	}
	row := func(into string, t took) {
		per := func(d time.Duration) string {
			return fmt.Sprintf("%.2f", float64(d.Microseconds())/float64(stream.records))
		}
		ofSink, ofServer, memory := "", "", ""
		if t.memory[1] > 0 {
			ofSink, ofServer, memory = per(t.sink), per(t.server), fmt.Sprintf("%d, %d", t.memory[0]>>20, t.memory[1]>>20)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%.3f\t%s\t%s\t%s\t%s\t\n", batch, stream.records/len(stream.batches), into,
			float64(stream.records)/t.time.Seconds()/1e6, ofSink, per(t.engine), ofServer, memory)
	}
	for _, c := range []struct {
		into    string
		rollups bool
		measure func(e *engine) (took, error)
	}{
		{"all tables, through the sink", true, func(e *engine) (took, error) { return p.throughSink(e, pair, stream, directory) }},
		{"all tables, without a sink", true, func(e *engine) (took, error) { return e.store(stream) }},
		{"flows alone, without a sink", false, func(e *engine) (took, error) { return e.store(stream) }},
	} {
		e, err := p.startEngine(directory, c.rollups)
		if err != nil {
			return err
		}
		t, err := c.measure(e)
		if err == nil {
			err = e.expect(stream.records)
		}
		e.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", c.into, err)
		}
		row(c.into, t)
	}
	return nil
}

// took is what a measurement took: wall time, processor time of each process, and the sink's resident memory in bytes.
type took struct {
	time, sink, engine, server time.Duration
	memory                     [2]uint64
}

// stream is what a collector has published.
type stream struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	batches [][]byte
	records int
}

func openStream(urls []string) (*stream, error) {
	nc, err := nats.Connect(strings.Join(urls, ","))
	if err != nil {
		return nil, err
	}
	s := &stream{conn: nc}
	s.js, err = jetstream.New(nc)
	return s, err
}

func (s *stream) close() { s.conn.Close() }

// read keeps all batches.
func (s *stream) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	from, err := s.js.Stream(ctx, "flows")
	if err != nil {
		return err
	}
	consumer, err := from.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	for range from.CachedInfo().State.Msgs {
		m, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return fmt.Errorf("reading the stream: %w", err)
		}
		n, err := strconv.Atoi(m.Headers().Get(publish.HeaderCount))
		if err != nil {
			return fmt.Errorf("a message of the stream says no number of records: %w", err)
		}
		s.batches, s.records = append(s.batches, m.Data()), s.records+n
	}
	if s.records == 0 {
		return errors.New("the stream is empty")
	}
	return nil
}

// engine is ClickHouse's, in a process of its own, with the sink's tables.
type engine struct {
	*process
	client *clickhouse.Client
	url    string
}

func (p programs) startEngine(directory string, rollups bool) (*engine, error) {
	store, err := os.MkdirTemp(directory, "tables-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	e := &engine{url: "http://" + address}
	if e.process, err = start(p.clickhouse, "-library", p.library, "-store", store, "-address", address); err != nil {
		return nil, err
	}
	c := clickhouse.Config{URL: e.url, CreateTables: true, Timeout: config.Duration(time.Minute)}
	c.SetDefaults()
	e.client = clickhouse.New(c)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		schema, err := e.client.Check(context.Background())
		if err == nil && schema.Version == schema.Wanted {
			break
		}
		if time.Now().After(deadline) {
			e.stop()
			return nil, fmt.Errorf("making tables: %w; %s", err, schema.Problem)
		}
	}
	if rollups {
		return e, nil
	}
	// The view that fills flows from flows_raw stays.
	views, err := e.query("SELECT name FROM system.tables WHERE database = 'flowfleet' AND engine = 'MaterializedView' AND endsWith(name, '_from_flows')")
	if err == nil && views == "" {
		err = errors.New("no view fills a roll-up")
	}
	for _, view := range strings.Fields(views) {
		if err == nil {
			_, err = e.query("DROP VIEW flowfleet." + view)
		}
	}
	if err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *engine) query(statement string) (string, error) {
	response, err := http.Post(e.url, "text/plain", strings.NewReader(statement))
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	b, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", statement, b)
	}
	return string(bytes.TrimSpace(b)), err
}

// expect looks whether all records are there.
func (e *engine) expect(records int) error {
	got, err := e.query("SELECT count() FROM flowfleet.flows")
	if err == nil && got != strconv.Itoa(records) {
		err = fmt.Errorf("the table has %s of %d records", got, records)
	}
	return err
}

// store inserts all batches, as many at a time as a sink does.
func (e *engine) store(s *stream) (took, error) {
	before, began := e.cpu(), time.Now()
	var workers errgroup.Group
	var next atomic.Int64
	for range sinkWorkers {
		workers.Go(func() error {
			for i := next.Add(1) - 1; int(i) < len(s.batches); i = next.Add(1) - 1 {
				if err := e.client.Store(context.Background(), sink.Batch{Payload: s.batches[i], Token: strconv.FormatInt(i, 10)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := workers.Wait()
	return took{time: time.Since(began), engine: e.cpu() - before}, err
}

// throughSink runs a sink until it has stored the stream.
func (p programs) throughSink(e *engine, pair *pair, s *stream, directory string) (took, error) {
	file := filepath.Join(directory, "sink.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "nats: {urls: [%s]}\nclickhouse: {url: %q}\nworkers: %d\nhttp: {address: \"-\"}\nlog: {level: error}\n",
		strings.Join(pair.urls, ", "), e.url, sinkWorkers), 0o600); err != nil {
		return took{}, err
	}
	ofEngine, ofServer, began := e.cpu(), pair.servers[0].cpu(), time.Now()
	running, err := start(p.collector, "sink", "--config", file)
	if err != nil {
		return took{}, err
	}
	defer running.stop()
	var t took
	for deadline := time.Now().Add(20 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		info, err := s.waiting()
		if err == nil && t.memory[0] == 0 && 3*info.NumPending <= 2*uint64(len(s.batches)) {
			if t.memory[0], err = running.memory(); err != nil {
				return t, err
			}
		}
		if err == nil && info.NumPending == 0 && info.NumAckPending == 0 {
			break
		}
		if time.Now().After(deadline) {
			return t, fmt.Errorf("it has not stored the stream: %w", err)
		}
	}
	t.time, t.sink, t.engine, t.server = time.Since(began), running.cpu(), e.cpu()-ofEngine, pair.servers[0].cpu()-ofServer
	t.memory[1], err = running.memory()
	return t, err
}

// waiting asks the sink's consumer what it has not stored.
func (s *stream) waiting() (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	consumer, err := s.js.Consumer(ctx, "flows", "clickhouse")
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}
