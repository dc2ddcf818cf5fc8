// Command bench measures whole collectors on the loopback interface: how many records a second each takes from a paced
// sender while the kernel drops less than 0.1% of the datagrams, and what processor time a record costs it.
//
// Beside this collector it runs, where they are there, goflow2 (built from its module), nfcapd, sfcapd and nfacctd. All of
// them share the machine with the sender; the figures of one run compare with each other, not with those of other machines.
//
// With -size it measures what a record and an idle collector cost, which "collector size" reckons with.
//
// With -sink it measures how fast a stream goes into ClickHouse.
//
// With -bursts it measures what share of bursts the kernel drops where a socket has the receive buffer that nodes grant by default.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	collector := flag.String("collector", "bin/collector", "this collector's binary")
	protocols := flag.String("protocols", "netflow9,ipfix,sflow", "what to send")
	only := flag.String("only", "", "measure only subjects whose names contain this")
	duration := flag.Duration("duration", 2*time.Second, "how long each rate is tried")
	bursts := flag.String("bursts", "", "measure the loss of bursts at default receive buffers instead: their lengths in datagrams, such as 100,1000")
	rates := flag.String("rates", "20000,50000,100000", "with -bursts: datagrams a second")
	exporters := flag.String("exporters", "1,20", "with -bursts: how many exporters send each")
	size := flag.Bool("size", false, "measure what \"collector size\" reckons with instead")
	sinks := flag.String("sink", "", "measure \"collector sink\" with ClickHouse's engine instead: the path of libchdb.so")
	natsServer := flag.String("nats-server", "", "with -sink, and with -size to measure what replicas of the stream cost: nats-server's binary")
	rest := flag.Duration("rest", time.Minute, "with -size: how long a collector is watched that nobody sends to")
	runs := flag.Int("runs", 3, "with -bursts: how often each is measured")
	flag.Parse()
	var err error
	switch {
	case *size:
		err = runSizing(*collector, *natsServer, strings.Split(*protocols, ","), *duration, *rest)
	case *sinks != "":
		err = runSinks(*collector, *natsServer, *sinks, *duration)
	case *bursts != "":
		err = runBursts(*collector, *only, *bursts, *rates, *exporters, *runs)
	default:
		err = run(*collector, strings.Split(*protocols, ","), *only, *duration)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(collector string, protocols []string, only string, duration time.Duration) error {
	directory, err := os.MkdirTemp("", "flowfleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }() // the system's own clean-up takes what is left
	subjects, notes := findSubjects(collector, directory, sizes{buffer: receiveBuffer, sockets: 1})
	for _, note := range notes {
		fmt.Fprintln(os.Stderr, note)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "protocol\tcollector\tM records/s\tCPU us/record\tloss\t")
	for _, protocol := range protocols {
		for _, s := range subjects {
			if !strings.Contains(s.name, only) || s.start[protocol] == nil {
				continue
			}
			best, err := measure(s, protocol, duration)
			if err != nil {
				return fmt.Errorf("%s with %s: %w", s.name, protocol, err)
			}
			fmt.Fprintf(os.Stderr, "%s %s: %.2f M records/s, %.2f us\n", protocol, s.name, best.rate/1e6, best.cpu)
			fmt.Fprintf(table, "%s\t%s\t%.2f\t%.2f\t%.3f%%\t\n", protocol, s.name, best.rate/1e6, best.cpu, 100*best.loss)
		}
	}
	return table.Flush()
}

// result of one rate.
type result struct {
	rate float64 // records a second, from the first datagram sent to the last one read
	cpu  float64 // microseconds a record
	loss float64 // share of the datagrams that were dropped
}

// allowedLoss is what counts as keeping up.
const allowedLoss = 0.001

// measure looks for the highest rate that a subject takes: doubled until it does not keep up, then by halves in between.
func measure(s subject, protocol string, duration time.Duration) (best result, err error) {
	low, high := 0.0, 0.0
	for rate := 100_000.0; high == 0 || high/low > 1.1; {
		got, err := try(s, protocol, rate, duration)
		if err != nil {
			return best, err
		}
		// A sender that could not send faster has found the end as well.
		if got.loss < allowedLoss && got.rate > 0.9*rate {
			low, best = rate, got
		} else {
			if got.loss < allowedLoss && got.rate > best.rate {
				best = got
			}
			high = rate
		}
		switch {
		case high == 0:
			rate *= 2
		case low == 0:
			if rate /= 2; rate < 1000 {
				return best, nil
			}
		default:
			rate = (low + high) / 2
		}
	}
	return best, nil
}

// try starts the subject anew and sends to it at one rate.
func try(s subject, protocol string, rate float64, duration time.Duration) (result, error) {
	port, err := freePort()
	if err != nil {
		return result{}, err
	}
	p, err := s.start[protocol](port)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	if err := p.awaitPort(port); err != nil {
		return result{}, err
	}
	time.Sleep(300 * time.Millisecond) // some bind first and set up afterwards
	sender, err := newSender(protocol, port, numExporters, maxRecords)
	if err != nil {
		return result{}, err
	}
	defer sender.close()
	cpuBefore, dropsBefore := p.cpu(), drops(port)
	began := time.Now()
	records, datagrams, err := sender.send(rate, duration)
	if err != nil {
		return result{}, err
	}
	// What the receive buffer took on top is worked off afterwards: that counts, or short runs would flatter.
	took := awaitRead(port).Sub(began)
	p.awaitIdle(port)
	return result{
		rate: float64(records) / took.Seconds(),
		cpu:  float64((p.cpu() - cpuBefore).Microseconds()) / float64(records),
		loss: float64(drops(port)-dropsBefore) / float64(datagrams),
	}, nil
}
