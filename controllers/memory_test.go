package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// The half hour that NATS may keep an object from going is one of the operator's clock, whatever the API server's says, and goes on over restarts.
func TestADeletionIsGivenItsTimeWhateverTheClocksSay(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		deleted, said time.Duration // ago; said is 0 where no status says so yet
		left          time.Duration
	}{
		"a moment ago":                             {time.Second, 0, 30 * time.Minute},
		"the operator's clock is ahead":            {2 * time.Hour, 0, 30 * time.Minute},
		"the operator's clock is behind":           {-2 * time.Hour, 0, 30 * time.Minute},
		"it was away":                              {3 * time.Hour, 0, 30 * time.Minute},
		"it was restarted":                         {20 * time.Minute, 20 * time.Minute, 10 * time.Minute},
		"it was restarted, and its clock is ahead": {3 * time.Hour, 20 * time.Minute, 10 * time.Minute},
		"its clock was put back":                   {time.Minute, -time.Hour, 30 * time.Minute},
		"its clock was put forward":                {10 * time.Minute, 5 * time.Hour, 20 * time.Minute},
		"long ago":                                 {time.Hour, time.Hour, -30 * time.Minute},
	} {
		fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: new(metav1.NewTime(now.Add(-test.deleted)))}}
		if test.said != 0 {
			fc.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionUnknown, Reason: judge.ReasonDeleting,
				LastTransitionTime: metav1.NewTime(now.Add(-test.said))}}
		}
		m := &memory{}
		left := m.abandonIn(fc, now, now)
		if left != test.left {
			t.Errorf("%s: %s are left, not %s", name, left, test.left)
		}
		if later := m.abandonIn(fc, now.Add(time.Minute), now.Add(time.Minute)); later != left-time.Minute {
			t.Errorf("%s: a minute later %s are left, after %s", name, later, left)
		}
	}
}
