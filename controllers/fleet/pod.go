package fleet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// security is the pods' security context. It meets the restricted Pod Security standard whatever the spec says.
func (f *Fleet) security() (*coreac.PodSecurityContextApplyConfiguration, error) {
	s := &f.Collector.Spec.Collector.SecurityContext
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

// surroundings are what the spec adds to the pod around the collector's container.
func (f *Fleet) surroundings(pod *coreac.PodSpecApplyConfiguration) error {
	c := &f.Collector.Spec.Collector
	if c.RuntimeClassName != "" {
		pod.WithRuntimeClassName(c.RuntimeClassName)
	}
	if c.DNSPolicy != "" {
		pod.WithDNSPolicy(c.DNSPolicy)
	}
	if c.DNSConfig != nil {
		dns, err := Convert[coreac.PodDNSConfigApplyConfiguration](c.DNSConfig)
		if err != nil {
			return err
		}
		pod.WithDNSConfig(dns)
	}
	for i := range c.InitContainers {
		container, err := Convert[coreac.ContainerApplyConfiguration](&c.InitContainers[i])
		if err != nil {
			return err
		}
		pod.WithInitContainers(container)
	}
	for i := range c.Sidecars {
		container, err := Convert[coreac.ContainerApplyConfiguration](&c.Sidecars[i])
		if err != nil {
			return err
		}
		pod.WithContainers(container)
	}
	return nil
}

// Problems says what of a spec cannot become pods, which its schema leaves open.
func Problems(c *v1alpha1.FlowCollector) []string {
	var out []string
	seen := map[string]string{component: "the collector's own"}
	if c.Spec.Collector.NodeTuning == v1alpha1.NodeTuningReceiveBuffer {
		seen[tuningContainer] = "the operator's own"
	}
	for _, list := range []struct {
		path       string
		containers []v1alpha1.Container
	}{{"collector.initContainers", c.Spec.Collector.InitContainers}, {"collector.sidecars", c.Spec.Collector.Sidecars}} {
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
			if other, ok := seen[container.Name]; ok {
				out = append(out, fmt.Sprintf("%s.name: %q is %s name too", path, container.Name, other))
			}
			seen[container.Name] = path + "'s"
		}
	}
	d := &c.Spec.Collector
	if cmp.Or(d.DNSPolicy, corev1.DNSClusterFirst) == corev1.DNSNone && (d.DNSConfig == nil || len(d.DNSConfig.Nameservers) == 0) {
		out = append(out, "collector.dnsConfig.nameservers: the dnsPolicy None needs at least one")
	}
	return out
}
