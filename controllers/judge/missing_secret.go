package judge

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// secretMissing says which Secret to make where a container ended for want of a file of one: the container knows the file only, and the
// operator may not be allowed to read Secrets. It is empty for other troubles.
func secretMissing(pod *corev1.Pod, trouble string) string {
	if !strings.Contains(trouble, "no such file or directory") {
		return ""
	}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			for _, volume := range pod.Spec.Volumes {
				if volume.Name != mount.Name || volume.Projected == nil {
					continue
				}
				for _, source := range volume.Projected.Sources {
					if source.Secret == nil {
						continue
					}
					for _, item := range source.Secret.Items {
						if strings.Contains(trouble, path.Join(mount.MountPath, item.Path)+":") {
							return fmt.Sprintf(" (this is the key %s of the Secret %s, which is missing or does not have it: kubectl describe secret %s -n %s)",
								item.Key, source.Secret.Name, source.Secret.Name, pod.Namespace)
						}
					}
				}
			}
		}
	}
	return ""
}
