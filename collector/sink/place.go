package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Place asks NATS where the consumer stands in its stream, and how old what it has not read is. It makes requests of its own, some of which
// a sink does not need else: what may not be asked is said in the place, or is the error.
func (s *Sink) Place(ctx context.Context) (*status.Place, error) {
	s.mu.Lock()
	consumer := s.consumer
	s.mu.Unlock()
	if consumer == nil {
		return nil, errors.New("there is no consumer yet")
	}
	// The stream comes first, as when the operator looks: one that keeps only what is not acknowledged begins behind where the consumer was a moment
	// ago, and what lies between would look as if it had been taken unread.
	stream, err := s.js.Stream(ctx, s.options.Stream)
	if err != nil {
		return nil, fmt.Errorf("asking stream %s: %w", s.options.Stream, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking consumer %s: %w", s.options.Consumer, err)
	}
	subjects := connect.FilterOf(&info.Config)
	state, limits := stream.CachedInfo().State, stream.CachedInfo().Config
	p := &status.Place{
		Stream: s.options.Stream, Consumer: s.options.Consumer, Time: info.TimeStamp, Replicas: limits.Replicas, ForReaders: limits.Retention != jetstream.LimitsPolicy, StreamMade: madeOf(stream, info), First: state.FirstSeq, Last: state.LastSeq, Bytes: state.Bytes,
		MaxAge: limits.MaxAge, MaxBytes: limit(limits.MaxBytes), MaxMessages: limit(limits.MaxMsgs),
		Subjects: subjects, Filtered: connect.LeavesOut(&info.Config, &limits), Start: info.Config.OptStartSeq, Made: info.Created, AckWait: info.Config.AckWait,
		Pending: info.NumPending, AckPending: uint64(max(info.NumAckPending, 0)), Redelivered: uint64(max(info.NumRedelivered, 0)),
		Delivered: info.Delivered.Stream, Deliveries: info.Delivered.Consumer, AckFloor: info.AckFloor.Stream,
	}
	if info.Delivered.Last != nil {
		p.LastRead = *info.Delivered.Last
	}
	if err := findOldest(ctx, stream, info, p); err != nil {
		p.Oldest, p.Lag, p.LagError = 0, nil, oneLine(err.Error())
	}
	return p, nil
}

// limit is -1 for none: the server says 0, too.
func limit(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// findOldest looks at the oldest message that is not acknowledged.
func findOldest(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo, p *status.Place) error {
	if p.Pending+p.AckPending == 0 {
		p.Lag = new(time.Duration)
		return nil
	}
	from := max(p.AckFloor+1, p.First)
	if p.AckPending == 0 {
		from = max(from, p.Delivered+1)
	}
	filter := connect.FilterOf(&info.Config)
	if len(filter) == 0 {
		filter = []string{">"}
	}
	for _, subject := range filter {
		m, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return fmt.Errorf("looking at the oldest message that is not acknowledged: %w", err)
		case p.Lag == nil || m.Sequence < p.Oldest:
			p.Oldest, p.Lag = m.Sequence, new(max(info.TimeStamp.Sub(m.Time), 0))
		}
	}
	return nil
}
