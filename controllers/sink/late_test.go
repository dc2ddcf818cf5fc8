package sink

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// wanted are the facts about a FlowSink of two, of which so many run with the present spec.
func wanted(replicas, updated, ready int32) *Facts {
	s := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "rows", Generation: 7}}
	two := int32(2)
	s.Spec.From.FlowCollector, s.Spec.Replicas, s.Spec.ClickHouse.Database = "edge", &two, "lake"
	s.Status.ObservedGeneration = 6
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: replicas, UpdatedReplicas: updated, ReadyReplicas: ready}
	return &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Image: "image", Deployment: d, Now: noon}
}

func (f *Facts) deadlinePassed() {
	f.Deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse,
		Reason: "ProgressDeadlineExceeded"}}
}

// A rollout that does not get on is a failure after the deadline, as kstatus reads it, and no longer than it lasts.
func TestARolloutOfSinksThatDoesNotGetOnIsAFailure(t *testing.T) {
	pulling := []corev1.Pod{{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "sink", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}}}
	for name, test := range map[string]struct {
		facts         *Facts
		late          bool
		reason, fails string
		kstatus       kstatus.Status
	}{
		"it gets on":                          {wanted(3, 1, 2), false, ReasonRolling, "", kstatus.InProgressStatus},
		"it does not":                         {wanted(3, 1, 2), true, judge.ReasonProgressDeadlineExceeded, judge.ReasonProgressDeadlineExceeded, kstatus.FailedStatus},
		"the first sinks are on their way":    {wanted(2, 2, 0), false, ReasonSinksNotReady, "", kstatus.InProgressStatus},
		"the first sinks do not come up":      {wanted(2, 2, 0), true, ReasonSinksNotReady, judge.ReasonProgressDeadlineExceeded, kstatus.FailedStatus},
		"all came up, which is not heard yet": {wanted(2, 2, 2), true, ReasonSinksReady, "", kstatus.CurrentStatus},
	} {
		t.Run(name, func(t *testing.T) {
			f := test.facts
			f.Pods = pulling
			if test.late {
				f.deadlinePassed()
			}
			got := Judge(f)
			ready, stalled := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionStalled)
			if ready.Reason != test.reason || ready.Status != metav1.ConditionTrue && !strings.Contains(ready.Message, "ImagePullBackOff: no such image") {
				t.Errorf("Ready: %+v", ready)
			}
			if fails := stalled != nil; fails != (test.fails != "") || fails && (stalled.Reason != test.fails || !strings.Contains(stalled.Message, "ImagePullBackOff")) {
				t.Errorf("Stalled: %+v, not %q", stalled, test.fails)
			}
			s := f.Sink.DeepCopy()
			s.Status = got
			if is := controllertest.Kstatus(t, s); is != test.kstatus {
				t.Errorf("kstatus says %s, not %s", is, test.kstatus)
			}
		})
	}
}

// Pods that have ended stay beside those that were made in their place, and anybody can make pods with a sink's labels.
func TestOnlyPodsThatAreThereAndOfTheSinksTellOfTroubles(t *testing.T) {
	pod := func(name, owner string, phase corev1.PodPhase, reason string) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-template-hash": "5d"}}, Status: corev1.PodStatus{Phase: phase}}
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: owner, Controller: &yes}}
		if phase == corev1.PodFailed {
			p.Status.Reason = reason
			return p
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "sink", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
		return p
	}
	evicted := pod("rows-sink-5d-a", "rows-sink-5d", corev1.PodFailed, "Evicted")
	own := pod("rows-sink-5d-b", "rows-sink-5d", corev1.PodPending, "ErrImagePull")
	others := pod("batch-x", "batch-5d", corev1.PodPending, "CrashLoopBackOff")
	for name, test := range map[string]struct {
		pods        []corev1.Pod
		says, hides string
	}{
		"one in the place of another": {[]corev1.Pod{evicted, own}, "ErrImagePull (1, such as pod rows-sink-5d-b)", "Evicted"},
		"another one's":               {[]corev1.Pod{others, own}, "ErrImagePull", "CrashLoopBackOff"},
		"none was made in its place":  {[]corev1.Pod{evicted}, "failed, Evicted (1, such as pod rows-sink-5d-a)", "ErrImagePull"},
	} {
		f := wanted(2, 2, 1)
		f.Pods = test.pods
		got := Judge(f)
		if ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady); !strings.Contains(ready.Message, test.says) || strings.Contains(ready.Message, test.hides) {
			t.Errorf("%s: %s", name, ready.Message)
		}
	}
}

// What sinks of the spec before say of its database is not said of the present one: kubectl wait would end.
func TestWhatSinksOfAnEarlierSpecSayIsNotOfThePresentOne(t *testing.T) {
	said := []Heard{{Pod: observation.Pod{Name: "rows-sink-a"}, Asked: noon, Said: &status.Sink{Schema: &status.Schema{Version: 2, Wanted: 2}}}}
	before := []metav1.Condition{{Type: v1alpha1.ConditionSchemaCurrent, Status: metav1.ConditionTrue, Reason: ReasonSchemaCurrent,
		Message: "the tables have version 2", ObservedGeneration: 6, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour))}}
	for name, test := range map[string]struct {
		facts  *Facts
		change func(*Facts)
		want   int64
	}{
		"all sinks are of the present spec":  {wanted(2, 2, 2), func(*Facts) {}, 7},
		"sinks are being replaced":           {wanted(3, 1, 2), func(*Facts) {}, 6},
		"the present spec cannot be applied": {wanted(2, 2, 2), func(f *Facts) { f.Failure = "exceeded quota" }, 6},
		"the present spec cannot work":       {wanted(2, 2, 2), func(f *Facts) { f.Problems = []string{"choose Protobuf"} }, 6},
		"the Deployment was just changed":    {wanted(2, 2, 2), func(f *Facts) { f.Behind = true }, 6},
		"a condition that was not there":     {wanted(3, 1, 2), func(f *Facts) { f.Sink.Status.Conditions = nil }, 6},
	} {
		f := test.facts
		f.Heard, f.Sink.Status.Conditions = said, before
		test.change(f)
		got := Judge(f)
		if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionSchemaCurrent); c.Status != metav1.ConditionTrue || c.ObservedGeneration != test.want {
			t.Errorf("%s: SchemaCurrent is %s of generation %d, not %d", name, c.Status, c.ObservedGeneration, test.want)
		}
	}
}

// A loss is told for an hour by the API server's clock, whichever operator tells it.
func TestALossOfASinkIsOfTheAPIServersTime(t *testing.T) {
	s := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "rows"}}
	server := time.Unix(2_000_000_010, 0)
	ahead := server.Add(3 * time.Hour)
	asked := func(now time.Time) Heard { h := heard(); h.Asked = now.Add(-10 * time.Second); return h }
	f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Heard: []Heard{asked(ahead)}, Now: ahead, Server: server}
	s.Status = Judge(f)
	h := asked(ahead)
	h.Said.Place.First, h.Said.Place.Last, h.Said.Place.Pending, h.Said.Place.Oldest = 1996, 2100, 105, 1996
	h.Said.Place.Delivered, h.Said.Place.AckFloor, h.Said.Place.AckPending = 1995, 1995, 0
	f.Heard = []Heard{h}
	s.Status = Judge(f)
	if lost := s.Status.Reader.LostTime; lost == nil || !lost.Time.Equal(server.Add(-10*time.Second)) {
		t.Errorf("lost at %s, and it is %s", lost, server)
	}
	for _, after := range []time.Duration{50 * time.Minute, 70 * time.Minute} { // told by an operator whose clock is right
		h.Asked, f.Now, f.Server = server.Add(after), server.Add(after), server.Add(after)
		f.Heard = []Heard{h}
		c := meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionKeepingUp)
		if told := c.Reason == judge.ReasonMessagesLost; told != (after < time.Hour) {
			t.Errorf("%s after the loss: %+v", after, c)
		}
	}
}
