package judge

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// restart leaves of the facts what an operator has that was just started: it has neither looked at NATS nor asked a collector.
func restart(f *Facts) {
	f.Before, f.NATS = Memory{}, jetstream.Finding{}
	for i := range f.Collectors.Reports {
		f.Collectors.Reports[i] = observation.Report{Pod: f.Collectors.Reports[i].Pod, Wanted: f.Now}
	}
}

// What an operator knew before it was restarted is no less so: of a spec that was applied in full, and of one that never was.
func TestARestartOfTheOperatorMakesNoStatusFlap(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"well":    func(*Facts) {},
		"refused": func(f *Facts) { f.Applied.Refused, f.DaemonSet = []string{"an unknown operator of a toleration"}, nil },
		"denied":  func(f *Facts) { f.Applied.Denied, f.DaemonSet = []string{"exceeded quota"}, nil },
		"taken":   func(f *Facts) { f.Applied.Taken = []string{"there is a Service of that name"} },
		"lacks a right": func(f *Facts) {
			f.Applied.Forbidden = []string{`cannot patch resource "services"`}
		},
		"a new spec is denied": func(f *Facts) {
			pass(f, 0)
			f.Collector.Generation++
			f.Applied.Denied = []string{"exceeded quota"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			change(f)
			pass(f, 0)
			before := pass(f, time.Minute)
			restart(f)
			after := pass(f, time.Second)
			for _, was := range before.Status.Conditions {
				is := meta.FindStatusCondition(after.Status.Conditions, was.Type)
				if is == nil || is.Status != was.Status || is.Reason != was.Reason || is.ObservedGeneration != was.ObservedGeneration {
					t.Errorf("%s was %s, %s of generation %d, and is %+v", was.Type, was.Status, was.Reason, was.ObservedGeneration, is)
				}
			}
			before.Status.Conditions, after.Status.Conditions = nil, nil
			if !equality.Semantic.DeepEqual(before.Status, after.Status) {
				t.Errorf("the status becomes %+v", after.Status)
			}
			if len(after.Transitions) > 0 {
				t.Errorf("it tells of %+v", after.Transitions)
			}
		})
	}
}

// An operator whose clock was put an hour ahead, or back, says what the one before did, and so does the next one, whose clock is right again. Where
// the API server's clock is not known, a rollout looks like one that did not get on while no operator ran for an hour.
func TestAClockThatIsPutAheadOrBackMakesNoStatusFlap(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"well": func(*Facts) {},
		"a rollout": func(f *Facts) {
			f.DaemonSet.Status.UpdatedNumberScheduled = 1
			f.DaemonSet.CreationTimestamp = metav1.NewTime(f.Now.Add(-time.Minute))
		},
		"a rollout that is stuck": func(f *Facts) {
			f.DaemonSet.Status.UpdatedNumberScheduled = 1
			pass(f, 0)
			f.Now = f.Now.Add(11 * time.Minute)
		},
		"an address that is missing": func(f *Facts) {
			f.Service.Status.LoadBalancer.Ingress = nil
			pass(f, 0)
			f.Now = f.Now.Add(11 * time.Minute)
		},
		"a loss": func(f *Facts) { f.Collectors.Reports[1].Now.Output.Dropped = map[string]uint64{"buffer_full": 7} },
	} {
		for _, test := range []struct {
			jump  time.Duration
			known bool // what the API server's clock shows
		}{{time.Hour, true}, {-time.Hour, true}, {time.Hour, false}, {-time.Hour, false}} {
			jump := test.jump
			if name == "a rollout" && jump > 0 && !test.known {
				continue
			}
			f := well()
			change(f)
			if test.known {
				f.Server = f.Now
			}
			for i := range f.Collectors.Reports {
				f.Collectors.Reports[i].Answered = f.Now
			}
			pass(f, 0)
			before := pass(f, time.Second)
			for _, jump := range []time.Duration{jump, -jump} {
				if f.Now = f.Now.Add(jump); name == "a rollout" && jump > 0 && !test.known {
					break
				}
				restart(f)
				after := pass(f, time.Second)
				for _, was := range before.Status.Conditions {
					is := meta.FindStatusCondition(after.Status.Conditions, was.Type)
					if is == nil || is.Status != was.Status || is.Reason != was.Reason || !is.LastTransitionTime.Equal(&was.LastTransitionTime) {
						t.Errorf("%s, by %s, known %t: %s was %s, %s, and is %+v", name, jump, test.known, was.Type, was.Status, was.Reason, is)
					}
				}
			}
		}
	}
}

// What is known of the stream of a spec of before says nothing of another one's.
func TestARestartDoesNotCallAnotherSpecsStreamReady(t *testing.T) {
	f := well()
	pass(f, 0)
	f.Collector.Generation++
	restart(f)
	if c := conditionIn(t, pass(f, time.Second), v1alpha1.ConditionStreamReady); c.Status != metav1.ConditionUnknown {
		t.Errorf("it says %s, %s of generation %d", c.Status, c.Reason, c.ObservedGeneration)
	}
}

// An operator that crashes every minute still finds that a rollout does not get on.
func TestRestartsOfTheOperatorDoNotPutOffTheDeadlineOfARollout(t *testing.T) {
	f := well()
	pass(f, 0)
	f.Collector.Generation, f.DaemonSet.Generation = 3, 3
	f.DaemonSet.Status.ObservedGeneration, f.DaemonSet.Status.UpdatedNumberScheduled = 3, 0
	f.DaemonSet.ManagedFields = []metav1.ManagedFieldsEntry{{Operation: metav1.ManagedFieldsOperationApply, Time: new(metav1.NewTime(f.Now.Add(30 * time.Second)))}}
	for minute := range 12 {
		v := pass(f, time.Minute)
		if reason := conditionIn(t, v, v1alpha1.ConditionProgressing).Reason; (reason == ReasonProgressDeadlineExceeded) != (minute >= 10) {
			t.Errorf("after %d minutes it says %s", minute, reason)
		}
		restart(f)
	}
}

// A rollout that began long ago, and whose DaemonSet was changed once more a moment ago, has its time.
func TestARestartGivesAChangeOfAMomentAgoItsTime(t *testing.T) {
	for name, set := range map[string]func(*appsv1.DaemonSet, metav1.Time){
		"it was applied":   func(s *appsv1.DaemonSet, at metav1.Time) { s.ManagedFields = []metav1.ManagedFieldsEntry{{Time: &at}} },
		"it was made":      func(s *appsv1.DaemonSet, at metav1.Time) { s.CreationTimestamp = at },
		"by a clock ahead": func(s *appsv1.DaemonSet, at metav1.Time) { s.CreationTimestamp = metav1.NewTime(at.Add(time.Hour)) },
		"and its status, too": func(s *appsv1.DaemonSet, at metav1.Time) {
			s.ManagedFields = []metav1.ManagedFieldsEntry{{Time: &at}, {Time: &at, Subresource: "status"}}
		},
	} {
		f := well()
		f.DaemonSet.Status.UpdatedNumberScheduled = 1
		pass(f, 0)
		f.Now = f.Now.Add(time.Hour)
		restart(f)
		set(f.DaemonSet, metav1.NewTime(f.Now.Add(-time.Minute)))
		if c := conditionIn(t, pass(f, time.Second), v1alpha1.ConditionProgressing); c.Reason != ReasonRolling {
			t.Errorf("%s: it says %s: %s", name, c.Reason, c.Message)
		}
	}
}

// An operator that may not watch what it looks after takes back what it said.
func TestAnOperatorThatCannotBeginLeavesNothingCalledWell(t *testing.T) {
	f := well()
	pass(f, 0)
	f.Blind, f.Unchecked, f.Unseen = true, true, Unseen{"NetworkPolicy": {Words: `cannot list resource "networkpolicies"`}}
	v := pass(f, time.Minute)
	for _, c := range v.Status.Conditions {
		if c.Status == metav1.ConditionFalse || c.Reason != ReasonOperatorForbidden ||
			c.Status == metav1.ConditionTrue && c.Type != v1alpha1.ConditionDegraded && c.Type != v1alpha1.ConditionProgressing && c.Type != v1alpha1.ConditionReconciling {
			t.Errorf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	f.Blind, f.Unchecked, f.Unseen = false, false, nil
	if c := conditionIn(t, pass(f, time.Minute), v1alpha1.ConditionReady); c.Status != metav1.ConditionTrue {
		t.Errorf("it does not heal: %s, %s", c.Reason, c.Message)
	}
}

// Operators whose clocks are ahead, and which are restarted all the time, still find that a rollout does not get on: after ten minutes of the API
// server's clock, and not before. A clock that jumps after the restart makes nothing late.
func TestADeadlineIsOneOfTheAPIServersClock(t *testing.T) {
	for name, ahead := range map[string]func(minute int) time.Duration{
		"ahead":              func(int) time.Duration { return time.Hour },
		"behind":             func(int) time.Duration { return -time.Hour },
		"more ahead by each": func(minute int) time.Duration { return time.Duration(minute) * time.Hour },
		"one ahead, the next behind": func(minute int) time.Duration {
			return time.Duration(1-2*(minute%2)) * time.Hour
		},
	} {
		for what, reason := range map[string]string{v1alpha1.ConditionProgressing: ReasonProgressDeadlineExceeded, v1alpha1.ConditionServiceReady: ReasonAddressMissing} {
			f := well()
			f.Server = noon
			f.DaemonSet.CreationTimestamp = metav1.NewTime(noon)
			f.DaemonSet.Status.UpdatedNumberScheduled, f.Service.Status.LoadBalancer.Ingress = 0, nil
			for minute := range 13 {
				f.Now = f.Server.Add(ahead(minute))
				restart(f)
				if c := conditionIn(t, pass(f, 0), what); (c.Reason == reason) != (minute >= 10) {
					t.Errorf("%s: after %d minutes %s says %s", name, minute, what, c.Reason)
				}
				pass(f, time.Minute)
			}
		}
	}
	f := well()
	f.DaemonSet.Status.UpdatedNumberScheduled = 0
	pass(f, 0)
	f.Now, f.Server = time.Now(), f.Now.Add(time.Minute)
	restart(f)
	pass(f, 0)
	if since := f.Before.Rollout.since; !strings.Contains(since.String(), " m=") { // of the monotonic clock
		t.Errorf("%s is a time of a clock that may jump", since)
	}
}
