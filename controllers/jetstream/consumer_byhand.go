package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// bringBack undoes in the configuration of a consumer what no spec asks for and what costs its reader flows without a trace, by the names that NATS has
// for settings: a message that was given up, and one without content, count as acknowledged. Of a consumer that is not ours it tells.
func bringBack(p *plan, c *jetstream.ConsumerConfig) {
	for _, one := range []struct {
		is    bool
		what  string
		costs string
		undo  func()
	}{
		{c.MaxDeliver > 0, fmt.Sprintf("max_deliver is %d", c.MaxDeliver), "a message that is not acknowledged by then is given up, and nobody counts it",
			func() { c.MaxDeliver = -1 }},
		{c.HeadersOnly, "headers_only is set", "messages come without flows", func() { c.HeadersOnly = false }},
		{c.InactiveThreshold > 0, "inactive_threshold is " + c.InactiveThreshold.String(), "the server deletes the consumer when nobody reads for so long",
			func() { c.InactiveThreshold = 0 }},
		{len(c.BackOff) > 0, fmt.Sprintf("backoff is %v", c.BackOff), "it takes the place of ackWait", func() { c.BackOff = nil }},
	} {
		switch {
		case !one.is:
		case p.ours:
			p.change("%s, which somebody set, and is no more: %s", one.what, one.costs)
			one.undo()
		default:
			p.keep("%s: %s; the consumer was not made by Flowfleet and is never changed", one.what, one.costs)
		}
	}
}

// paused says until when a consumer delivers nothing; nothing where it does. Who pauses one means it: it stays so.
func paused(info *jetstream.ConsumerInfo) string {
	if !info.Paused || info.Config.PauseUntil == nil {
		return ""
	}
	return fmt.Sprintf("is paused until %s, and delivers nothing: to end that, type: nats consumer resume %s %s", info.Config.PauseUntil.UTC().Format(time.RFC3339),
		info.Stream, info.Name)
}
