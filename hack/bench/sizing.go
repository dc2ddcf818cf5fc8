package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// load is what a sizing sends: records a second, and at most so many in a datagram. The rates are such that two busy cores take them: a
// sizing measures what a record costs, not how many there can be.
type load struct {
	rate    float64
	records int
}

// loads are of a collector with little to do and one with much, and of exporters that have few flows to tell at a time.
var loads = []load{{50_000, maxRecords}, {300_000, maxRecords}, {50_000, 4}}

// runSizing prints what "collector size" reckons with: the processor time that a record costs the collector and the NATS server, each in
// a process of its own, the bytes that it takes in the stream, and what a collector takes that nobody sends to.
func runSizing(collector string, protocols []string, duration, rest time.Duration) error {
	directory, err := os.MkdirTemp("", "flowfleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }() // the system's own clean-up takes what is left
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "protocol\trecords/s\trecords a datagram\tcollector, CPU us/record\tNATS server, CPU us/record\tbytes a record in the stream\tdropped\t")
	for _, protocol := range protocols {
		for _, l := range loads {
			if err := sizing(table, collector, directory, protocol, l, duration); err != nil {
				return fmt.Errorf("%s: %w", protocol, err)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return atRest(collector, directory, rest)
}

// sizing sends one load and adds a line to the table.
func sizing(table *tabwriter.Writer, collector, directory, protocol string, l load, duration time.Duration) error {
	p, err := startPair(collector, directory)
	if err != nil {
		return err
	}
	defer p.stop()
	sender, err := newSender(protocol, p.port, numExporters, l.records)
	if err != nil {
		return err
	}
	defer sender.close()
	collectorBefore, serverBefore := p.collector.cpu(), p.server.cpu()
	records, datagrams, err := sender.send(l.rate, duration)
	if err != nil {
		return err
	}
	awaitRead(p.port)
	p.collector.awaitIdle(p.port)
	dropped := drops(p.port)
	read := float64(records) * (1 - float64(dropped)/float64(datagrams))
	stored, err := p.stored()
	if err != nil {
		return err
	}
	fmt.Fprintf(table, "%s\t%.0f\t%d\t%.2f\t%.2f\t%.0f\t%.3f%%\t\n", protocol, float64(records)/duration.Seconds(), sender.records,
		float64((p.collector.cpu()-collectorBefore).Microseconds())/read,
		float64((p.server.cpu()-serverBefore).Microseconds())/read, float64(stored)/read, 100*float64(dropped)/float64(datagrams))
	return nil
}

// atRest prints what a collector takes while nobody sends.
func atRest(collector, directory string, during time.Duration) error {
	p, err := startPair(collector, directory)
	if err != nil {
		return err
	}
	defer p.stop()
	p.collector.awaitIdle(p.port)
	before := p.collector.cpu()
	time.Sleep(during)
	cpu := p.collector.cpu() - before
	memory, err := p.collector.memory()
	if err != nil {
		return err
	}
	fmt.Printf("\nat rest, over %s: %.1f ms of CPU a second, %d MiB of memory\n", during, float64(cpu.Milliseconds())/during.Seconds(), memory>>20)
	return nil
}

// pair is a collector and the NATS server that it publishes to, which is another collector's, so that the time of each is told apart.
type pair struct {
	server, collector *process
	port              int // of the collector's listener
	url               string
}

func startPair(binary, directory string) (*pair, error) {
	p := &pair{}
	var unused int
	for _, port := range []*int{&p.port, &unused} {
		var err error
		if *port, err = freePort(); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p.url = "nats://" + address
	store, err := os.MkdirTemp(directory, "nats-")
	if err != nil {
		return nil, err
	}
	run := func(name, rest string, port int) (*process, error) {
		file := filepath.Join(store, name+".yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, "listeners: [{name: bench, address: \"127.0.0.1:%d\", workers: 1, sockets: 1}]\n"+
			"http: {address: \"-\"}\nlog: {level: error}\ndrainTime: 100ms\n%s", port, rest), 0o600); err != nil {
			return nil, err
		}
		return start(binary, "run", "--config", file)
	}
	if p.server, err = run("server", fmt.Sprintf("nats: {embedded: {address: %q, storeDir: %q}}\ntemplateStore: {bucket: another}\n"+
		"output: {stream: {name: another, subjects: [another.>], maxBytes: 16Mi}, subject: another.flows}\n", address, store), unused); err != nil {
		return nil, err
	}
	if err := p.server.awaitPort(unused); err != nil {
		p.server.stop()
		return nil, err
	}
	p.collector, err = run("collector", fmt.Sprintf("nats: {urls: [%q]}\noutput: {stream: {maxBytes: 2Gi}, buffer: {policy: block}}\n", p.url), p.port)
	if err != nil {
		p.server.stop()
		return nil, err
	}
	if err := p.collector.awaitPort(p.port); err != nil {
		p.stop()
		return nil, err
	}
	if _, err := p.stored(); err != nil { // the stream is made by now
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) stop() {
	p.collector.stop()
	p.server.stop()
}

// stored is how many bytes the stream has, once it is there.
func (p *pair) stored() (uint64, error) {
	nc, err := nats.Connect(p.url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		stream, err := js.Stream(ctx, "flows")
		if err == nil {
			return stream.CachedInfo().State.Bytes, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("looking for the collector's stream: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// freeAddress is one of TCP that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // it was only asked for its number
	return l.Addr().String(), nil
}

// memory is the process's resident memory in bytes.
func (p *process) memory() (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of %s: %w", p.command.Path, err)
	}
	_, text, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.ParseUint(strings.Fields(text + " 0")[0], 10, 64)
	return kib << 10, err
}
