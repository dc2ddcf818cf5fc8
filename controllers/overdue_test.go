package controllers

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// ages makes looks at NATS older than they are.
type ages struct{ by atomic.Int64 }

func (a *ages) Since(t time.Time) time.Duration { return time.Since(t) + time.Duration(a.by.Load()) }

func TestConditionsDoNotGoOnClaimingWhatWasFoundInNATSLongAgo(t *testing.T) {
	w := newWorld(t)
	looks := &ages{}
	operator := startOperator(t, w.s, w.namespace, operatorOptions{looks: jetstream.ProberOptions{Since: looks.Since}})
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}} })
	w.run(fc, 0)
	w.expectReady(fc)
	looks.by.Store(int64(4 * time.Minute))
	operator.reconcile(fc)
	w.expectReady(fc)
	looks.by.Store(int64(6 * time.Minute))
	operator.reconcile(fc)
	for _, kind := range []string{v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady, v1alpha1.ConditionConsumersKeepUp, v1alpha1.ConditionReady} {
		w.expect(fc, kind, metav1.ConditionUnknown, judge.ReasonLookOverdue, "has not come to look at NATS itself since")
	}
	looks.by.Store(0)
	operator.reconcile(fc)
	w.expectReady(fc)
}

// A connection that nobody tries is no reason to roll the fleet to it, nor to call it tried for ever.
func TestAConnectionThatNobodyTriesIsHeldAndSaidToBe(t *testing.T) {
	w := newWorld(t)
	looks := &ages{}
	operator := startOperator(t, w.s, w.namespace, operatorOptions{looks: jetstream.ProberOptions{Since: looks.Since}})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	was := w.daemonSet(fc).Annotations[annotationConnection]
	silent := liar(t, func(string) string { return "" })
	looks.by.Store(int64(6 * time.Minute))
	operator.reconcile(fc)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonLookOverdue)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.URLs = []string{silent} })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolloutHeld, "has not come to look", "flowfleet.io/roll-out-unchecked=")
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonRolloutHeld, "until the operator can use the new one")
	if is := w.daemonSet(fc).Annotations[annotationConnection]; is != was {
		t.Error("it is rolled to a connection that nobody tried")
	}
}

func TestADeletionThatNobodyComesToIsSaidToWaitAndGivenUp(t *testing.T) {
	w := newWorld(t)
	clock, looks := &laterClock{}, &ages{}
	silent := liar(t, func(string) string { return "" })
	operator := startOperator(t, w.s, w.namespace, operatorOptions{clock: clock, looks: jetstream.ProberOptions{Since: looks.Since}})
	fc := w.create("edge", deletesBoth)
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.URLs = []string{silent} })
	looks.by.Store(int64(6 * time.Minute))
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonDeleting, "cannot be deleted", "has not come to look")
	clock.by.Store(int64(30*time.Minute + time.Second))
	operator.reconcile(fc)
	natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
	natstest.Eventually(t, "an event says what is left behind", func() bool {
		return slices.ContainsFunc(w.events(fc), func(e eventsv1.Event) bool {
			return e.Type == corev1.EventTypeWarning && e.Reason == "LeftBehind" && strings.Contains(e.Note, "has not come to look")
		})
	})
}

// One rule for what collectors said: what counts for no condition ends no turn either.
func TestWhatACollectorSaidLongAgoEndsNoTurn(t *testing.T) {
	now := time.Now()
	said := func(configuration string, ago time.Duration) observation.Report {
		return observation.Report{Wanted: now.Add(-time.Hour), Asked: now.Add(-ago), Answered: now.Add(-ago), Now: &status.Document{Configuration: configuration}}
	}
	for name, test := range map[string]struct {
		report observation.Report
		holds  bool
	}{
		"it has it":                              {said("new", time.Minute), false},
		"it has another one":                     {said("old", time.Minute), true},
		"it is of a version that does not tell":  {said("", time.Minute), false},
		"it had another one an hour ago":         {said("old", time.Hour), true},
		"it had one of that name an hour ago":    {said("new", time.Hour), true},
		"it did not tell an hour ago":            {said("", time.Hour), true},
		"it was not asked yet":                   {observation.Report{Wanted: now}, true},
		"it cannot be asked":                     {observation.Report{Wanted: now, Asked: now, Error: "refused"}, false},
		"it cannot be asked, and could long ago": {observation.Report{Asked: now, Error: "refused", Answered: now.Add(-time.Hour), Now: &status.Document{Configuration: "old"}}, false},
	} {
		f := &judge.Facts{Now: now, Configuration: "new", Collectors: observation.Finding{Reports: []observation.Report{test.report}}}
		if says := unreadConfiguration(f); (says != "") != test.holds {
			t.Errorf("%s: it says %q", name, says)
		}
	}
}
