package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/redact"
)

// readyNodes are the nodes with a collector that is ready.
func readyNodes(pods []corev1.Pod) map[string]bool {
	nodes := make(map[string]bool)
	for i := range pods {
		if pods[i].DeletionTimestamp.IsZero() && fleet.IsReady(&pods[i]) {
			nodes[pods[i].Spec.NodeName] = true
		}
	}
	return nodes
}

// waitingNodes is how many nodes have a collector that is not ready, and none of those that are.
func waitingNodes(pods []corev1.Pod, ready map[string]bool) int {
	nodes := make(map[string]bool)
	for i := range pods {
		if node := nodeOf(&pods[i]); node != "" && !ready[node] && pods[i].DeletionTimestamp.IsZero() {
			nodes[node] = true
		}
	}
	return len(nodes)
}

// endingNodes is how many nodes have collectors that end, and no other. One whose time is up long since is of a node that is lost, and may be asked
// for there.
func endingNodes(pods []corev1.Pod, now time.Time) int {
	ends := make(map[string]bool)
	for i := range pods {
		node, end := nodeOf(&pods[i]), pods[i].DeletionTimestamp
		ending := end != nil && now.Sub(end.Time) < lateAfter
		if before, known := ends[node]; !known || before {
			ends[node] = ending
		}
	}
	n := 0
	for _, ending := range ends {
		if ending {
			n++
		}
	}
	return n
}

// nodeOf is the node that a DaemonSet made a pod for: before it is scheduled, its affinity says so.
func nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" || pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return pod.Spec.NodeName
	}
	if required := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		for _, term := range required.NodeSelectorTerms {
			for _, field := range term.MatchFields {
				if field.Key == "metadata.name" && len(field.Values) == 1 {
					return field.Values[0]
				}
			}
		}
	}
	return ""
}

// maxTroubles bounds what a condition tells.
const maxTroubles = 3

// PodTroubles says what keeps pods from being ready, each reason once with how many have it. own is the name of the container that is neither a
// sidecar nor runs before, and now is by the API server's clock.
func PodTroubles(pods []corev1.Pod, own string, now time.Time) []string {
	counts := make(map[string]int)
	example := make(map[string]string)
	for i := range pods {
		if reason := podTrouble(&pods[i], own, now); reason != "" {
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

// lateAfter is for how long a pod may do without a word what takes a moment on most nodes: to begin to start, and to be gone when it should be.
const lateAfter = time.Minute

// podTrouble is empty for a pod that is well, or merely starting or ending.
func podTrouble(pod *corev1.Pod, own string, now time.Time) string {
	if end := pod.DeletionTimestamp; end != nil { // until when it was given time
		if now.Sub(end.Time) < lateAfter {
			return ""
		}
		return "does not end, though its time is up: is its node there, and who keeps it (kubectl get pod -o yaml, finalizers)?"
	}
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "" { // a node did not take it, or made it end; its containers say less
		return strings.TrimSuffix("failed, "+pod.Status.Reason+": "+redact.Words(pod.Status.Message), ": ")
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "cannot be scheduled: " + c.Message + portsTaken(pod, c.Message)
		}
	}
	// While a container before the collector does not end well, those after it wait without another reason.
	for i := range pod.Status.InitContainerStatuses {
		s := &pod.Status.InitContainerStatuses[i]
		if trouble := containerTrouble(s); trouble != "" && (s.State.Terminated == nil || s.State.Terminated.ExitCode != 0) {
			return fmt.Sprintf("container %s: %s", s.Name, trouble)
		}
	}
	beside := ""
	for i := range pod.Status.ContainerStatuses {
		s := &pod.Status.ContainerStatuses[i]
		switch trouble := containerTrouble(s); {
		case trouble == "":
		case s.Name == "" || s.Name == own:
			return trouble
		case beside == "":
			beside = fmt.Sprintf("container %s: %s", s.Name, trouble)
		}
	}
	if beside != "" {
		return beside
	}
	if started := pod.Status.StartTime; started != nil && now.Sub(started.Time) >= lateAfter && begins(pod) {
		return lateStart(pod)
	}
	return ""
}

// begins reports whether a node has taken a pod, and none of its containers has run yet.
func begins(pod *corev1.Pod) bool {
	all := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	return len(all) > 0 && !slices.ContainsFunc(all, func(s corev1.ContainerStatus) bool {
		return s.State.Waiting == nil || s.LastTerminationState.Terminated != nil
	})
}

// lateStart is all that a pod tells of what its node waits for: the rest is in events.
func lateStart(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionFalse {
			return "is not started yet, since its volumes or its network are not there: kubectl describe pod says which"
		}
	}
	return "is not started yet, since its image or a volume is not there: kubectl describe pod says which"
}

// containerTrouble is empty for a container that runs, or merely starts.
func containerTrouble(s *corev1.ContainerStatus) string {
	switch {
	case s.State.Waiting != nil && s.State.Waiting.Reason != "ContainerCreating" && s.State.Waiting.Reason != "PodInitializing":
		trouble := s.State.Waiting.Reason
		if t := s.LastTerminationState.Terminated; t != nil {
			trouble += ", ended last with " + ending(t)
		} else if s.State.Waiting.Message != "" {
			trouble += ": " + redact.Words(s.State.Waiting.Message)
		}
		return trouble
	case s.State.Terminated != nil:
		return "ended with " + ending(s.State.Terminated)
	}
	return ""
}

// maxLastWords of a collector in a message, in bytes.
const maxLastWords = 300

// ending says how a container ended and, where a collector told, why, without what may be a secret in it: its last line is in the
// pod's status (FallbackToLogsOnError).
func ending(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d (%s)", t.ExitCode, t.Reason)
	lines := strings.Split(strings.TrimSpace(t.Message), "\n")
	if words, ok := strings.CutPrefix(lines[len(lines)-1], "collector: "); ok {
		text += ": " + Cut(redact.Words(words), maxLastWords)
	}
	return text
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
