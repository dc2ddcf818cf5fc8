package judge

import (
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// streamReplaced reports whether the stream is another one than at the look before. The status has times in seconds; one of an earlier
// version has none, and nothing follows from it.
func streamReplaced(before, next *v1alpha1.ConsumerStatus, s *jetstream.Consumers) bool {
	was := before.Position.StreamCreated
	return !was.IsZero() && !s.StreamMade.IsZero() && (was.Unix() != s.StreamMade.Unix() || numbersBegunAnew(before, next, s))
}

// numbersBegunAnew reports whether the stream has not even taken what the consumer had before it at the look before. A NATS cluster remembers
// when a stream was made. So a server that lost its volume comes back with its streams of one copy empty, as old as before, and with numbers
// that begin with 1. A stream of several copies is left out: one that has just become their leader may not have all of it in its count yet.
//
// A consumer is looked at after its stream, and one look may be judged more than once: what the consumer is past now, the stream has taken, too.
func numbersBegunAnew(before, next *v1alpha1.ConsumerStatus, s *jetstream.Consumers) bool {
	return s.Replicas == 1 && max(signed(s.Last), reached(next)) < reached(before)
}

// reached is the last message that the stream had taken, as far as the place of a consumer tells. One that was made to begin beyond the end of
// the stream stands there, and tells nothing.
func reached(c *v1alpha1.ConsumerStatus) int64 {
	p := &c.Position
	n := max(p.First-1, p.Oldest) // an empty stream's first is the one that comes next
	if p.Deliveries == 0 && c.Pending == 0 {
		return n
	}
	return max(n, p.AckFloor, plus(p.Delivered, c.Pending))
}

// noteReplaced notes that the stream of the look before is gone, with all that was in it. What was unread then may have been read before
// the stream went, and more may have come: lost has none of it, and is no more than the least.
func noteReplaced(next, before *v1alpha1.ConsumerStatus, at time.Time) {
	next.LostAtLeast = true
	if unread := plus(before.Pending, before.AckPending); unread > 0 {
		next.MayBeLost = plus(next.MayBeLost, unread)
		next.MayBeLostTime = new(seconds(at))
	}
}

// mayBeLost says what is not known to be read.
func mayBeLost(s *v1alpha1.ConsumerStatus) string {
	return fmt.Sprintf("made at %s or come back empty since: %d messages of the former one were not acknowledged when last looked at; whether they were read "+
		"before it went is not known, nor how many came after; find out who deletes streams, or which NATS server lost its volume; "+
		"this is told for an hour", s.Position.StreamCreated.UTC().Format(time.RFC3339), s.MayBeLost)
}

// stillTold reports whether a loss of a time is still to be told.
func stillTold(lost *metav1.Time, now time.Time) bool {
	return lost != nil && now.Sub(lost.Time) < readerLossTold
}

// plus adds two counts, up to the largest.
func plus(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }
