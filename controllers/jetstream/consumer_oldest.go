package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	collector "github.com/flowfleet/flowfleet/collector/connect"
)

// FirstUnread is no later than the first message that is not acknowledged; first is the first one of the stream.
func (k *Consumer) FirstUnread(first uint64) uint64 {
	if k.AckPending == 0 {
		return max(k.Delivered+1, k.AckFloor+1, first)
	}
	return max(k.AckFloor+1, first)
}

// largestRead is the average size of messages above which none is read: that of the largest batch, with its headers.
const largestRead = 904 << 10

// findOldest looks at the oldest message that is not acknowledged.
func (c *Connection) findOldest(ctx context.Context, s jetstream.Stream, info *jetstream.ConsumerInfo, k *Consumer) error {
	if info.NumPending == 0 && info.NumAckPending == 0 {
		k.LagKnown = true
		return nil
	}
	state := &s.CachedInfo().State
	if state.Msgs > 0 && state.Bytes/state.Msgs > largestRead {
		return fmt.Errorf("the stream's messages are larger than %d KiB, and are not read", largestRead>>10)
	}
	filter := collector.FilterOf(&info.Config)
	if len(filter) == 0 {
		filter = []string{">"}
	}
	c.large = true
	defer func() { c.large = false }()
	for _, subject := range filter {
		m, err := request(ctx, c, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return s.GetMsg(ctx, k.FirstUnread(state.FirstSeq), jetstream.WithGetMsgSubject(subject))
		})
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			continue
		case err != nil:
			k.Oldest, k.Lag, k.LagKnown = 0, 0, false
			return fmt.Errorf("looking at the oldest unread message of consumer %s: %w", k.Name, err)
		}
		if !k.LagKnown || m.Sequence < k.Oldest {
			k.Oldest, k.Lag, k.LagKnown = m.Sequence, max(info.TimeStamp.Sub(m.Time), 0), true
		}
	}
	return nil
}
