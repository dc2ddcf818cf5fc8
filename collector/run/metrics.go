package run

import (
	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/listen"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// source gives the metrics. The server answers before everything is made: what is not there yet is left out.
func (k *Collector) source() observe.Source {
	s := observe.Source{
		Listeners:          k.listenerMetrics,
		Shared:             k.shared.Load,
		Memory:             k.memoryMetrics,
		Account:            k.account,
		Store:              k.storeMetrics,
		Output:             k.outputMetrics,
		Captures:           k.captureMetrics,
		RefusedConnections: func() uint64 { return k.http.Refused() },
	}
	if len(k.config.Decoding.Names) > 0 {
		s.Names = k.namesMetrics
	}
	if k.config.Output.Names == config.NameRecordsChanges {
		s.NameRecords = k.nameRecordMetrics
	}
	if k.config.Output.Ledger == config.LedgerMinutes {
		s.Minutes = k.minuteMetrics
	}
	if k.config.Templates.Disabled {
		s.Store = nil // a bucket that nobody wants is not one that cannot be reached
	}
	return s
}

func (k *Collector) listenerMetrics() []observe.Listener {
	if !k.begun.Load() {
		return nil
	}
	out := make([]observe.Listener, 0, len(k.listeners))
	for _, l := range k.listeners {
		held := int64(0)
		for _, w := range l.workers {
			held += w.heldBytes.Load()
		}
		counts, levels := l.totals.LoadWith()
		out = append(out, observe.Listener{Name: l.config.Name, Counts: counts, Levels: levels, HeldBytes: int(held),
			Delays: delays(&l.delays)})
	}
	return out
}

// delays are the receive delays as Prometheus counts them: each bucket with those below it.
func delays(d *listen.Delays) observe.Histogram {
	buckets, sum := d.Load()
	h := observe.Histogram{Sum: sum.Seconds(), Buckets: make(map[float64]uint64, len(listen.DelayBounds))}
	for i, n := range buckets {
		h.Count += n
		if i < len(listen.DelayBounds) {
			h.Buckets[listen.DelayBounds[i].Seconds()] = h.Count
		}
	}
	return h
}

func (k *Collector) memoryMetrics() (m observe.Memory) {
	if k.begun.Load() {
		m.Exporters, m.Templates = k.store.Size()
		m.SamplingRates = k.rates.Size()
	}
	return m
}

func (k *Collector) captureMetrics() observe.Captures { return observe.Captures(k.tap.Stats()) }

func (k *Collector) namesMetrics() observe.Names {
	if !k.begun.Load() {
		return observe.Names{}
	}
	rows, coverage := k.names.Count(), k.names.Coverage()
	m := observe.Names{Rows: make(map[string]int), Named: make(map[string]uint64), Unnamed: make(map[string]uint64), Refused: k.names.Refused()}
	for _, t := range names.Tables {
		m.Rows[t.String()] = rows[t]
	}
	for _, t := range names.Joined {
		m.Named[t.String()], m.Unnamed[t.String()] = coverage.Named[t], coverage.Unnamed[t]
	}
	_, m.Bytes = k.names.Size()
	m.Evicted = k.names.Evicted()
	return m
}

func (k *Collector) storeMetrics() observe.Store {
	if !k.begun.Load() || k.bucket == nil {
		return observe.Store{}
	}
	status, stats := k.bucket.Status(), k.bucket.Stats()
	return observe.Store{
		Connected: status.Connected, Loaded: status.Loaded, Keys: status.Keys, Bytes: status.Bytes, Queue: stats.Queue,
		Writes: stats.Writes, Skipped: stats.Skipped, Conflicts: stats.Conflicts,
		Errors: stats.Errors, Overflows: stats.Overflows, Limited: stats.Limited,
		WatchRestarts: stats.WatchRestarts, Relists: stats.Relists, Newer: stats.Newer, Invalid: stats.Invalid,
		LagSeconds: stats.Lag.Seconds(),
	}
}

func (k *Collector) outputMetrics() observe.Output {
	if !k.begun.Load() {
		return observe.Output{}
	}
	status, stats := k.publisher.Status(), k.publisher.Stats()
	waiting := stats.Waiting
	for _, l := range k.listeners {
		_, levels := l.totals.LoadWith()
		waiting += uint64(levels.Open)
	}
	out := observe.Output{
		Connected: status.Connected, StreamReady: status.StreamReady, Recovered: stats.Recovered,
		Published: stats.Published, Waiting: waiting, Spooled: stats.Spooled,
		Dropped: make(map[string]uint64), Batches: stats.Batches, Bytes: stats.Bytes, Retries: stats.Retries,
		Failures: stats.Failures, Duplicates: stats.Duplicates, Unverified: stats.Unverified, BufferBytes: stats.BufferBytes,
		InFlightBytes: stats.InFlightBytes,
	}
	if status.Spool {
		out.Spool = &observe.Spool{Usable: status.SpoolError == "", Bytes: stats.Spool.Bytes, Batches: stats.Spool.Batches,
			Errors: make(map[string]uint64), DiscardedBytes: stats.Spool.DiscardedBytes}
		for f, n := range stats.Spool.Errors {
			out.Spool.Errors[publish.SpoolFault(f).String()] = n
		}
	}
	for r := range stats.Dropped {
		out.Dropped[publish.Reason(r).String()] = stats.Dropped[r]
	}
	return out
}

// account is the ledger as it stands.
func (k *Collector) account() ledger.Account {
	a := ledger.Account{Instance: k.named, Time: clock.Wall()}
	if !k.begun.Load() {
		return a
	}
	for _, l := range k.listeners {
		counts, levels := l.totals.LoadWith()
		a.Listeners = append(a.Listeners, ledger.NewListener(l.config.Name, &counts, levels))
	}
	stats := k.publisher.Stats()
	a.Output = ledger.Output{Received: stats.Submitted, Recovered: stats.Recovered, Published: stats.Published,
		Waiting: stats.Waiting, Spooled: stats.Spooled, Dropped: make(map[string]uint64)}
	for r, n := range stats.Dropped {
		if n > 0 {
			a.Output.Dropped[publish.Reason(r).String()] = n
		}
	}
	a.Exporters, a.Streams, a.StreamsLeftOut = k.traffic.account()
	return a
}
