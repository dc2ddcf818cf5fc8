package judge

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Kubernetes asks for no collector on a node whose taints the fleet does not tolerate, which those of a node that is down are: that such a node is
// down is no excuse for one that is there and has none.
func TestANodeWhereNoCollectorIsAskedForExcusesNoOther(t *testing.T) {
	taint := func(key string, effect corev1.TaintEffect) []corev1.Taint {
		return []corev1.Taint{{Key: key, Effect: effect}}
	}
	for name, test := range map[string]struct {
		taints       []corev1.Taint
		tolerations  []corev1.Toleration
		hostNetwork  bool
		misscheduled int32
		excuses      bool
	}{
		"it is down, as Kubernetes marks it":    {taints: taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoSchedule), misscheduled: 1},
		"somebody keeps pods from it":           {taints: taint("maintenance", corev1.TaintEffectNoSchedule), misscheduled: 1},
		"somebody drives pods from it":          {taints: taint("maintenance", corev1.TaintEffectNoExecute), misscheduled: 1},
		"the fleet tolerates another one":       {taints: taint("maintenance", corev1.TaintEffectNoSchedule), tolerations: []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}, misscheduled: 1},
		"it waits for its network":              {taints: taint(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule), misscheduled: 1},
		"it has no taint, and another is meant": {misscheduled: 1, excuses: true},
		"pods go elsewhere if they can":         {taints: taint("maintenance", corev1.TaintEffectPreferNoSchedule), misscheduled: 1, excuses: true},
		"the fleet tolerates it":                {taints: taint("maintenance", corev1.TaintEffectNoSchedule), tolerations: []corev1.Toleration{{Key: "maintenance", Operator: corev1.TolerationOpExists}}, misscheduled: 1, excuses: true},
		"all DaemonSets tolerate it":            {taints: taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute), misscheduled: 1, excuses: true},
		"the host network needs no other":       {taints: taint(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule), hostNetwork: true, misscheduled: 1, excuses: true},
		"Kubernetes asks for one yet":           {taints: taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoSchedule), excuses: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			pass(f, 0)
			f.DaemonSet.Spec.Template.Spec.Tolerations, f.DaemonSet.Spec.Template.Spec.HostNetwork = test.tolerations, test.hostNetwork
			f.DaemonSet.Status = appsv1.DaemonSetStatus{ObservedGeneration: f.DaemonSet.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2,
				UpdatedNumberScheduled: 2, NumberReady: 1, NumberAvailable: 1, NumberMisscheduled: test.misscheduled}
			f.Pods = []corev1.Pod{onNode("node-a", isReadyPod("True")), onNode("node-b", isReadyPod("False")), onNode("node-c", isReadyPod("False"))}
			f.Nodes = map[string]Node{"node-a": {Ready: true}, "node-b": {Ready: true}, "node-c": {Taints: test.taints}}
			c := conditionIn(t, Judge(f), v1alpha1.ConditionCollectorsAvailable)
			if excused := strings.Contains(c.Message, "does not count"); excused != test.excuses || (c.Status == metav1.ConditionTrue) != test.excuses {
				t.Errorf("%s: %s", c.Status, c.Message)
			}
		})
	}
}
