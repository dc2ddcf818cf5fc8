package judge

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Who asks may not come to all collectors of a large fleet. What one said an hour ago is no answer.
func TestAnAnswerOfLongAgoIsNone(t *testing.T) {
	f := settledBefore()
	pass(f, 0)
	for i := range f.Collectors.Reports { // they answered when they were last asked, which was an hour ago
		f.Collectors.Reports[i].Answered = f.Now.Add(-time.Hour)
	}
	f.Before.LostReason = ""
	v := pass(f, 0)
	for _, kind := range []string{v1alpha1.ConditionNothingLost, v1alpha1.ConditionLoadDistributed, v1alpha1.ConditionReceiveBuffersGranted} {
		c := conditionIn(t, v, kind)
		if c.Status != metav1.ConditionUnknown || c.Reason != ReasonCollectorsUnreachable || !strings.Contains(c.Message, "0 of 3 collectors have answered") {
			t.Errorf("%s is %s, %s: %s", kind, c.Status, c.Reason, c.Message)
		}
	}
	if v.Status.Exporters != nil || v.Status.Templates != nil {
		t.Error("counts of an hour ago are told")
	}
	for i := range f.Collectors.Reports {
		f.Collectors.Reports[i].Answered = f.Now
	}
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionNothingLost); c.Status != metav1.ConditionTrue {
		t.Errorf("they answer again, and NothingLost is %s: %s", c.Status, c.Message)
	}
}

// After a start of the operator, what it said before stands until it has looked itself: not for ever.
func TestACollectorThatIsNeverAskedIsNotCalledWellForLong(t *testing.T) {
	f := settledBefore()
	pass(f, 0)
	f.Before = Memory{}
	for i := range f.Collectors.Reports {
		r := &f.Collectors.Reports[i]
		*r = observation.Report{Pod: r.Pod, Wanted: f.Now}
	}
	if c := conditionIn(t, pass(f, 4*time.Minute), v1alpha1.ConditionNothingLost); c.Status != metav1.ConditionTrue {
		t.Errorf("what was said before the start became %s, %s: %s", c.Status, c.Reason, c.Message)
	}
	v := pass(f, 2*time.Minute)
	for _, kind := range []string{v1alpha1.ConditionNothingLost, v1alpha1.ConditionReceiveBuffersGranted} {
		c := conditionIn(t, v, kind)
		if c.Status != metav1.ConditionUnknown || c.Reason != ReasonCollectorsUnreachable || !strings.Contains(c.Message, "was never asked") {
			t.Errorf("%s is %s, %s: %s", kind, c.Status, c.Reason, c.Message)
		}
	}
}

// overdue makes the last look at NATS one of long ago.
func overdue(f *Facts) {
	f.NATS.Bucket.Age, f.NATS.Stream.Age = 6*time.Minute, 6*time.Minute
}

// What was found in NATS counts for five minutes, whatever it was.
func TestALookAtNATSOfLongAgoSaysNothing(t *testing.T) {
	unanswered := func(f *Facts) { f.Collectors.Reports = nil }
	reader := func(f *Facts) { f.Collector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}} }
	for name, test := range map[string]struct {
		change               []func(*Facts)
		status               metav1.ConditionStatus
		reason, says, notSay string
	}{
		"it was well, and nobody else tells":     {[]func(*Facts){unanswered}, metav1.ConditionUnknown, ReasonLookOverdue, "no collector tells", "is ready"},
		"it was not well, and nobody else tells": {[]func(*Facts){unanswered, unreachable}, metav1.ConditionUnknown, ReasonLookOverdue, "since 2026-01-01T12:00:00Z", "refused"},
		"it was never looked at": {[]func(*Facts){unanswered, func(f *Facts) { f.NATS.Bucket.Look, f.NATS.Stream.Look = jetstream.Look{}, jetstream.Look{} }},
			metav1.ConditionUnknown, ReasonLookOverdue, "for more than 5m0s", "is ready"},
		"collectors tell that they use it": {nil, metav1.ConditionTrue, ReasonReportedByCollectors, "3 of 3 collectors that answer use", "is ready"},
		"collectors tell that they do not": {[]func(*Facts){func(f *Facts) {
			each(f, func(d *status.Document) { d.Bucket.Connected, d.Output.Connected = false, false })
		}}, metav1.ConditionFalse, ReasonReportedByCollectors, "3 of 3 collectors that answer cannot use", "is ready"},
		"it is of the connection before, and the new one was not tried": {[]func(*Facts){unanswered, func(f *Facts) {
			f.NATS.Bucket.Current, f.NATS.Stream.Current, f.Trying = false, false, true
		}}, metav1.ConditionUnknown, ReasonLookOverdue, "no collector tells", "is ready"},
	} {
		f := settledBefore()
		reader(f)
		pass(f, 0)
		for _, change := range test.change {
			change(f)
		}
		overdue(f)
		v := pass(f, 0)
		for _, kind := range []string{v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady} {
			c := conditionIn(t, v, kind)
			if c.Status != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) || strings.Contains(c.Message, test.notSay) ||
				!strings.Contains(c.Message, "the operator has not come to look") {
				t.Errorf("%s: %s is %s, %s: %s", name, kind, c.Status, c.Reason, c.Message)
			}
		}
		if c := conditionIn(t, v, v1alpha1.ConditionConsumersKeepUp); c.Status != metav1.ConditionUnknown || c.Reason != ReasonLookOverdue {
			t.Errorf("%s: ConsumersKeepUp is %s, %s: %s", name, c.Status, c.Reason, c.Message)
		}
	}
}

func unreachable(f *Facts) {
	for _, l := range []*jetstream.Look{&f.NATS.Bucket.Look, &f.NATS.Stream.Look} {
		l.Class, l.Error = jetstream.ClassUnreachable, "connection refused"
	}
}

// The condition changes when the look gets too old, and not at the next reason to judge.
func TestALookThatGetsTooOldIsAReasonToJudgeAgain(t *testing.T) {
	f := settledBefore()
	f.NATS.Stream.Age = 4 * time.Minute
	if v := pass(f, 0); v.Again == 0 || v.Again > time.Minute+time.Second {
		t.Errorf("it is judged again after %s", v.Again)
	}
}

// An operator's clock that was put back while it did not run makes times of the status times of the future.
func TestAClockThatWasPutBackDelaysNoJudgement(t *testing.T) {
	pending := func() *Facts {
		f := settledBefore()
		f.Service.Status.LoadBalancer.Ingress = nil
		pass(f, 0)
		return f
	}
	restarted := func(f *Facts, by time.Duration) { f.Now, f.Before = f.Now.Add(-by), Memory{} }

	f := pending()
	restarted(f, 3*time.Hour)
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionServiceReady); c.Reason != ReasonAddressPending {
		t.Errorf("ServiceReady is %s: %s", c.Reason, c.Message)
	}
	if c := conditionIn(t, pass(f, defaultDeadline), v1alpha1.ConditionServiceReady); c.Reason != ReasonAddressMissing {
		t.Errorf("an address that does not come is %s: %s", c.Reason, c.Message)
	}

	f = pending()
	if c := conditionIn(t, pass(f, defaultDeadline), v1alpha1.ConditionServiceReady); c.Reason != ReasonAddressMissing {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	restarted(f, 3*time.Hour)
	v := pass(f, 0)
	if c := conditionIn(t, v, v1alpha1.ConditionServiceReady); c.Reason != ReasonAddressMissing {
		t.Errorf("an address that was missing is %s after a start", c.Reason)
	}
	conditionIn(t, v, v1alpha1.ConditionStalled)

	f = well()
	f.DaemonSet.Status.UpdatedNumberScheduled, f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 1, 1, 1
	pass(f, 0)
	if c := conditionIn(t, pass(f, defaultDeadline), v1alpha1.ConditionProgressing); c.Reason != ReasonProgressDeadlineExceeded {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	restarted(f, 3*time.Hour)
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionProgressing); c.Reason != ReasonProgressDeadlineExceeded {
		t.Errorf("a rollout that was stuck is %s after a start", c.Reason)
	}
}

func TestANodeOfTheFutureIsNotNew(t *testing.T) {
	f := well()
	f.Collector.CreationTimestamp = metav1.NewTime(noon.Add(-24 * time.Hour))
	for ago, want := range map[time.Duration]bool{time.Minute: true, -time.Minute: true, time.Hour: false, -3 * time.Hour: false} {
		if is := f.joined(Node{Created: noon.Add(-ago)}); is != want {
			t.Errorf("a node that was made %s ago is new: %t", ago, is)
		}
	}
}

func TestALossOfTheFutureIsToldForAnHour(t *testing.T) {
	before := &v1alpha1.ConsumerStatus{Name: "reader", Lost: 3, LostTime: &metav1.Time{Time: noon.Add(3 * time.Hour)}}
	k := &jetstream.Consumer{Name: "reader", Found: true, Made: noon.Add(-time.Hour)}
	s := counted(before, k, &jetstream.Consumers{}, noon)
	if s.Lost != 3 || !s.LostTime.Time.Equal(noon) {
		t.Errorf("%d were lost at %s", s.Lost, s.LostTime)
	}
}
