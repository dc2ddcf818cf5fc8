package sink

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

func TestASinkThatLastSpokeHoursAgoDoesNotCountAsHeard(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		about                        string
		last                         time.Duration
		destination, schema, keeping metav1.ConditionStatus
		books                        bool
	}{
		{"a moment ago", 15 * time.Second, "False", "True", "True", true},
		{"hours ago", 3 * time.Hour, "Unknown", "Unknown", "Unknown", false},
	} {
		s := &v1alpha1.FlowSink{}
		s.Namespace, s.Name, s.Generation, s.Spec.From.FlowCollector = "flows", "rows", 1, "edge"
		said := &status.Sink{Destination: "no host clickhouse", Stored: 12, Schema: &status.Schema{Version: 3, Wanted: 3},
			Place: &status.Place{Stream: "flows-edge", Consumer: ConsumerName(s), Made: now, Lag: new(time.Duration)}}
		got := Judge(&Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Now: now, Heard: []Heard{{Asked: now.Add(-test.last), Said: said}}})
		for kind, want := range map[string]metav1.ConditionStatus{v1alpha1.ConditionDestinationReachable: test.destination,
			v1alpha1.ConditionSchemaCurrent: test.schema, v1alpha1.ConditionKeepingUp: test.keeping} {
			if c := meta.FindStatusCondition(got.Conditions, kind); c == nil || c.Status != want {
				t.Errorf("%s: %s is not %s: %+v", test.about, kind, want, c)
			}
		}
		if (got.Books != nil) != test.books {
			t.Errorf("%s: books %+v", test.about, got.Books)
		}
	}
}
