package controllers

import (
	"fmt"
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

// Who names other ConfigMaps all the time holds up neither the fleet nor, as an upgrade waits for each fleet's turn, anybody else for longer.
func TestAPassWaitsForConfigMapsForAMinuteAtMost(t *testing.T) {
	m, now := &memory{}, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after   time.Duration
		reading bool
		waits   bool
	}{
		{0, true, true}, {59 * time.Second, true, true}, {time.Second, true, false}, {time.Hour, true, false},
		{time.Second, false, false}, {time.Second, true, true},
	} {
		if now = now.Add(step.after); m.waits(step.reading, now) != step.waits {
			t.Errorf("at %s, reading %t: it waits %t", now.Format(time.TimeOnly), step.reading, !step.waits)
		}
	}
}

// Where NATS is silent nobody knows which consumers are gone, and each edit may name others.
func TestConsumersThatWereWantedAreNotedUpToABound(t *testing.T) {
	m, fc := &memory{}, &v1alpha1.FlowCollector{}
	for i := range 1000 {
		fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: fmt.Sprintf("reader-%04d", i)}}
		removed := m.removedConsumers(fc)
		if len(removed) != min(i, maxConsumersNoted-1) || i > 0 && removed[len(removed)-1] != fmt.Sprintf("reader-%04d", i-1) {
			t.Fatalf("after %d edits %d are to be removed: %v", i, len(removed), removed)
		}
	}
	m.consumersGone([]string{"reader-0998"})
	if removed := m.removedConsumers(fc); len(removed) != maxConsumersNoted-2 {
		t.Errorf("%d are to be removed, one of which is gone", len(removed)+1)
	}
}
