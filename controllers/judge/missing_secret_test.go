package judge

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestACollectorThatLacksASecretsFileIsToldWithTheSecret(t *testing.T) {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "flows"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "collector", VolumeMounts: []corev1.VolumeMount{
			{Name: "configuration", MountPath: "/etc/flowfleet"}, {Name: "nats", MountPath: "/var/run/secrets/flowfleet/nats"}}}},
		Volumes: []corev1.Volume{
			{Name: "configuration", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
			{Name: "nats", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &corev1.ConfigMapProjection{}},
				secretFile("nats-ca", "ca.crt", "ca.crt"), secretFile("nats-collector", "collector.creds", "user.creds")}}}}},
	}}
	for words, want := range map[string]string{
		"nats: open /var/run/secrets/flowfleet/nats/user.creds: no such file or directory": "the key collector.creds of the Secret nats-collector, which is missing " +
			"or does not have it: kubectl describe secret nats-collector -n flows",
		"nats: open /var/run/secrets/flowfleet/nats/ca.crt: no such file or directory": "of the Secret nats-ca,",
		"reading /etc/flowfleet/collector.yaml: no such file or directory":             "",
		"open /var/run/secrets/flowfleet/nats/user.creds: permission denied":           "",
	} {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "collector",
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "collector: " + words}}}}
		switch got := podTrouble(&pod); {
		case want == "" && strings.Contains(got, "Secret"):
			t.Errorf("%s: %s", words, got)
		case !strings.Contains(got, words) || !strings.Contains(got, want):
			t.Errorf("%s: %s, want it with %q", words, got, want)
		}
	}
}

func secretFile(secret, key, file string) corev1.VolumeProjection {
	return corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret},
		Items: []corev1.KeyToPath{{Key: key, Path: file}}}}
}
