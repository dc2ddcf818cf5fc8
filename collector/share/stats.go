package share

import (
	"slices"
	"sync/atomic"
	"time"
)

// Status says how a Bucket is.
type Status struct {
	Connected bool
	// Loaded: everything in the bucket was read once.
	Loaded bool
	// LastError is empty when the last attempt went well.
	LastError string
	// ReadError and WriteError are those of the last attempt to follow the bucket and to write to it; empty when it went well, or
	// there was none.
	ReadError, WriteError string
	// Differences between the bucket and the configuration that were left alone.
	Differences []string
	// Keys that the bucket is known to hold, up to maxKnown, and the bytes that all take there.
	Keys  int
	Bytes uint64
}

// Status of the bucket.
func (b *Bucket) Status() Status {
	// Not with mu held, for which workers wait: the library locks its own while it writes to a server that does not read.
	connected := b.nc.IsConnected()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Connected = connected
	s.Keys = len(b.known)
	s.Differences = slices.Clone(s.Differences)
	return s
}

type counters struct {
	writes, skipped, conflicts, errors, overflows, limited atomic.Uint64
	watchRestarts, relists, newer, invalid                 atomic.Uint64
	lag                                                    atomic.Int64
}

// Stats are the figures of a Bucket since it began.
type Stats struct {
	// Writes that the bucket took; Skipped ones it did not need; Conflicts with other writers; Errors; Overflows
	// of the queue; Limited ones, delayed because their exporter changes too often.
	Writes, Skipped, Conflicts, Errors, Overflows, Limited uint64
	// WatchRestarts and Relists of the watch; values Newer than this schema and Invalid ones, which are left alone.
	WatchRestarts, Relists, Newer, Invalid uint64
	// Queue is how many changes wait to be written.
	Queue int
	// Lag between a value's writing and its use here, of the last one.
	Lag time.Duration
}

// Stats so far.
func (b *Bucket) Stats() Stats {
	b.mu.Lock()
	queued := b.length()
	b.mu.Unlock()
	c := &b.stats
	return Stats{
		Writes: c.writes.Load(), Skipped: c.skipped.Load(), Conflicts: c.conflicts.Load(),
		Errors: c.errors.Load(), Overflows: c.overflows.Load(), Limited: c.limited.Load(),
		WatchRestarts: c.watchRestarts.Load(), Relists: c.relists.Load(), Newer: c.newer.Load(), Invalid: c.invalid.Load(),
		Queue: queued, Lag: time.Duration(c.lag.Load()),
	}
}
