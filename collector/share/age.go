package share

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
)

// setServerTime notes what the server's clock shows. Ages go by it, so that a collector's own may be wrong, or be set; a server that
// does not say is taken for one whose clock is like this machine's.
func (b *Bucket) setServerTime(info *jetstream.StreamInfo) {
	at := info.TimeStamp
	if at.IsZero() {
		at = clock.Wall()
	}
	b.serverAhead.Store(at.UnixNano() - clock.Steady())
}

// serverTime is what the server's clock showed at a time of clock.Steady.
func (b *Bucket) serverTime(steady int64) time.Time {
	return time.Unix(0, steady+b.serverAhead.Load()).UTC()
}

// age is how long ago the server's clock showed a time, not less than 0.
func (b *Bucket) age(at time.Time) time.Duration {
	return max(0, b.serverTime(clock.Steady()).Sub(at))
}
