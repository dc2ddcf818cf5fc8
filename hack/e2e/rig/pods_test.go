package rig

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEachPodThatDoesNotRunSaysWhy(t *testing.T) {
	pod := func(name string, status corev1.PodStatus) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}, Status: status}
	}
	container := func(ready bool, state corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Ready: ready, State: state}}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	got := waiting([]corev1.Pod{
		pod("pulls", container(false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}})),
		pod("runs", container(true, running)),
		pod("begins", container(false, running)),
		pod("ended", container(false, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1}})),
		pod("prepares", corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{
			{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
			{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}}),
		pod("homeless", corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes"}}}),
	})
	want := strings.Join([]string{
		"pod demo/pulls: ImagePullBackOff: no such image", "pod demo/begins: it runs, and is not ready", "pod demo/ended: Error",
		"pod demo/prepares: CrashLoopBackOff",
		"pod demo/homeless: Unschedulable: 0/3 nodes",
	}, "\n")
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
