package sink

import (
	"testing"

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
