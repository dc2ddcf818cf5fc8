package connect

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestAConsumerLeavesOutWhatItsFilterDoesNotCoverOfItsStream(t *testing.T) {
	fleet := jetstream.StreamConfig{Subjects: []string{"flows.a.edge.>"}}
	for name, test := range map[string]struct {
		filter []string
		stream jetstream.StreamConfig
		want   bool
	}{
		"no filter":                           {nil, fleet, false},
		"the fleet's own subjects":            {[]string{"flows.a.edge.>"}, fleet, false},
		"more than the stream has":            {[]string{"flows.>"}, fleet, false},
		"one protocol":                        {[]string{"flows.a.edge.ipfix"}, fleet, true},
		"one fleet of several":                {[]string{"flows.a.edge.>"}, jetstream.StreamConfig{Subjects: []string{"flows.>"}}, true},
		"one of two subjects":                 {[]string{"flows.a.edge.>"}, jetstream.StreamConfig{Subjects: []string{"flows.a.edge.>", "other"}}, true},
		"two filters, each of one subject":    {[]string{"flows.a.>", "flows.b.>"}, jetstream.StreamConfig{Subjects: []string{"flows.a.x", "flows.b.x"}}, false},
		"a stream that gathers other ones":    {[]string{"flows.a.edge.>"}, jetstream.StreamConfig{Subjects: fleet.Subjects, Sources: []*jetstream.StreamSource{{}}}, true},
		"a stream that mirrors another one":   {[]string{"flows.a.edge.>"}, jetstream.StreamConfig{Mirror: &jetstream.StreamSource{}}, true},
		"a stream whose subjects nobody says": {[]string{"flows.a.edge.>"}, jetstream.StreamConfig{}, true},
	} {
		if got := LeavesOut(&jetstream.ConsumerConfig{FilterSubjects: test.filter}, &test.stream); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if len(test.filter) == 1 {
			if got := LeavesOut(&jetstream.ConsumerConfig{FilterSubject: test.filter[0]}, &test.stream); got != test.want {
				t.Errorf("%s, in the field for one: %t", name, got)
			}
		}
	}
}
