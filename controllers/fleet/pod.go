package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// PodSecurity is the security context of pods. It meets the restricted Pod Security standard whatever the spec says.
func PodSecurity(s *v1alpha1.SecurityContext) (*coreac.PodSecurityContextApplyConfiguration, error) {
	out := coreac.PodSecurityContext().
		WithRunAsNonRoot(true).
		WithSeccompProfile(coreac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
	if !s.AssignedByPlatform {
		out.WithRunAsUser(orUnprivileged(s.RunAsUser)).WithRunAsGroup(orUnprivileged(s.RunAsGroup)).WithFSGroup(orUnprivileged(s.FSGroup))
	}
	if s.SELinuxOptions != nil {
		options, err := Convert[coreac.SELinuxOptionsApplyConfiguration](s.SELinuxOptions)
		if err != nil {
			return nil, err
		}
		out.WithSELinuxOptions(options)
	}
	return out, nil
}

func orUnprivileged(id *int64) int64 {
	if id == nil {
		return unprivilegedUser
	}
	return *id
}

// AddToContainer adds what a spec asks for of pods to their own container, after what the operator sets itself.
func AddToContainer(container *coreac.ContainerApplyConfiguration, spec *v1alpha1.Pod) error {
	if spec.ImagePullPolicy != "" {
		container.WithImagePullPolicy(spec.ImagePullPolicy)
	}
	if err := each(spec.Env, container.WithEnv); err != nil {
		return err
	}
	if err := each(spec.EnvFrom, container.WithEnvFrom); err != nil {
		return err
	}
	return each(spec.VolumeMounts, container.WithVolumeMounts)
}

// AddToPod adds what a spec asks for of pods, which selector selects, to one that has its own container, volumes and security context.
func AddToPod(pod *coreac.PodSpecApplyConfiguration, spec *v1alpha1.Pod, selector map[string]string) error {
	pod.WithNodeSelector(spec.NodeSelector)
	name(&pod.ServiceAccountName, spec.ServiceAccountName)
	name(&pod.PriorityClassName, spec.PriorityClassName)
	name(&pod.RuntimeClassName, spec.RuntimeClassName)
	if spec.DNSPolicy != "" {
		pod.WithDNSPolicy(spec.DNSPolicy)
	}
	if spec.TerminationGracePeriodSeconds != nil {
		pod.WithTerminationGracePeriodSeconds(*spec.TerminationGracePeriodSeconds)
	}
	if spec.DNSConfig != nil {
		dns, err := Convert[coreac.PodDNSConfigApplyConfiguration](spec.DNSConfig)
		if err != nil {
			return err
		}
		pod.WithDNSConfig(dns)
	}
	if spec.Affinity != nil {
		affinity, err := Convert[coreac.AffinityApplyConfiguration](spec.Affinity)
		if err != nil {
			return err
		}
		pod.WithAffinity(affinity)
	}
	before := len(pod.TopologySpreadConstraints)
	for _, err := range []error{
		each(spec.InitContainers, pod.WithInitContainers),
		each(spec.Sidecars, pod.WithContainers),
		each(spec.Volumes, pod.WithVolumes),
		each(spec.ImagePullSecrets, pod.WithImagePullSecrets),
		each(spec.Tolerations, pod.WithTolerations),
		each(spec.TopologySpreadConstraints, pod.WithTopologySpreadConstraints),
	} {
		if err != nil {
			return err
		}
	}
	for i := before; i < len(pod.TopologySpreadConstraints); i++ {
		if c := &pod.TopologySpreadConstraints[i]; c.LabelSelector == nil { // Kubernetes would count no pods
			c.WithLabelSelector(metaac.LabelSelector().WithMatchLabels(selector))
		}
	}
	return nil
}

// name sets a name, unless the spec gives none.
func name(to **string, given string) {
	if given != "" {
		*to = &given
	}
}

// each adds apply configurations of elements of the API.
func each[From, To, Owner any](elements []From, add func(...*To) Owner) error {
	for i := range elements {
		element, err := Convert[To](&elements[i])
		if err != nil {
			return err
		}
		add(element)
	}
	return nil
}

// Problems says what of a spec cannot become pods, which its schema leaves open.
func Problems(c *v1alpha1.FlowCollector) []string {
	taken := map[string]string{Component: "the collector's own"}
	if c.Spec.Collector.NodeTuning == v1alpha1.NodeTuningReceiveBuffer {
		taken[tuningContainer] = "the operator's own"
	}
	return PodProblems("collector", &c.Spec.Collector.Pod, taken)
}

// PodProblems says what of the section path of a spec cannot become pods, which its schema leaves open. Taken are names of containers that the
// pods have besides, with whose they are.
func PodProblems(path string, spec *v1alpha1.Pod, taken map[string]string) []string {
	var out []string
	for _, list := range []struct {
		path       string
		containers []v1alpha1.Container
	}{{path + ".initContainers", spec.InitContainers}, {path + ".sidecars", spec.Sidecars}} {
		for i := range list.containers {
			path := fmt.Sprintf("%s[%d]", list.path, i)
			var container corev1.Container
			decoder := json.NewDecoder(bytes.NewReader(list.containers[i].Raw))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&container); err != nil {
				out = append(out, fmt.Sprintf("%s: it is no container as Kubernetes has it: %v", path, err))
				continue
			}
			if container.Name == "" || container.Image == "" {
				out = append(out, path+": name and image are required")
			}
			if other, ok := taken[container.Name]; ok {
				out = append(out, fmt.Sprintf("%s.name: %q is %s name too", path, container.Name, other))
			}
			taken[container.Name] = path + "'s"
		}
	}
	if spec.DNSPolicy == corev1.DNSNone && (spec.DNSConfig == nil || len(spec.DNSConfig.Nameservers) == 0) {
		out = append(out, path+".dnsConfig.nameservers: the dnsPolicy None needs at least one")
	}
	return out
}
