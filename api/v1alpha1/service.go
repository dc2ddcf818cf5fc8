package v1alpha1

import corev1 "k8s.io/api/core/v1"

// ServiceType is the kind of the Service that exporters send to.
//
// +kubebuilder:validation:Enum=LoadBalancer;NodePort;ClusterIP;None
type ServiceType string

// The types. None makes no Service: for collectors on the host network.
const (
	ServiceLoadBalancer ServiceType = "LoadBalancer"
	ServiceNodePort     ServiceType = "NodePort"
	ServiceClusterIP    ServiceType = "ClusterIP"
	ServiceNone         ServiceType = "None"
)

// Service is the Service that exporters send to. It has UDP ports only. Metrics have a Service of their own inside the cluster.
//
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancerClass) || !has(self.type) || self.type == 'LoadBalancer'",message="service.loadBalancerClass: it needs the type LoadBalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancerSourceRanges) || !has(self.type) || self.type == 'LoadBalancer'",message="service.loadBalancerSourceRanges: they need the type LoadBalancer; exporters.allowedNetworks works with every type"
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || size(self.ipFamilies) < 2 || has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack'",message="service.ipFamilyPolicy: two ipFamilies need PreferDualStack or RequireDualStack"
// +kubebuilder:validation:XValidation:rule="has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && (!has(self.loadBalancerClass) || self.loadBalancerClass == oldSelf.loadBalancerClass) || (has(oldSelf.type) && oldSelf.type != 'LoadBalancer') || (has(self.type) && self.type != 'LoadBalancer')",message="service.loadBalancerClass: Kubernetes does not let it change; set service.type to ClusterIP without a class first, then both anew"
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || !has(oldSelf.ipFamilies) || self.ipFamilies[0] == oldSelf.ipFamilies[0] || (has(oldSelf.type) && oldSelf.type == 'None') || (has(self.type) && self.type == 'None')",message="service.ipFamilies: Kubernetes does not let the first family of a Service change; set service.type to None first, which removes it, then both anew"
type Service struct {
	// type of the Service. Default LoadBalancer.
	// +optional
	// +kubebuilder:default=LoadBalancer
	Type ServiceType `json:"type,omitempty"`

	// annotations of the Service, such as those that a load balancer reads.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the Service, beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="!('app.kubernetes.io/name' in self || 'app.kubernetes.io/instance' in self || 'app.kubernetes.io/component' in self || 'app.kubernetes.io/managed-by' in self)",message="the operator sets the labels app.kubernetes.io/name, instance, component and managed-by itself; choose others"
	Labels map[string]string `json:"labels,omitempty"`

	// loadBalancerClass chooses the load balancer's implementation.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`

	// loadBalancerSourceRanges are the networks (CIDR) that the load balancer lets through.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="a network such as 10.0.0.0/8 is needed"
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`

	// ipFamilies of the Service: IPv4, IPv6 or both. The first cannot change. Collectors listen on both in any case. Default: the
	// cluster's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=IPv4;IPv6
	// +kubebuilder:validation:XValidation:rule="size(self) < 2 || self[0] != self[1]",message="service.ipFamilies: the same family stands there twice; leave one out"
	IPFamilies []corev1.IPFamily `json:"ipFamilies,omitempty"`

	// ipFamilyPolicy of the Service: SingleStack, PreferDualStack or RequireDualStack. Default: the cluster's.
	// +optional
	// +kubebuilder:validation:Enum=SingleStack;PreferDualStack;RequireDualStack
	IPFamilyPolicy *corev1.IPFamilyPolicy `json:"ipFamilyPolicy,omitempty"`

	// externalTrafficPolicy: Local keeps the exporter's address, to which flows are attributed. Cluster replaces it by a node's
	// address, so that all exporters look like one. Default Local.
	// +optional
	// +kubebuilder:default=Local
	// +kubebuilder:validation:Enum=Local;Cluster
	ExternalTrafficPolicy corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`

	// sessionAffinity: ClientIP keeps an exporter on one collector while that collector lives. Decoding does not need it. Default
	// None.
	// +optional
	// +kubebuilder:default=None
	// +kubebuilder:validation:Enum=None;ClientIP
	SessionAffinity corev1.ServiceAffinity `json:"sessionAffinity,omitempty"`
}
