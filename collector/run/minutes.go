package run

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/publish"
)

const (
	// lookAtMinutes is how often the clock is looked at.
	lookAtMinutes = 250 * time.Millisecond
	// minuteGrace is when after its end a minute is closed. Each worker has looked at its books by then, and does not yet for the second
	// time: see trafficInterval.
	minuteGrace = time.Second
)

// minutes publishes what was counted in each minute.
type minutes struct {
	publisher *publish.Minutes
	// before is what the collector itself had counted when the last minute was closed.
	before ledger.Minute
}

// publishMinutes prepares to publish the ledger's minutes, where the configuration asks for that.
func (k *Collector) publishMinutes(output config.Output, nc *nats.Conn) (err error) {
	if output.Ledger == config.LedgerMinutes {
		k.traffic.keepMinutes()
		k.minutes.publisher, err = publish.NewMinutes(output, k.config.Namespace+"/"+k.config.Name, k.named, nc)
	}
	return err
}

// keepMinutes closes each minute and publishes it, until ctx ends.
func (k *Collector) keepMinutes(ctx context.Context) {
	current := minuteOf(clock.Wall())
	tick := time.NewTicker(lookAtMinutes)
	defer tick.Stop()
	failed := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := minuteOf(clock.Wall().Add(-minuteGrace))
		if next.Equal(current) {
			continue
		}
		k.closeMinute(current)
		current = next // also where the clock was set back
		text := ""
		if err := k.minutes.publisher.Send(ctx); err != nil {
			text = err.Error()
			if text != failed {
				k.log.Warn("the ledger's minutes wait; trying again each minute", "error", err)
			}
		}
		failed = text
	}
}

// minuteOf is the minute that a time lies in.
func minuteOf(t time.Time) time.Time { return t.Truncate(time.Minute) }

// closeMinute puts what was counted since the last call among what is to be published, as that of a minute.
func (k *Collector) closeMinute(begin time.Time) {
	records := k.traffic.closeMinute()
	if own, any := k.minutes.since(k.ownMinute()); any {
		records = append(records, own)
	}
	k.minutes.publisher.Add(begin, records)
}

// endMinutes publishes what was counted last.
func (k *Collector) endMinutes(ctx context.Context) {
	k.closeMinute(minuteOf(clock.Wall()))
	err := k.minutes.publisher.Send(ctx)
	if dropped := k.minutes.publisher.Close(); dropped > 0 {
		k.log.Error("records of the ledger were lost at the end", "records", dropped, "error", err)
	}
}

// ownMinute is what cannot be told by exporter, since the collector began.
func (k *Collector) ownMinute() ledger.Minute {
	m := ledger.Minute{Kind: ledger.KindCollector, Exporter: ledger.NoExporter, RecordsDropped: make(map[string]uint64)}
	for _, l := range k.listeners {
		c := l.totals.Load()
		m.KernelDropped += c[ledger.DatagramsKernelDrops]
	}
	stats := k.publisher.Stats()
	for r, n := range stats.Dropped {
		m.RecordsDropped[publish.Reason(r).String()] = n
	}
	return m
}

// since is what now has more than was there when it was called last, and whether that is anything.
func (m *minutes) since(now ledger.Minute) (more ledger.Minute, any bool) {
	more = now
	more.KernelDropped -= m.before.KernelDropped
	more.RecordsDropped = make(map[string]uint64)
	for reason, n := range now.RecordsDropped {
		if n -= m.before.RecordsDropped[reason]; n > 0 {
			more.RecordsDropped[reason] = n
		}
	}
	m.before = now
	return more, more.KernelDropped > 0 || len(more.RecordsDropped) > 0
}

// minuteMetrics are those of what is published of the ledger.
func (k *Collector) minuteMetrics() observe.Minutes {
	if !k.begun.Load() {
		return observe.Minutes{}
	}
	s := k.minutes.publisher.Stats()
	return observe.Minutes{Published: s.Published, Waiting: s.Waiting,
		Dropped: map[string]uint64{"overflow": s.Overflowed, "refused": s.Refused, "shutdown": s.Ended}}
}
