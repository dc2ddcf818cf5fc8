package boot

import (
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Devices that share address, domain and even the port say their times in turn. Nothing tells whose flow is whose: where two times in a
// row come back, each within an hour of another one in its place, they are disputed, and no flow takes any of them until none has come
// back for an hour. One that comes back alone is a clock that was set, and set back.

const (
	silence = int64(time.Hour)
	// retell is how often the bucket is told that a dispute goes on.
	retell = silence / 2
	// maxFormers bounds the times of one port that may come back.
	maxFormers = 16
)

// former is what a port said before, in milliseconds since 1970.
type former struct {
	initialized uint64
	heard       int64
}

// same reports whether two times, in milliseconds, mean the same.
func same(a, b uint64) bool { return a-b+wander <= 2*wander }

// say has a clock say another time, and remembers the one before, which may come back. It reports whether that begins a dispute.
func (c *clock) say(initialized uint64, now int64) (begins bool) {
	back := slices.ContainsFunc(c.formers, func(f former) bool { return same(f.initialized, initialized) && now-f.heard <= silence })
	inDispute := c.inDispute(now)
	if back && (c.returned || inDispute) {
		c.disputed, begins = now+silence, !inDispute
	}
	c.returned = back
	c.formers = slices.DeleteFunc(c.formers, func(f former) bool {
		return same(f.initialized, initialized) || same(f.initialized, c.initialized) || now-f.heard > silence
	})
	if len(c.formers) == maxFormers {
		c.formers = slices.Delete(c.formers, 0, 1)
	}
	c.formers = append(c.formers, former{c.initialized, c.heard})
	c.initialized = initialized
	return begins
}

// inDispute reports whether devices that share the port say different times.
func (c *clock) inDispute(now int64) bool { return now < c.disputed }

// late reports whether another time than c's was exported before c's began, in a message that was overtaken on its way.
func (c *clock) late(stamp template.Stamp, now int64) bool {
	at, began := stamp.Seconds(), c.first.Seconds()
	return at < began && began-at <= template.LateSeconds && now-c.since <= template.Overtaken
}
