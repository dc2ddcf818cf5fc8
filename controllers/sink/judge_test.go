package sink

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

func TestJudgement(t *testing.T) {
	deployment := func(replicas, updated, ready int32) *appsv1.Deployment {
		d := &appsv1.Deployment{}
		d.Generation = 3
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: replicas, UpdatedReplicas: updated, ReadyReplicas: ready}
		return d
	}
	for _, test := range []struct {
		name                          string
		change                        func(*Facts)
		ready, reason, says           string
		destination, progress, failed string
		observed                      int64
	}{
		{"all ready", func(*Facts) {}, "True", ReasonSinksReady, "2 of 2 sinks", "True", "", "", 7},
		{"one not ready", func(f *Facts) { f.Deployment = deployment(2, 2, 1) }, "False", ReasonSinksNotReady, "1 of 2 sinks", "Unknown", "True", "", 7},
		{"the pods' reason", func(f *Facts) {
			f.Deployment = deployment(2, 2, 0)
			f.Pods = []corev1.Pod{{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}}}
		}, "False", ReasonSinksNotReady, "ImagePullBackOff: no such image", "Unknown", "True", "", 7},
		{"ready, but of the old spec", func(f *Facts) { f.Deployment = deployment(2, 1, 2) }, "False", ReasonRolling, "1 of 2 sinks have", "Unknown", "True", "", 7},
		{"old ones beside the new", func(f *Facts) { f.Deployment = deployment(3, 2, 2) }, "False", ReasonRolling, "2 of 2", "Unknown", "True", "", 7},
		{"a Deployment that nobody has seen", func(f *Facts) { f.Deployment.Generation = 4 }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"a Deployment that was changed since", func(f *Facts) { f.Behind = true }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"no Deployment yet", func(f *Facts) { f.Deployment = nil }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"no FlowCollector", func(f *Facts) { f.Collector = nil }, "False", ReasonFlowCollectorMissing, "no FlowCollector edge", "Unknown", "True", "", 6},
		{"no stream", func(f *Facts) { f.Stream = "" }, "False", ReasonStreamPending, "StreamReady", "Unknown", "True", "", 6},
		{"a spec that cannot work", func(f *Facts) { f.Problems = []string{"choose Protobuf"} }, "False", ReasonInvalid, "choose Protobuf", "Unknown", "", "True", 7},
		{"not applied", func(f *Facts) { f.Failure = "quota" }, "False", ReasonApplyFailed, "quota", "Unknown", "True", "", 6},
		{"none wanted", func(f *Facts) { f.Sink.Spec.Replicas = new(int32); f.Deployment = deployment(0, 0, 0) }, "False", ReasonNoReplicas, "wait", "Unknown", "", "", 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			two := int32(2)
			s := &v1alpha1.FlowSink{}
			s.Generation, s.Status.ObservedGeneration = 7, 6
			s.Spec.From.FlowCollector, s.Spec.Replicas = "edge", &two
			f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Image: "image", Deployment: deployment(2, 2, 2)}
			test.change(f)
			got := Judge(f)
			status := func(kind string) string {
				if c := meta.FindStatusCondition(got.Conditions, kind); c != nil {
					return string(c.Status)
				}
				return ""
			}
			ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady)
			if status(v1alpha1.ConditionReady) != test.ready || ready.Reason != test.reason || !strings.Contains(ready.Message, test.says) {
				t.Errorf("Ready: %+v", ready)
			}
			for kind, want := range map[string]string{v1alpha1.ConditionDestinationReachable: test.destination,
				v1alpha1.ConditionReconciling: test.progress, v1alpha1.ConditionStalled: test.failed} {
				if status(kind) != want {
					t.Errorf("%s is %q, not %q", kind, status(kind), want)
				}
			}
			if got.ObservedGeneration != test.observed {
				t.Errorf("observed generation %d, not %d", got.ObservedGeneration, test.observed)
			}
		})
	}
}
