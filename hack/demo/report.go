package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/publish"
)

// report prints the table and returns an error where something was lost. before are b's figures when it was killed, after
// those when it had decoded its first data again.
func report(ctx context.Context, a, b *process, before, after figures, sent float64) error {
	for _, p := range []*process{a, b} {
		if err := p.rest(ctx); err != nil {
			return err
		}
	}
	ofA, err := a.read()
	if err != nil {
		return err
	}
	ofB, err := b.read()
	if err != nil {
		return err
	}
	stored, err := countStream(ctx, a.nats)
	if err != nil {
		return err
	}
	fmt.Println()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "collector\tdatagrams\tflows\ttemplates restored\tsets undecoded\t")
	var total figures
	for _, row := range []struct {
		name string
		figures
	}{{"a", ofA}, {"b, until killed", before}, {"b, started again", ofB}} {
		undecoded := row.expired + row.dropped
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t\n", row.name, row.datagrams, row.records, row.restored, undecoded)
		total.datagrams += row.datagrams
		total.records += row.records
		total.dropped += undecoded + row.refused + row.kernelDrops
	}
	fmt.Fprintf(table, "sent by exporters\t%.0f\t\t\t\t\n", sent)
	fmt.Fprintf(table, "stored on JetStream\t\t%.0f\t\t\t\n", stored)
	lost := (sent - total.datagrams) + (total.records - stored) + total.dropped
	fmt.Fprintf(table, "lost\t%.0f\t%.0f\t\t%.0f\t\n", sent-total.datagrams, total.records-stored, total.dropped)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Println()
	switch {
	case lost != 0 || sent != total.datagrams || total.records != stored:
		return errors.New("something was lost: see the table")
	case total.records == 0 || after.records == 0:
		return errors.New("no flows came: do the exporters see the traffic?")
	case after.held != 0 || after.restored == 0:
		return fmt.Errorf("collector b had to wait for templates after its restart: %.0f sets", after.held)
	}
	fmt.Printf("%.0f templates restored, lost: 0. Everything was stopped and removed.\n", after.restored)
	return nil
}

// countStream sums the records of the messages in the stream.
func countStream(ctx context.Context, server string) (records float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	nc, err := nats.Connect(server)
	if err != nil {
		return 0, fmt.Errorf("counting the stream: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, "flows")
	if err != nil {
		return 0, fmt.Errorf("counting the stream: %w", err)
	}
	state := stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if err != nil {
			return 0, fmt.Errorf("counting the stream: %w", err)
		}
		n, err := strconv.Atoi(m.Header.Get(publish.HeaderCount))
		if err != nil {
			return 0, fmt.Errorf("counting the stream: message %d: %w", sequence, err)
		}
		records += float64(n)
	}
	return records, nil
}
