package publish

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/flowfleet/flowfleet/collector/config"
)

// writer writes batches one after the other; without a destination it counts them as published.
type writer struct {
	log    *slog.Logger
	out    io.Writer
	closer io.Closer

	mu      sync.Mutex
	pool    batches
	stats   Stats
	failing error
}

func newWriter(c config.Output, out io.Writer, closer io.Closer, log *slog.Logger) *writer {
	return &writer{log: log, out: out, closer: closer, pool: batches{size: int(c.Batch.MaxBytes), keep: 64}}
}

func (w *writer) Get() *Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pool.get()
}

func (w *writer) Submit(b *Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.pool.put(b)
	w.stats.Submitted += uint64(b.Records)
	if w.out != nil {
		if _, err := w.out.Write(b.Buffer); err != nil {
			w.stats.Dropped[DroppedWrite] += uint64(b.Records)
			w.stats.Failures++
			if w.failing == nil {
				w.log.Error("cannot write flows; they are dropped until it works again", "error", err)
			}
			w.failing = err
			return
		}
		if w.failing != nil {
			w.log.Info("flows are written again")
			w.failing = nil
		}
	}
	w.stats.Published += uint64(b.Records)
	w.stats.Batches++
	w.stats.Bytes += uint64(b.size())
}

// StopWaiting does nothing: a writer never waits.
func (w *writer) StopWaiting() {}

func (w *writer) Close(context.Context) error {
	if w.closer == nil {
		return nil
	}
	if err := w.closer.Close(); err != nil {
		return fmt.Errorf("closing the output: %w", err)
	}
	return nil
}

func (w *writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *writer) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	status := Status{Connected: true, StreamReady: true}
	if w.failing != nil {
		status.LastError = w.failing.Error()
	}
	return status
}
