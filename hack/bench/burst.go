package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	// defaultBuffer is what a socket may ask for on a node whose net.core.rmem_max nobody has raised.
	defaultBuffer = 208 << 10
	// manySockets is how many the collector has for each worker by itself on such a node. They are asked for here, and so is the size
	// of each: this command runs where it may have more.
	manySockets = 32
	// between two bursts, and how many there are in a run.
	burstPause = 300 * time.Millisecond
	burstCount = 5
)

// runBursts prints what share of bursts of NetFlow v9 each subject loses: the median of some runs, and the least and the most.
func runBursts(collector, only, bursts, rates, exporters string, runs int) error {
	directory, err := os.MkdirTemp("", "flowfleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }() // the system's own clean-up takes what is left
	var lists [3][]int
	for i, text := range []string{bursts, rates, exporters} {
		if lists[i], err = numbers(text); err != nil {
			return err
		}
	}
	subjects, notes := findSubjects(collector, directory, sizes{buffer: defaultBuffer, sockets: manySockets})
	for _, note := range notes {
		fmt.Fprintln(os.Stderr, note)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "burst\tdatagrams/s\tsent at\texporters\tcollector\tlost, median\tleast\tmost\t")
	for _, burst := range lists[0] {
		for _, rate := range lists[1] {
			for _, n := range lists[2] {
				for _, s := range subjects {
					if !strings.Contains(s.name, only) || s.start["netflow9"] == nil {
						continue
					}
					losses, reached := make([]float64, runs), make([]float64, runs)
					for i := range runs {
						if losses[i], reached[i], err = tryBursts(s, burst, float64(rate), n); err != nil {
							return fmt.Errorf("%s: %w", s.name, err)
						}
					}
					slices.Sort(losses)
					slices.Sort(reached)
					fmt.Fprintf(table, "%d\t%d\t%.0f\t%d\t%s\t%.2f%%\t%.2f%%\t%.2f%%\t\n", burst, rate, reached[runs/2], n, s.name,
						100*losses[runs/2], 100*losses[0], 100*losses[runs-1])
				}
				if err := table.Flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tryBursts starts the subject anew, sends some bursts, and returns the share of the datagrams that the kernel dropped, and the rate
// that the sender reached within them.
func tryBursts(s subject, burst int, rate float64, exporters int) (loss, reached float64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	p, err := s.start["netflow9"](port)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	if err := p.awaitPort(port); err != nil {
		return 0, 0, err
	}
	time.Sleep(burstPause) // some bind first and set up afterwards
	sender, err := newSender("netflow9", port, exporters, maxRecords)
	if err != nil {
		return 0, 0, err
	}
	defer sender.close()
	if err := sender.teach(templates("netflow9")); err != nil {
		return 0, 0, err
	}
	time.Sleep(burstPause)
	before, took := drops(port), time.Duration(0)
	for range burstCount {
		during, err := sender.burst(burst, rate)
		if err != nil {
			return 0, 0, err
		}
		took += during
		time.Sleep(burstPause)
	}
	return float64(drops(port)-before) / float64(burstCount*burst), float64(burstCount*burst) / took.Seconds(), nil
}

func numbers(text string) (out []int, err error) {
	for _, one := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number from 1", one)
		}
		out = append(out, n)
	}
	return out, nil
}
