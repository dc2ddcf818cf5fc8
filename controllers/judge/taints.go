package judge

import (
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
)

// ofDaemonSets are the taints that all pods of DaemonSets tolerate:
// https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
// Those that keep others from a node that is not ready, or not reachable, are not among them: Kubernetes asks for no collector there.
var ofDaemonSets = []corev1.Toleration{
	{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeDiskPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodePIDPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
}

// onHostNetwork is what those tolerate, too, that need no network but the node's.
var onHostNetwork = corev1.Toleration{Key: corev1.TaintNodeNetworkUnavailable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}

// tolerated reports whether the DaemonSet's pods tolerate the taints of a node. Where they do not, the node keeps the collector that it has, and none
// is asked for there. What is not known of a node says nothing against it.
func (f *Facts) tolerated(node string) bool {
	pod := &f.DaemonSet.Spec.Template.Spec
	tolerations := slices.Concat(pod.Tolerations, ofDaemonSets)
	if pod.HostNetwork {
		tolerations = append(tolerations, onHostNetwork)
	}
	return !slices.ContainsFunc(f.Nodes[node].Taints, func(taint corev1.Taint) bool {
		return taint.Effect != corev1.TaintEffectPreferNoSchedule && !slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
			return t.ToleratesTaint(logr.Discard(), &taint, true)
		})
	})
}
