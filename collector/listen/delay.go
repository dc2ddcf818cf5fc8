//go:build linux

package listen

import (
	"sync/atomic"
	"time"
)

// DelayBounds are the upper bounds of the buckets of Delays; what is above the last one has a bucket of its own.
var DelayBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, time.Second,
}

// Delays counts how long datagrams waited between the kernel and the worker. Any goroutine may use it.
type Delays struct {
	buckets [len(DelayBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Add counts a batch: each of its datagrams with the delay of the first, which waited the longest.
func (d *Delays) Add(b *Batch, n int, now time.Time) {
	received := b.received()
	if received == 0 {
		return
	}
	delay := max(0, time.Duration(now.UnixNano()-received)) // unless the clock was set back meanwhile
	i := 0
	for i < len(DelayBounds) && delay > DelayBounds[i] {
		i++
	}
	d.buckets[i].Add(uint64(n))
	d.sum.Add(int64(delay) * int64(n))
}

// Load returns the count of each bucket, and the sum of all delays.
func (d *Delays) Load() (buckets [len(DelayBounds) + 1]uint64, sum time.Duration) {
	for i := range d.buckets {
		buckets[i] = d.buckets[i].Load()
	}
	return buckets, time.Duration(d.sum.Load())
}
