package judge

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// lookSlack is more than the time between two looks that went well: a reader that has not read for longer than that and its ackWait had
// nothing to acknowledge in time since the look before.
const lookSlack = time.Minute

// takenUnread counts the messages that the stream has taken since the look before, though no reader had acknowledged them. atLeast says that it may be more.
//
// Sequences without gaps make it exact while nobody reads: what lies between the place of the reader and the first message is gone. What was
// delivered meanwhile is not told from what was delivered again, and where other subjects lie in between, their messages count as well: then
// it is what cannot be otherwise. So it is of what was delivered, where messages that are acknowledged leave the stream as well: there, the
// oldest message may have left so, if any was in a reader's hands.
func takenUnread(before *v1alpha1.ConsumerStatus, now *jetstream.Consumer, s *jetstream.Consumers, at time.Time) (lost uint64, atLeast bool) {
	first := s.First
	was := position(before)
	if was.recreated(now) || now.Refiltered {
		return 0, false // it begins anew, or delivers something else
	}
	gone := less(first, 1)
	floor := max(was.ackFloor, less(was.first, 1))
	passedBefore, passed := max(was.delivered, less(was.first, 1)), max(now.Delivered, gone)
	deliveries := now.Deliveries - was.deliveries
	still := deliveries == 0
	if now.Filtered {
		if gone <= floor {
			return 0, false
		}
		lost = less(was.pending, now.Pending+deliveries)
		acknowledged := s.ForReaders && was.ackPending > 0 // since, and so it left
		if lost == 0 && still && !acknowledged && was.oldest > 0 && was.oldest < first {
			lost = 1
		}
		return lost, true
	}
	lost = less(passed, passedBefore+deliveries)
	if was.ackPending > 0 {
		// A server drops what it has delivered one by one, a moment after the stream has taken it: some of it may have waited at the look before.
		floor = was.ackFloor
	}
	if gone <= floor {
		return lost, false
	}
	dropped := min(less(was.ackPending, now.AckPending), gone-floor)
	if still && !s.ForReaders && at.Sub(readTime(before, now)) > now.AckWait+lookSlack {
		return lost + dropped, false
	}
	return lost, !still || dropped > 0
}

// less is a-b, and no less than 0.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// place is where a consumer was at the look before.
type place struct {
	created                                                             metav1.Time
	first, ackFloor, delivered, deliveries, oldest, pending, ackPending uint64
}

func position(s *v1alpha1.ConsumerStatus) place {
	n := func(v int64) uint64 { return uint64(max(v, 0)) }
	p := &s.Position
	return place{p.Created, n(p.First), n(p.AckFloor), n(p.Delivered), n(p.Deliveries), n(p.Oldest), n(s.Pending), n(s.AckPending)}
}

// recreated reports whether a consumer is another one than before, of the same name. The status has times in seconds.
func (p *place) recreated(now *jetstream.Consumer) bool {
	return p.created.Unix() != now.Made.Unix() || now.Deliveries < p.deliveries || now.Delivered < p.delivered
}

// readTime is when something was last read, as far as is known: a server that was restarted does not know.
func readTime(before *v1alpha1.ConsumerStatus, now *jetstream.Consumer) time.Time {
	if now.LastRead.IsZero() && before.LastReadTime != nil {
		return before.LastReadTime.Time
	}
	return now.LastRead
}
