package fleet

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// MetricsPort is where a collector's pod serves metrics, health and status: the port that it was made with, since the spec may have been
// changed after that, and the spec's where the pod does not say.
func MetricsPort(c *v1alpha1.FlowCollector, pod *corev1.Pod) int32 {
	return cmp.Or(MetricsPortOf(pod, Component), c.Spec.Collector.MetricsPort)
}

// MetricsPortOf is where the container of a name in a pod serves metrics, 0 where the pod does not say. Others may have put containers of their own
// before it.
func MetricsPortOf(pod *corev1.Pod, container string) int32 {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name != container {
			continue
		}
		for _, p := range pod.Spec.Containers[i].Ports {
			if p.Name == MetricsPortName && p.ContainerPort > 0 {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// Service is what exporters send to; nil for the type None. It has UDP ports only.
func (f *Fleet) Service() *coreac.ServiceApplyConfiguration {
	s := &f.Collector.Spec.Service
	if s.Type == v1alpha1.ServiceNone {
		return nil
	}
	spec := coreac.ServiceSpec().
		WithType(corev1.ServiceType(s.Type)).
		WithSelector(Selector(f.Collector)).
		WithSessionAffinity(s.SessionAffinity)
	if s.Type != v1alpha1.ServiceClusterIP {
		spec.WithExternalTrafficPolicy(s.ExternalTrafficPolicy)
	}
	if s.LoadBalancerClass != nil {
		spec.WithLoadBalancerClass(*s.LoadBalancerClass)
	}
	if s.AllocateLoadBalancerNodePorts != nil {
		spec.WithAllocateLoadBalancerNodePorts(*s.AllocateLoadBalancerNodePorts)
	}
	if s.HealthCheckNodePort != 0 {
		spec.WithHealthCheckNodePort(s.HealthCheckNodePort)
	}
	if s.InternalTrafficPolicy != nil {
		spec.WithInternalTrafficPolicy(*s.InternalTrafficPolicy)
	}
	if s.SessionAffinityTimeout != nil {
		spec.WithSessionAffinityConfig(coreac.SessionAffinityConfig().
			WithClientIP(coreac.ClientIPConfig().WithTimeoutSeconds(int32(s.SessionAffinityTimeout.Std().Seconds()))))
	}
	spec.WithLoadBalancerSourceRanges(s.LoadBalancerSourceRanges...)
	spec.WithIPFamilies(s.IPFamilies...)
	if s.IPFamilyPolicy != nil {
		spec.WithIPFamilyPolicy(*s.IPFamilyPolicy)
	}
	for _, l := range f.Collector.Spec.Listeners {
		port := coreac.ServicePort().
			WithName(l.Name).
			WithProtocol(corev1.ProtocolUDP).
			WithPort(l.Port).
			WithTargetPort(intstr.FromString(l.Name))
		if l.NodePort != 0 && s.Type != v1alpha1.ServiceClusterIP {
			port.WithNodePort(l.NodePort)
		}
		spec.WithPorts(port)
	}
	return coreac.Service(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels(s.Labels)).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithAnnotations(s.Annotations).
		WithOwnerReferences(f.owner()).
		WithSpec(spec)
}

// MetricsService is headless and inside the cluster only. It finds collectors that are not ready too: their metrics matter
// most.
func (f *Fleet) MetricsService() *coreac.ServiceApplyConfiguration {
	return coreac.Service(MetricsName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithSpec(coreac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(Selector(f.Collector)).
			WithPorts(coreac.ServicePort().
				WithName(MetricsPortName).
				WithProtocol(corev1.ProtocolTCP).
				WithPort(f.Collector.Spec.Collector.MetricsPort).
				WithTargetPort(intstr.FromString(MetricsPortName))))
}
