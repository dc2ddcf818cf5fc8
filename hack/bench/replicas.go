package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

// runReplicas prints the processor time of nats-servers for streams of one and of three replicas, on file and in memory.
func runReplicas(collector, natsServer, directory string, duration time.Duration) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nreplicas\tstorage\trecords/s\tcollector, CPU us/record\tbusiest NATS server, CPU us/record\tall NATS servers, CPU us/record\tdropped\t")
	for _, servers := range []int{1, 3} {
		for _, storage := range []string{"File", "Memory"} {
			for _, rate := range []float64{50_000, 150_000} {
				if err := replicas(table, collector, natsServer, directory, servers, storage, rate, duration); err != nil {
					return fmt.Errorf("%d replicas, %s: %w", servers, storage, err)
				}
			}
		}
	}
	return table.Flush()
}

// replicas sends NetFlow v9 to one collector and adds a line to the table.
func replicas(table *tabwriter.Writer, collector, natsServer, directory string, servers int, storage string, rate float64, duration time.Duration) error {
	p, err := startPair(collector, directory, cluster(natsServer, servers),
		fmt.Sprintf("stream: {maxBytes: 1Gi, replicas: %d, storage: %s}", servers, storage))
	if err != nil {
		return err
	}
	defer p.stop()
	sender, err := newSender("netflow9", p.port, numExporters, maxRecords)
	if err != nil {
		return err
	}
	defer sender.close()
	collectorBefore, before := p.collector.cpu(), make([]time.Duration, servers)
	for i, s := range p.servers {
		before[i] = s.cpu()
	}
	records, datagrams, err := sender.send(rate, duration)
	if err != nil {
		return err
	}
	awaitRead(p.port)
	p.collector.awaitIdle(p.port)
	dropped := float64(drops(p.port)) / float64(datagrams)
	read := float64(records) * (1 - dropped)
	busiest, all := time.Duration(0), time.Duration(0)
	for i, s := range p.servers {
		took := s.cpu() - before[i]
		busiest, all = max(busiest, took), all+took
	}
	fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.3f%%\t\n", servers, storage, float64(records)/duration.Seconds(),
		float64((p.collector.cpu()-collectorBefore).Microseconds())/read, float64(busiest.Microseconds())/read, float64(all.Microseconds())/read, 100*dropped)
	return nil
}
