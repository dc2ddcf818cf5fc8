package sink

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Of a consumer that delivers all of its stream, the operator counts exactly what the stream took unread. Each FlowSink has a filter.
func TestAFilterThatCoversTheStreamLeavesOutNothing(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	for consumer, test := range map[string]struct {
		filter   []string
		filtered bool
	}{
		"all":  {[]string{"flows.>"}, false},
		"part": {[]string{"flows.*.*.ipfix"}, true},
	} {
		o := options()
		o.Consumer, o.FilterSubjects = consumer, test.filter
		s, _ := b.start(o)
		natstest.Eventually(t, "the consumer is there", func() bool { return s.State().Known })
		place, err := s.Place(t.Context())
		if err != nil || place.Filtered != test.filtered || len(place.Subjects) != 1 {
			t.Errorf("%s: %+v, %v", consumer, place, err)
		}
	}
}

// In a stream that keeps what is not acknowledged, its first message follows the consumer at once: one that stands behind what the consumer was just
// found to have delivered would count as taken unread.
func TestNothingIsTakenUnreadOfAStreamForWorkThatIsReadAsItComes(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	if err := b.js.DeleteStream(t.Context(), "flows"); err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, b.js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, Retention: jetstream.WorkQueuePolicy})
	s, stop := b.start(options())
	natstest.Eventually(t, "the consumer is there", func() bool { return s.State().Known })
	done := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				b.publishMany(1, 1)
			}
		}
	})
	for range 300 {
		p, err := s.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.First > p.Delivered+1 {
			t.Errorf("it begins with %d, and the consumer has come to %d", p.First, p.Delivered)
			break
		}
	}
	close(done)
	publishing.Wait()
	b.rest("sink")
	balanced(t, stop())
}
