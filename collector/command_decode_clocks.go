package main

import (
	"os"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// firstClocks keeps what each exporter said first of the time from which its uptimes count. What it said later holds from then on.
type firstClocks map[template.Key]template.Definition

func (c firstClocks) Learned(d template.Definition) {
	if _, known := c[d.Key]; !known {
		d.Stamp, d.Heard = 0, 0
		c[d.Key] = d
	}
}

// restore has store know them before anything is decoded.
func (c firstClocks) restore(store *boot.Store) {
	for _, d := range c {
		store.Restore(d, 0)
	}
}

// nowhere takes records that nobody asked for.
type nowhere struct{}

func (nowhere) Record(*flow.Record) {}

// clocksOf reads captures for what exporters say of their uptimes: options records come every few minutes, often behind the flows
// that need them. What cannot be read twice, such as a pipe, teaches nothing beforehand.
func clocksOf(paths []string, protocol config.Protocol, mode template.Mode, limits template.Limits, settings *decode.Settings) firstClocks {
	clocks := make(firstClocks)
	for _, path := range paths {
		if info, err := os.Stat(path); path == "-" || err == nil && !info.Mode().IsRegular() {
			return clocks
		}
	}
	reader := capture.NewReader(paths, nil)
	defer func() { _ = reader.Close() }() // it was only read
	var counts ledger.Counts
	var totals ledger.Totals
	decoder := decode.New(protocol, template.NewStore(mode, limits, &totals, nil), settings, &counts, nowhere{}, nil)
	shared := taught(mode, limits.Exporters, &totals)
	shared.Clocks.Observe(clocks)
	decoder.Share(shared)
	for {
		datagram, err := reader.Next()
		if err != nil {
			return clocks
		}
		now := datagram.Time.UnixNano()
		decoder.Decode(decode.Datagram{Payload: datagram.Payload, Source: datagram.Source, Received: now})
		decoder.Tick(now)
	}
}

// taught is what exporters teach beside templates, for one reading of the captures.
func taught(mode template.Mode, exporters int, totals *ledger.Totals) netflow.Shared {
	return netflow.Shared{
		Rates:  sampling.NewStore(mode, sampling.LimitsFor(exporters, 0), totals),
		Clocks: boot.NewStore(mode, exporters, 0),
		Names:  names.NewStore(names.LimitsFor(exporters), 0),
	}
}
