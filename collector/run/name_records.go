package run

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/publish"
)

const (
	// takeNews is how many rows are taken at once: they wait in memory as messages, the others as numbers.
	takeNews = 1000
	// sendAgain is after how long changes of names are sent again that the stream did not take.
	sendAgain = time.Second
)

// publishNames prepares to publish changes of names, where the configuration asks for that.
func (k *Collector) publishNames(output config.Output, nc *nats.Conn) (err error) {
	if output.Names == config.NameRecordsChanges && k.names != nil {
		k.names.KeepNews()
		k.nameRecords, err = publish.NewNames(output, nc)
	}
	return err
}

// keepNameRecords publishes names that changed, until ctx ends. It begins when the bucket was read: what that has is no news.
func (k *Collector) keepNameRecords(ctx context.Context) {
	if k.bucket != nil {
		select {
		case <-ctx.Done():
			return
		case <-k.bucket.Loaded():
		case <-time.After(k.config.Templates.LoadTimeout.Std()):
		}
	}
	failed := ""
	for {
		text, pause := "", handNames
		if err := k.sendNameRecords(ctx); err != nil && ctx.Err() == nil {
			text, pause = err.Error(), sendAgain
			if text != failed {
				k.log.Warn("changes of names wait; trying again each second", "error", err)
			}
		}
		failed = text
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// sendNameRecords publishes all changes that there are.
func (k *Collector) sendNameRecords(ctx context.Context) error {
	for {
		if err := k.nameRecords.Send(ctx); err != nil {
			return err
		}
		news := k.names.News(takeNews)
		if len(news.Rows) == 0 {
			return nil
		}
		k.nameRecords.Add(linesOf(news, clock.Wall().UnixNano()))
	}
}

func linesOf(news names.News, now int64) (out [][]byte) {
	for i := range news.Rows {
		record := names.NewRecord(news.Scope, news.Table, &news.Rows[i], now)
		out = append(out, record.AppendLine(nil))
	}
	return out
}

// endNameRecords publishes what changed last.
func (k *Collector) endNameRecords(ctx context.Context) {
	err := k.sendNameRecords(ctx)
	if lost := k.nameRecords.Close(uint64(k.names.NewsWaiting())); lost > 0 {
		k.log.Error("changes of names were not published at the end; \"collector names show --json\" has them, if the bucket does",
			"records", lost, "error", err)
	}
}

// nameRecordMetrics are those of what is published of names.
func (k *Collector) nameRecordMetrics() observe.NameRecords {
	if !k.begun.Load() {
		return observe.NameRecords{}
	}
	s, lost := k.nameRecords.Stats(), k.names.NewsLost()
	lost["refused"], lost["shutdown"] = s.Refused, s.Ended
	return observe.NameRecords{Published: s.Published, Lost: lost, Waiting: uint64(max(s.Waiting+k.names.NewsWaiting(), 0))}
}
