package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// judgeCollectors says in CollectorsAvailable and Progressing how the pods are.
func (p *pass) judgeCollectors(ctx context.Context) error {
	set := &appsv1.DaemonSet{}
	key := client.ObjectKey{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}
	if err := p.Client.Get(ctx, key, set); apierrors.IsNotFound(err) {
		p.fc.Status.Collectors = v1alpha1.CollectorCounts{Summary: "0/0"}
		if p.invalid {
			p.set(v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, reasonInvalidConfiguration,
				"the DaemonSet %s is not made until ConfigurationValid is True", key.Name)
			p.notProgressing()
			return nil
		}
		p.set(v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, reasonStarting, "the DaemonSet %s is being made", key.Name)
		p.set(v1alpha1.ConditionProgressing, metav1.ConditionTrue, reasonRolling, "the fleet is being made")
		return nil
	} else if err != nil {
		return fmt.Errorf("reading DaemonSet %s: %w", key, err)
	}
	pods, err := p.pods(ctx)
	if err != nil {
		return err
	}
	updating := p.judgeProgress(set)
	p.judgeAvailability(set, pods, updating)
	return nil
}

// judgeProgress says in Progressing whether pods are being replaced, and reports it.
func (p *pass) judgeProgress(set *appsv1.DaemonSet) bool {
	s := &set.Status
	if p.invalid {
		p.notProgressing()
		return false
	}
	if s.ObservedGeneration < set.Generation || slices.Contains(p.applied, "DaemonSet") {
		p.set(v1alpha1.ConditionProgressing, metav1.ConditionTrue, reasonRolling, "Kubernetes takes up the present spec")
		return true
	}
	if s.UpdatedNumberScheduled < s.DesiredNumberScheduled {
		p.set(v1alpha1.ConditionProgressing, metav1.ConditionTrue, reasonRolling, "%d of %d collectors have the present spec",
			s.UpdatedNumberScheduled, s.DesiredNumberScheduled)
		return true
	}
	p.set(v1alpha1.ConditionProgressing, metav1.ConditionFalse, reasonSettled, "all collectors have the present spec")
	return false
}

// notProgressing says that nothing comes of the present spec.
func (p *pass) notProgressing() {
	p.set(v1alpha1.ConditionProgressing, metav1.ConditionFalse, reasonInvalidConfiguration,
		"what runs is left as it is until ConfigurationValid is True")
}

// judgeAvailability counts the collectors, and says in CollectorsAvailable whether each node has one.
func (p *pass) judgeAvailability(set *appsv1.DaemonSet, pods []corev1.Pod, updating bool) {
	s := &set.Status
	desired := int(s.DesiredNumberScheduled)
	ready := min(max(readyNodes(pods), int(s.NumberReady)), desired)
	available := min(max(readyNodes(pods), int(s.NumberAvailable)), desired)
	p.fc.Status.Collectors = v1alpha1.CollectorCounts{
		Desired: s.DesiredNumberScheduled,
		Ready:   int32(ready),
		Updated: s.UpdatedNumberScheduled,
		Summary: fmt.Sprintf("%d/%d", ready, desired),
	}
	say := func(status metav1.ConditionStatus, reason, format string, args ...any) {
		p.set(v1alpha1.ConditionCollectorsAvailable, status, reason, format, args...)
	}
	unavailable := desired - available
	switch {
	case s.ObservedGeneration == 0:
		say(metav1.ConditionFalse, reasonStarting, "Kubernetes has not looked at the DaemonSet %s yet", set.Name)
		return
	case desired == 0:
		say(metav1.ConditionFalse, reasonNoNodes, "no node is to have a collector: look at spec.collector.nodeSelector, affinity and "+
			"tolerations")
		return
	case unavailable <= 0:
		say(metav1.ConditionTrue, reasonAvailable, "%d of %d nodes have a collector that is ready", desired, desired)
		return
	}
	troubles := podTroubles(pods)
	message := fmt.Sprintf("%d of %d nodes are without a collector that is ready", unavailable, desired)
	if len(troubles) > 0 {
		message += ": " + strings.Join(troubles, "; ")
	} else if s.CurrentNumberScheduled < s.DesiredNumberScheduled {
		message += fmt.Sprintf(": pods are not made, see kubectl describe daemonset %s -n %s", set.Name, set.Namespace)
	}
	switch {
	case updating && unavailable <= allowedUnavailable(set):
		say(metav1.ConditionTrue, reasonRolling, "%s, as the update strategy allows", message)
	case len(troubles) == 0 && ready == 0:
		say(metav1.ConditionFalse, reasonStarting, "%s", message)
	case available == 0:
		say(metav1.ConditionFalse, reasonUnavailable, "%s", message)
	default:
		say(metav1.ConditionFalse, reasonPartlyUnavailable, "%s", message)
	}
}

// readyNodes counts the nodes with a collector that is ready. The DaemonSet's own count looks at the older of two pods of a node,
// and so takes a node for empty whose new collector has taken over.
func readyNodes(pods []corev1.Pod) int {
	nodes := make(map[string]bool)
	for i := range pods {
		if pods[i].DeletionTimestamp.IsZero() && isReady(&pods[i]) {
			nodes[pods[i].Spec.NodeName] = true
		}
	}
	return len(nodes)
}

// allowedUnavailable is how many nodes a rolling update may leave without a collector.
func allowedUnavailable(set *appsv1.DaemonSet) int {
	r := set.Spec.UpdateStrategy.RollingUpdate
	if r == nil || r.MaxUnavailable == nil {
		return 0
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(r.MaxUnavailable, int(set.Status.DesiredNumberScheduled), true)
	if err != nil {
		return 0
	}
	return n
}

// pods of the fleet.
func (p *pass) pods(ctx context.Context) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	if err := p.Client.List(ctx, list, client.InNamespace(p.fc.Namespace), client.MatchingLabels(fleet.Selector(p.fc))); err != nil {
		return nil, fmt.Errorf("listing the collectors of FlowCollector %s: %w", client.ObjectKeyFromObject(p.fc), err)
	}
	return list.Items, nil
}

// maxTroubles bounds what a condition tells.
const maxTroubles = 3

// podTroubles says what keeps pods from being ready, each reason once with how many have it.
func podTroubles(pods []corev1.Pod) []string {
	counts := make(map[string]int)
	example := make(map[string]string)
	for i := range pods {
		if reason := podTrouble(&pods[i]); reason != "" {
			counts[reason]++
			example[reason] = max(example[reason], pods[i].Name)
		}
	}
	var out []string
	for reason, n := range counts {
		out = append(out, fmt.Sprintf("%s (%d, such as pod %s)", reason, n, example[reason]))
	}
	slices.Sort(out)
	if more := len(out) - maxTroubles; more > 0 {
		out = append(out[:maxTroubles], fmt.Sprintf("and %d other reasons", more))
	}
	return out
}

// podTrouble is empty for a pod that is well, or merely starting.
func podTrouble(pod *corev1.Pod) string {
	if !pod.DeletionTimestamp.IsZero() {
		return ""
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "cannot be scheduled: " + c.Message + portsTaken(pod, c.Message)
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "ContainerCreating" && s.State.Waiting.Reason != "PodInitializing":
			trouble := s.State.Waiting.Reason
			if t := s.LastTerminationState.Terminated; t != nil {
				trouble += fmt.Sprintf(", ended last with exit code %d (%s)", t.ExitCode, t.Reason)
			} else if s.State.Waiting.Message != "" {
				trouble += ": " + s.State.Waiting.Message
			}
			return trouble
		case s.State.Terminated != nil:
			return fmt.Sprintf("ended with exit code %d (%s)", s.State.Terminated.ExitCode, s.State.Terminated.Reason)
		}
	}
	return ""
}

// portsTaken says what to do where the scheduler finds a node's ports taken, for which it has only these words.
func portsTaken(pod *corev1.Pod, message string) string {
	if !pod.Spec.HostNetwork || !strings.Contains(message, "free ports") {
		return ""
	}
	var ports []string
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			ports = append(ports, fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol))
		}
	}
	return fmt.Sprintf(" (with collector.hostNetwork each fleet needs ports of its own on a node: another pod has one of %s; choose other "+
		"ports of listeners and collector.metricsPort, or other nodes by collector.nodeSelector)", strings.Join(ports, ", "))
}
