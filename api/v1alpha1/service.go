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
// +kubebuilder:validation:XValidation:rule="!has(self.allocateLoadBalancerNodePorts) || !has(self.type) || self.type == 'LoadBalancer'",message="service.allocateLoadBalancerNodePorts: it needs the type LoadBalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.healthCheckNodePort) || (!has(self.type) || self.type == 'LoadBalancer') && (!has(self.externalTrafficPolicy) || self.externalTrafficPolicy == 'Local')",message="service.healthCheckNodePort: it needs the type LoadBalancer and the externalTrafficPolicy Local, because no other Service has that port"
// +kubebuilder:validation:XValidation:rule="!has(self.sessionAffinityTimeout) || has(self.sessionAffinity) && self.sessionAffinity == 'ClientIP'",message="service.sessionAffinityTimeout: it needs the sessionAffinity ClientIP"
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || size(self.ipFamilies) < 2 || has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack'",message="service.ipFamilyPolicy: two ipFamilies need PreferDualStack or RequireDualStack"
// +kubebuilder:validation:XValidation:rule="has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && (!has(self.loadBalancerClass) || self.loadBalancerClass == oldSelf.loadBalancerClass) || (has(oldSelf.type) && oldSelf.type != 'LoadBalancer') || (has(self.type) && self.type != 'LoadBalancer')",message="service.loadBalancerClass: Kubernetes does not let it change; set service.type to ClusterIP without a class first, then both anew"
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || !has(oldSelf.ipFamilies) || self.ipFamilies[0] == oldSelf.ipFamilies[0] || (has(oldSelf.type) && oldSelf.type == 'None') || (has(self.type) && self.type == 'None')",message="service.ipFamilies: Kubernetes does not let the first family of a Service change; set service.type to None first, which removes it, then both anew"
// +kubebuilder:validation:XValidation:rule="!has(self.healthCheckNodePort) || has(oldSelf.healthCheckNodePort) && self.healthCheckNodePort == oldSelf.healthCheckNodePort || has(oldSelf.type) && oldSelf.type != 'LoadBalancer' || has(oldSelf.externalTrafficPolicy) && oldSelf.externalTrafficPolicy != 'Local'",message="service.healthCheckNodePort: Kubernetes does not let it change; set service.type to ClusterIP without it first, then both anew"
type Service struct {
	// type of the Service. Default LoadBalancer.
	// +optional
	// +kubebuilder:default=LoadBalancer
	Type ServiceType `json:"type,omitempty"`

	// annotations of the Service, such as those that a load balancer reads, up to 256.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the Service, beside the operator's own.
	// +optional
	Labels Labels `json:"labels,omitempty"`

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

	// internalTrafficPolicy is about exporters in the cluster. Local sends what a pod or a node exports to the collector of the same
	// node; where that node has no collector, it is lost. Cluster sends it to any collector. Default Cluster.
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	InternalTrafficPolicy *corev1.ServiceInternalTrafficPolicy `json:"internalTrafficPolicy,omitempty"`

	// allocateLoadBalancerNodePorts: with false, a Service of the type LoadBalancer gets no node ports. Use it where the load balancer
	// brings datagrams to nodes or pods at its own address, as MetalLB, Cilium and kube-vip do; many clouds' need node ports. A Service
	// that has node ports keeps them: to be rid of them, set service.type to ClusterIP, then to LoadBalancer again. Default true.
	// +optional
	AllocateLoadBalancerNodePorts *bool `json:"allocateLoadBalancerNodePorts,omitempty"`

	// healthCheckNodePort is the port (TCP) on which nodes tell a load balancer whether they have a collector that is ready: 1 to
	// 65535, and within the cluster's range (30000 to 32767 by default). A Service keeps the one that
	// it has: to choose another, set service.type to ClusterIP first. Default: the cluster chooses one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	HealthCheckNodePort int32 `json:"healthCheckNodePort,omitempty"`

	// sessionAffinity: ClientIP keeps an exporter on one collector while that collector lives. Decoding does not need it. Default
	// None.
	// +optional
	// +kubebuilder:default=None
	// +kubebuilder:validation:Enum=None;ClientIP
	SessionAffinity corev1.ServiceAffinity `json:"sessionAffinity,omitempty"`

	// sessionAffinityTimeout is after how long without a datagram an exporter may come to another collector, in whole seconds, 1s to
	// 24h. It needs the sessionAffinity ClientIP. Default 3h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h') && !self.matches('[.]|ms')",message="service.sessionAffinityTimeout: whole seconds from 1s to 24h are possible, such as 90s or 10m"
	SessionAffinityTimeout *Duration `json:"sessionAffinityTimeout,omitempty"`
}
