package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
)

// MetricsPortName is the name of the port for metrics and health, of pods and of the Service for metrics.
const MetricsPortName = "metrics"

// ContainerSecurity is that of each container of ours: it meets the restricted Pod Security standard, and has a root that it cannot write.
func ContainerSecurity() *coreac.SecurityContextApplyConfiguration {
	return coreac.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithReadOnlyRootFilesystem(true).
		WithCapabilities(coreac.Capabilities().WithDrop("ALL"))
}

// Probe asks a path of the port MetricsPortName.
func Probe(path string) *coreac.ProbeApplyConfiguration {
	return coreac.Probe().
		WithHTTPGet(coreac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(MetricsPortName))).
		WithTimeoutSeconds(3)
}

// FromField is a variable with the value of a field of the pod.
func FromField(name, field string) *coreac.EnvVarApplyConfiguration {
	return coreac.EnvVar().WithName(name).WithValueFrom(coreac.EnvVarSource().
		WithFieldRef(coreac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(field)))
}

// LimitMemory has Go's runtime keep to nine tenths of a container's limit, if it has one.
func LimitMemory(container *coreac.ContainerApplyConfiguration, resources *corev1.ResourceRequirements) {
	if limit := resources.Limits.Memory(); !limit.IsZero() {
		container.WithEnv(coreac.EnvVar().WithName("GOMEMLIMIT").WithValue(strconv.FormatInt(limit.Value()/10*9, 10)))
	}
}

// Convert turns a type of the API into its apply configuration: both have the same fields, but the latter knows which are set.
func Convert[T any](from any) (*T, error) {
	b, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("writing %T: %w", from, err)
	}
	to := new(T)
	if err := json.Unmarshal(b, to); err != nil {
		return nil, fmt.Errorf("reading %T: %w", to, err)
	}
	return to, nil
}

// ImageOf returns the image of the collector in a pod, where others may have added containers of their own; empty where it has none.
func ImageOf(pod *corev1.PodSpec) string {
	for i := range pod.Containers {
		if pod.Containers[i].Name == Component {
			return pod.Containers[i].Image
		}
	}
	return ""
}

// IsReady reports whether a pod's readiness probe is answered.
func IsReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
