package judge

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

// What the spec names is the collectors' image once it is applied, and not while something keeps it from that.
func TestTheImageIsTheOneThatRunsUntilAnotherIsApplied(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *Facts)
		want   string
	}{
		"it is applied":                            {func(*Facts) {}, "v1"},
		"it is not allowed":                        {func(f *Facts) { f.NotAllowed = []string{"spec.collector.image"} }, "before"},
		"the spec is invalid":                      {func(f *Facts) { f.Invalid = []string{"spec.listeners"} }, "before"},
		"the connection to NATS is held":           {func(f *Facts) { f.Held = "no servers" }, "before"},
		"the connection to NATS is tried":          {func(f *Facts) { f.Trying = true }, "before"},
		"Kubernetes refuses the DaemonSet":         {func(f *Facts) { f.Applied.Refused = []string{"DaemonSet"} }, "before"},
		"a quota keeps it from being changed":      {func(f *Facts) { f.Applied.Denied = []string{"DaemonSet"} }, "before"},
		"a webhook does not answer":                {func(f *Facts) { f.Applied.Failed, f.Failures, f.Failure = true, 5, "webhook" }, "before"},
		"the pass failed before it had looked":     {func(f *Facts) { f.Unchecked, f.Applied.Failed = true, true }, "before"},
		"nothing is applied, and there is nothing": {func(f *Facts) { f.Invalid, f.DaemonSet = []string{"spec.listeners"}, nil }, "v1"},
	} {
		f := well()
		f.DaemonSet.Spec.Template.Spec.Containers = []corev1.Container{{Name: "collector", Image: "before"}}
		test.change(f)
		if got := Judge(f).Status.Image; got != test.want {
			t.Errorf("%s: the status has the image %s", name, got)
		}
	}
}

// A Service that Kubernetes refuses is not on its way.
func TestAServiceThatIsNotMadeSaysWhereToLook(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *Facts)
		says   string
	}{
		"it was not tried yet":         {func(*Facts) {}, "the Service is being made"},
		"Kubernetes refuses it":        {func(f *Facts) { f.Applied.Refused = []string{"Service"} }, "the Service is not made until ConfigurationValid is True"},
		"a quota keeps it":             {func(f *Facts) { f.Applied.Denied = []string{"Service"} }, "the Service is not made until ConfigurationValid is True"},
		"somebody has its name":        {func(f *Facts) { f.Applied.Taken = []string{"Service"} }, "the Service is not made until ConfigurationValid is True"},
		"the operator lacks the right": {func(f *Facts) { f.Applied.Forbidden = []string{"Service"} }, "the Service is not made yet: see Progressing"},
		"a webhook does not answer":    {func(f *Facts) { f.Applied.Failed, f.Failures, f.Failure = true, 5, "webhook" }, "the Service is not made yet: see Progressing"},
	} {
		f := well()
		f.Service = nil
		test.change(f)
		v := Judge(f)
		if c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionServiceReady); c.Status != metav1.ConditionFalse || c.Message != test.says {
			t.Errorf("%s: %s, %s", name, c.Status, c.Message)
		}
	}
}

// What keeps the operator from its work for as long as a rollout may take is something that somebody should mend, though flows arrive.
func TestWhatIsNotAppliedForLongIsDegraded(t *testing.T) {
	fails := func(f *Facts) { f.Applied.Failed, f.Failures, f.Failure = true, 9, "the webhook does not answer" }
	going := func(f *Facts) {
		f.Applied.Going = []string{"ServiceAccount edge-collector is being deleted, waits for example.com/other"}
	}
	fights := func(f *Facts) { f.Applied.Contested = []string{"DaemonSet edge-collector: others-tool changes it"} }
	for name, test := range map[string]struct {
		change         func(f *Facts)
		after          time.Duration
		status, reason string
		says           string
	}{
		"passes fail for a while":               {fails, 9 * time.Minute, "False", ReasonAsWanted, ""},
		"passes fail for long":                  {fails, 10 * time.Minute, "True", ReasonRetrying, "the webhook does not answer"},
		"somebody keeps an object for a while":  {going, 9 * time.Minute, "False", ReasonAsWanted, ""},
		"somebody keeps an object for long":     {going, 10 * time.Minute, "True", ReasonRolling, "waits for example.com/other"},
		"somebody fights for a while":           {fights, 9 * time.Minute, "False", ReasonAsWanted, ""},
		"somebody fights for long":              {fights, 10 * time.Minute, "True", ReasonContested, "others-tool changes"},
		"somebody keeps a suspended fleet's":    {func(f *Facts) { f.Collector.Spec.Suspend, f.Applied.Waiting = true, []string{"Service"} }, time.Hour, "False", ReasonAsWanted, ""},
		"an upgrade waits for its turn":         {func(f *Facts) { f.Waits = "another one" }, time.Hour, "False", ReasonAsWanted, ""},
		"the deadline is the fleet's to choose": {func(f *Facts) { fails(f); f.Collector.Spec.Collector.ProgressDeadline = new(v1alpha1.Duration("1m")) }, time.Minute, "True", ReasonRetrying, ""},
	} {
		f := well()
		pass(f, 0)
		test.change(f)
		again := pass(f, 0).Again
		if test.status == "True" && (again == 0 || again > test.after) {
			t.Errorf("%s: nobody looks again before %s", name, again)
		}
		f.Collectors.At = f.Now.Add(test.after)
		for i := range f.Collectors.Reports {
			r := &f.Collectors.Reports[i]
			r.Asked, r.Answered = f.Collectors.At, f.Collectors.At
		}
		v := pass(f, test.after)
		if c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionDegraded); string(c.Status) != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
			t.Errorf("%s: %s, %s: %s", name, c.Status, c.Reason, c.Message)
		}
		f.Applied, f.Failures, f.Failure = Applied{}, 0, ""
		if v = pass(f, time.Second); meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionDegraded) {
			t.Errorf("%s: it stays Degraded once it is over", name)
		}
	}
}

// Neither an API server that was away meanwhile, with which the count of failures begins anew, nor an operator that is started again lets what hinders
// it look new.
func TestWhatHindersTheOperatorIsNotForgotten(t *testing.T) {
	fails := func(times int) func(f *Facts) {
		return func(f *Facts) {
			f.Applied, f.Failures, f.Failure = Applied{Failed: true}, times, "the webhook does not answer"
		}
	}
	going := func(f *Facts) { f.Applied.Going = []string{"ServiceAccount edge-collector is being deleted"} }
	fights := func(f *Facts) { f.Applied.Contested = []string{"DaemonSet edge-collector: others-tool changes it"} }
	restarts := func(f *Facts) { f.Before = Memory{} }
	for name, test := range map[string]struct {
		begins, between, ends func(f *Facts)
		reason                string
	}{
		"the API server was away":                       {fails(9), fails(0), fails(9), ReasonRetrying},
		"an operator that is started fails again":       {fails(9), func(f *Facts) { restarts(f); fails(1)(f) }, fails(9), ReasonRetrying},
		"an operator that is started finds it kept yet": {going, restarts, going, ReasonRolling},
		"an operator that is started fights again":      {fights, restarts, fights, ReasonContested},
	} {
		f := well()
		pass(f, 0)
		test.begins(f)
		pass(f, 0)
		f.Collectors.At = f.Now.Add(10 * time.Minute)
		if c := conditionIn(t, pass(f, 10*time.Minute), v1alpha1.ConditionDegraded); c.Status != metav1.ConditionTrue || c.Reason != test.reason {
			t.Errorf("%s: %s, %s: %s", name, c.Status, c.Reason, c.Message)
		}
		test.between(f)
		pass(f, time.Second)
		test.ends(f)
		if c := conditionIn(t, pass(f, time.Second), v1alpha1.ConditionDegraded); c.Status != metav1.ConditionTrue || c.Reason != test.reason {
			t.Errorf("%s, and then: %s, %s: %s", name, c.Status, c.Reason, c.Message)
		}
	}
}

// A node that got a taint keeps its collector, and Kubernetes does not ask for one there any more: it makes up for no other node.
func TestACollectorWhereNoneIsAskedForMakesUpForNoOther(t *testing.T) {
	for name, test := range map[string]struct {
		set    appsv1.DaemonSetStatus
		ending string                            // the node whose collector ends
		since  time.Duration                     // its time is up
		pods   map[string]corev1.ConditionStatus // whether each node's is ready
		ready  int32
		status metav1.ConditionStatus
	}{
		"one leaves the fleet while another is replaced, whose older pod Kubernetes counts": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 1, NumberAvailable: 1, NumberMisscheduled: 1}, "node-c", 0,
			map[string]corev1.ConditionStatus{"node-a": "True", "node-b": "True", "node-c": "True"}, 2, "True"},
		"one is lost with its node, and never ends": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 3, CurrentNumberScheduled: 3, UpdatedNumberScheduled: 3, NumberReady: 2, NumberAvailable: 2, NumberMisscheduled: 1}, "node-a", time.Hour,
			map[string]corev1.ConditionStatus{"node-a": "False", "node-b": "True", "node-c": "True", "node-d": "True"}, 2, "False"},
		"all are ready": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 2, NumberAvailable: 2, NumberMisscheduled: 1}, "", 0,
			map[string]corev1.ConditionStatus{"node-a": "True", "node-b": "True", "node-c": "True"}, 2, "True"},
		"one that is asked for is not": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 1, NumberAvailable: 1, NumberMisscheduled: 1}, "", 0,
			map[string]corev1.ConditionStatus{"node-a": "False", "node-b": "True", "node-c": "True"}, 1, "False"},
		"one that is not asked for is not": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 2, NumberAvailable: 2, NumberMisscheduled: 1}, "", 0,
			map[string]corev1.ConditionStatus{"node-a": "True", "node-b": "True", "node-c": "False"}, 2, "True"},
		"none that is asked for is": {appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberMisscheduled: 2}, "", 0,
			map[string]corev1.ConditionStatus{"node-a": "False", "node-b": "False", "node-c": "True", "node-d": "True"}, 0, "False"},
	} {
		f := well()
		pass(f, 0)
		test.set.ObservedGeneration = f.DaemonSet.Generation
		f.DaemonSet.Status = test.set
		f.Pods = nil
		for _, node := range []string{"node-a", "node-b", "node-c", "node-d"} {
			if ready, ok := test.pods[node]; ok {
				pod := onNode(node, isReadyPod(ready))
				if node == test.ending {
					pod.DeletionTimestamp = new(metav1.NewTime(noon.Add(-test.since)))
				}
				f.Pods = append(f.Pods, pod)
			}
		}
		v := Judge(f)
		c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionCollectorsAvailable)
		if v.Status.Collectors.Ready != test.ready || c.Status != test.status {
			t.Errorf("%s: %s collectors are ready, %s: %s", name, v.Status.Collectors.Summary, c.Status, c.Message)
		}
	}
}

// Collectors know why they are not ready. Who reads the condition need not look for it in their logs.
func TestCollectorsSayWhyTheyAreNotReady(t *testing.T) {
	begun := metav1.NewTime(noon.Add(-5 * time.Minute))
	for name, test := range map[string]struct {
		change func(pod *corev1.Pod, d *status.Document)
		says   string
		not    string
	}{
		"it waits for the bucket": {func(_ *corev1.Pod, d *status.Document) {
			d.Ready, d.NotReady = false, "listeners: ok templates: not ready (not yet) "
		}, "1 of 3 nodes are without a collector that is ready: pod edge-node-a on node node-a says: templates: not ready (not yet)", "listeners"},
		"it is ready, and its node does not hear that": {func(*corev1.Pod, *status.Document) {},
			"pod edge-node-a on node node-a says that it is ready, and its node finds that it is not", ""},
		"its container ended a moment ago": {func(pod *corev1.Pod, _ *status.Document) {
			pod.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-time.Second))
		},
			"1 of 3 nodes are without a collector that is ready", "its node finds"},
		"it started a moment ago, for which its image took long": {func(pod *corev1.Pod, _ *status.Document) {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "collector", State: corev1.ContainerState{
				Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon.Add(-time.Second))}}}}
		},
			"1 of 3 nodes are without a collector that is ready", "its node finds"},
		"its pod has a reason of its own": {func(pod *corev1.Pod, d *status.Document) {
			d.Ready, d.NotReady = false, "templates: not ready (not yet)"
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "collector", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		}, "CrashLoopBackOff", "templates"},
	} {
		f := well()
		pass(f, 0)
		f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 2, 2
		f.Pods = []corev1.Pod{onNode("node-a", isReadyPod("False")), onNode("node-b", isReadyPod("True")), onNode("node-c", isReadyPod("True"))}
		f.Pods[0].Status.StartTime, f.Pods[0].Status.Conditions[0].LastTransitionTime = &begun, begun
		f.Collectors.Reports[0].Pod.Name = f.Pods[0].Name
		f.Collectors.Reports[0].Now.Ready = true
		test.change(&f.Pods[0], f.Collectors.Reports[0].Now)
		c := conditionIn(t, Judge(f), v1alpha1.ConditionCollectorsAvailable)
		if c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, test.says) || test.not != "" && strings.Contains(c.Message, test.not) {
			t.Errorf("%s: %s, %s", name, c.Status, c.Message)
		}
	}
}

// A nodeSelector that somebody else wrote into the DaemonSet keeps nodes out as the spec's own does, and changing the spec does not help.
func TestANodeSelectorOfSomebodyElseIsNotTheSpecs(t *testing.T) {
	const spec, foreign = "spec.collector.nodeSelector", "somebody else wrote nodeSelector pool=none into the DaemonSet edge-collector"
	for name, test := range map[string]struct {
		change func(f *Facts)
		says   string
	}{
		"the spec's own":          {func(f *Facts) { f.Collector.Spec.Collector.NodeSelector = map[string]string{"pool": "none"} }, spec},
		"somebody else's":         {func(*Facts) {}, foreign},
		"that of the former spec": {func(f *Facts) { f.Collector.Spec.Suspend, f.Applied.Waiting = true, []string{"DaemonSet"} }, spec},
	} {
		f := well()
		f.DaemonSet.Status = appsv1.DaemonSetStatus{ObservedGeneration: 2}
		f.DaemonSet.Spec.Template.Spec.NodeSelector = map[string]string{"pool": "none"}
		test.change(f)
		c := meta.FindStatusCondition(Judge(f).Status.Conditions, v1alpha1.ConditionCollectorsAvailable)
		if c.Reason != ReasonNoNodes || !strings.Contains(c.Message, test.says) {
			t.Errorf("%s: %s: %s", name, c.Reason, c.Message)
		}
	}
}
