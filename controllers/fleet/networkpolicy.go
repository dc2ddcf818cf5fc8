package fleet

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"
)

// NetworkPolicy lets exporters reach the listeners, and those who watch the metrics; nil where the spec asks for none.
func (f *Fleet) NetworkPolicy() *networkingac.NetworkPolicyApplyConfiguration {
	p := &f.Collector.Spec.NetworkPolicy
	if !p.Enabled {
		return nil
	}
	exporters := networkingac.NetworkPolicyIngressRule()
	for _, n := range f.Collector.Spec.Exporters.AllowedNetworks {
		exporters.WithFrom(networkingac.NetworkPolicyPeer().WithIPBlock(networkingac.IPBlock().WithCIDR(network(n).Masked().String())))
	}
	for _, l := range f.Collector.Spec.Listeners {
		exporters.WithPorts(networkingac.NetworkPolicyPort().WithProtocol(corev1.ProtocolUDP).WithPort(intstr.FromInt32(l.Port)))
	}
	watchers := networkingac.NetworkPolicyIngressRule().WithPorts(networkingac.NetworkPolicyPort().
		WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(f.Collector.Spec.Collector.MetricsPort)))
	if p.MetricsFrom == nil {
		watchers.WithFrom(networkingac.NetworkPolicyPeer().WithNamespaceSelector(metaac.LabelSelector()))
	} else {
		operator := metaac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: f.OperatorNamespace})
		watchers.WithFrom(
			networkingac.NetworkPolicyPeer().WithNamespaceSelector(operator),
			networkingac.NetworkPolicyPeer().WithNamespaceSelector(labelSelector(p.MetricsFrom)))
	}
	return networkingac.NetworkPolicy(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithSpec(networkingac.NetworkPolicySpec().
			WithPodSelector(f.selector()).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(exporters, watchers))
}
