package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// explained adds to an error why pods of a namespace do not run: they are gone by the time that somebody could look.
func (r *Rig) explained(ctx context.Context, err error, namespace string) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	out, listing := r.Kubectl(ctx, "--namespace", namespace, "get", "pods", "-o", "json")
	var pods corev1.PodList
	if listing != nil || json.Unmarshal([]byte(out), &pods) != nil {
		return err // which says enough where the API server does not answer
	}
	if why := waiting(pods.Items); why != "" {
		return fmt.Errorf("%w\n%s", err, why)
	}
	return err
}

// waiting says of each pod that does not run why, one a line.
func waiting(pods []corev1.Pod) string {
	var lines []string
	for _, pod := range pods {
		say := func(reason, message string) {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("pod %s/%s: %s: %s", pod.Namespace, pod.Name, reason, message), ": "))
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				say(c.Reason, c.Message)
			}
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			switch state := status.State; {
			case state.Terminated != nil && state.Terminated.ExitCode == 0: // it has done what it was to do
			case state.Waiting != nil:
				say(state.Waiting.Reason, state.Waiting.Message)
			case state.Terminated != nil:
				say(state.Terminated.Reason, state.Terminated.Message)
			case !status.Ready:
				say("it runs, and is not ready", "")
			}
		}
	}
	return strings.Join(lines, "\n")
}
