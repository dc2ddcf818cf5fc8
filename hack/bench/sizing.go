package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
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
func runSizing(collector, natsServer string, protocols []string, duration, rest time.Duration) error {
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
	if natsServer != "" {
		if err := runReplicas(collector, natsServer, directory, duration); err != nil {
			return err
		}
	}
	return atRest(collector, directory, rest)
}

// sizing sends one load and adds a line to the table.
func sizing(table *tabwriter.Writer, collector, directory, protocol string, l load, duration time.Duration) error {
	p, err := startPair(collector, directory, embedded(collector), "stream: {maxBytes: 2Gi}")
	if err != nil {
		return err
	}
	defer p.stop()
	sender, err := newSender(protocol, p.port, numExporters, l.records)
	if err != nil {
		return err
	}
	defer sender.close()
	collectorBefore, serverBefore := p.collector.cpu(), p.servers[0].cpu()
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
		float64((p.servers[0].cpu()-serverBefore).Microseconds())/read, float64(stored)/read, 100*float64(dropped)/float64(datagrams))
	return nil
}

// atRest prints what a collector takes while nobody sends.
func atRest(collector, directory string, during time.Duration) error {
	p, err := startPair(collector, directory, embedded(collector), "stream: {maxBytes: 2Gi}")
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
