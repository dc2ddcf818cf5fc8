package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FlowCollector is a fleet of collectors for NetFlow, IPFIX and sFlow: a DaemonSet of them, the Service through which
// exporters reach them, the JetStream bucket in which they share what exporters taught, and the stream that flows leave on.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fcol,categories=flowfleet
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Degraded",type=string,JSONPath=`.status.conditions[?(@.type=="Degraded")].status`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Collectors",type=string,JSONPath=`.status.collectors.summary`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Templates",type=integer,JSONPath=`.status.templates`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Bucket",type=string,priority=1,JSONPath=`.status.bucket.name`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",message="metadata.name: a DNS label of at most 40 characters that begins with a letter is needed, because it names objects and is part of the subjects that flows are published on; choose a shorter or simpler name"
type FlowCollector struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the fleet that is wanted.
	// +optional
	// +kubebuilder:default={}
	Spec FlowCollectorSpec `json:"spec,omitzero"`

	// status is the fleet as the operator last saw it.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "the operator has not looked at this object yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status FlowCollectorStatus `json:"status,omitzero"`
}

// FlowCollectorList is a list of FlowCollectors.
//
// +kubebuilder:object:root=true
type FlowCollectorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FlowCollector `json:"items"`
}

// FlowCollectorSpec is the fleet that is wanted. An empty spec is a working fleet, if there is a NATS server at nats://nats:4222.
//
// +kubebuilder:validation:XValidation:rule="!has(self.collector) || !has(self.collector.hostNetwork) || !self.collector.hostNetwork || !has(self.listeners) || self.listeners.all(l, l.port >= 1024)",message="listeners: with collector.hostNetwork the collectors may not bind ports below 1024, because they run without privileges; choose a port from 1024 on"
// +kubebuilder:validation:XValidation:rule="!has(self.collector) || !has(self.collector.hostNetwork) || !self.collector.hostNetwork || !has(self.networkPolicy) || !has(self.networkPolicy.enabled) || !self.networkPolicy.enabled",message="networkPolicy: network policies do not apply to pods on the host network; disable one of networkPolicy.enabled and collector.hostNetwork"
// +kubebuilder:validation:XValidation:rule="!has(self.service) || !has(self.service.type) || self.service.type in ['LoadBalancer', 'NodePort'] || !has(self.listeners) || self.listeners.all(l, !has(l.nodePort))",message="listeners: a nodePort needs the service.type LoadBalancer or NodePort; leave nodePort out, or change the type"
// +kubebuilder:validation:XValidation:rule="!has(self.output) || !has(self.output.buffer) || !has(self.output.buffer.maxBytes) || string(self.output.buffer.maxBytes).matches('[eE]') || quantity(string(self.output.buffer.maxBytes)).compareTo(quantity(!has(self.collector) || !has(self.collector.resources) ? '1Gi' : has(self.collector.resources.limits) && 'memory' in self.collector.resources.limits && string(self.collector.resources.limits['memory']).matches('^[0-9.]{1,16}[mkMGTPi]{0,2}$') ? string(self.collector.resources.limits['memory']) : '1Pi')) < 0",message="output.buffer.maxBytes: a collector would be killed before its buffer is full; choose less than the memory limit (1Gi where collector.resources is left out), or raise collector.resources.limits.memory"
// +kubebuilder:validation:XValidation:rule="!has(self.output) || !has(self.output.names) || self.output.names != 'Changes' || !has(self.decoding) || !has(self.decoding.names) || size(self.decoding.names) > 0",message="output.names: Changes needs names that collectors learn; list some in decoding.names, or set output.names to None"
type FlowCollectorSpec struct {
	// suspend makes the operator leave everything as it is. Collectors go on, changes wait, and what somebody else changes is not set
	// back. Default false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	Common `json:",inline"`

	// listeners are the UDP ports that collectors listen on. Names and ports must be unique. Default: netflow on 2055 and ipfix on
	// 4739, which both take NetFlow and IPFIX, and sflow on 6343.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:default={{name: "netflow", protocol: "Auto", port: 2055}, {name: "ipfix", protocol: "Auto", port: 4739}, {name: "sflow", protocol: "SFlow", port: 6343}}
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a.port == b.port))",message="two listeners have the same port; give each a port of its own, or one listener the protocol Auto"
	// +kubebuilder:validation:XValidation:rule="self.all(a, !has(a.nodePort) || self.exists_one(b, has(b.nodePort) && a.nodePort == b.nodePort))",message="two listeners have the same nodePort; give each one of its own, or leave them out"
	// +kubebuilder:validation:XValidation:rule="self.all(l, l.name != 'metrics')",message="the operator's own port has the name metrics; choose another name for the listener"
	Listeners []Listener `json:"listeners,omitempty"`

	// nats is the NATS server that holds the bucket and the stream, unless templateStore.nats or output.nats names another one.
	// +optional
	// +kubebuilder:default={}
	NATS NATS `json:"nats,omitzero"`

	// templateStore is the JetStream key-value bucket in which the collectors share templates and sampling rates.
	// +optional
	// +kubebuilder:default={}
	TemplateStore TemplateStore `json:"templateStore,omitzero"`

	// output says where and how flows are published.
	// +optional
	// +kubebuilder:default={}
	Output Output `json:"output,omitzero"`

	// service is the Service that exporters send to.
	// +optional
	// +kubebuilder:default={}
	Service Service `json:"service,omitzero"`

	// exporters says who may send, and what is kept of each.
	// +optional
	// +kubebuilder:default={}
	Exporters Exporters `json:"exporters,omitzero"`

	// decoding says how datagrams are decoded.
	// +optional
	Decoding Decoding `json:"decoding,omitzero"`

	// collector configures the collectors' pods.
	// +optional
	// +kubebuilder:default={}
	Collector Collector `json:"collector,omitzero"`

	// monitoring makes objects for Prometheus and Grafana.
	// +optional
	Monitoring Monitoring `json:"monitoring,omitzero"`

	// networkPolicy restricts who reaches the collectors' pods.
	// +optional
	NetworkPolicy NetworkPolicy `json:"networkPolicy,omitzero"`

	// podDisruption limits evictions of collectors.
	// +optional
	PodDisruption *PodDisruption `json:"podDisruption,omitempty"`
}

// Protocol is what a listener expects.
//
// +kubebuilder:validation:Enum=NetFlow;IPFIX;SFlow;Auto
type Protocol string

// The protocols of a listener.
const (
	ProtocolNetFlow Protocol = "NetFlow"
	ProtocolIPFIX   Protocol = "IPFIX"
	ProtocolSFlow   Protocol = "SFlow"
	ProtocolAuto    Protocol = "Auto"
)

// Listener is one UDP port.
type Listener struct {
	// name of the listener in metrics, and of its port in the Service. It has at most 15 lower-case letters, digits and single "-",
	// and begins with a letter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z](-?[a-z0-9])*$`
	Name string `json:"name"`

	// protocol of the datagrams. Datagrams of other protocols are refused and counted. NetFlow is versions 1 and 5 to 9. Auto takes
	// all protocols, and tells them apart by the version that each datagram begins with. Default Auto.
	// +optional
	// +kubebuilder:default=Auto
	Protocol Protocol `json:"protocol,omitempty"`

	// port that collectors and Service listen on (UDP), 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// nodePort of the Service, for the types NodePort and LoadBalancer: 1 to 65535, and within the cluster's range (30000 to 32767 by
	// default). Default: the cluster chooses one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort,omitempty"`

	// workers is how many workers each collector has for this port, 1 to 256. Each has sockets and a thread of its own. Default: the
	// number of processors that the collector may use, at most 8.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Workers int32 `json:"workers,omitempty"`

	// sockets of each worker, 1 to 64. The datagrams of each exporter are spread over them, so a burst has the room of all of them.
	// Default: one. On a node that grants a socket less than receiveBuffer: as many as it takes to have receiveBuffer, up to 32.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Sockets int32 `json:"sockets,omitempty"`

	// receiveBuffer of each worker, 64Ki to 1Gi. A node grants a socket no more than its sysctl net.core.rmem_max; see
	// collector.nodeTuning. The collector logs what it got. Default 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Gi')) <= 0",message="receiveBuffer: from 64Ki to 1Gi is possible"
	ReceiveBuffer *resource.Quantity `json:"receiveBuffer,omitempty"`
}

// NameKind is a kind of names that flows carry.
//
// +kubebuilder:validation:Enum=interfaces;interfaceDescriptions;applications;vrfs;samplers;exporters;domains
type NameKind string

// Decoding says how datagrams are decoded.
type Decoding struct {
	// extraFields keeps the fields that goflow2's FlowMessage has no place for: in JSON as "fields", in protobuf as numbered fields
	// from 100000 on. Default false.
	// +optional
	ExtraFields bool `json:"extraFields,omitempty"`

	// deltaCountsOnly leaves bytes and packets 0 if a template has no octetDeltaCount and packetDeltaCount. Without it, other
	// counters take their place: after the device's treatment (elements 23, 24), in total (85, 86), from the initiator (231, 298).
	// Default false.
	// +optional
	DeltaCountsOnly bool `json:"deltaCountsOnly,omitempty"`

	// biflows makes two flows of a record that counts both directions (RFC 5103, and the initiator's and responder's counters of
	// firewalls). The second flow goes from destination to source. Without it, such a record is one flow, of the forward direction.
	// Default false.
	// +optional
	Biflows bool `json:"biflows,omitempty"`

	// innerHeaders takes flows from the headers inside GRE, PPTP, L2TP, EtherIP, ERSPAN, VXLAN, Geneve, GTP, MPLS and IP-in-IP in sampled packets,
	// not from the outer headers. Default false.
	// +optional
	InnerHeaders bool `json:"innerHeaders,omitempty"`

	// names that flows carry, of interfaces, applications, VRFs and others. They come from exporters' options tables, and from
	// exporters.names and exporters.namesFrom. [] is none: then nothing is learned, and it costs nothing. A change replaces the pods.
	// Default [interfaces, applications, vrfs, exporters].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	Names []NameKind `json:"names,omitzero"`
}

// NetworkPolicy restricts who reaches the collectors' pods.
type NetworkPolicy struct {
	// enabled makes a NetworkPolicy. It lets exporters.allowedNetworks (everybody, if that is empty) reach the listeners' ports, and
	// metricsFrom and the operator reach metrics and health. Default false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// metricsFrom selects the namespaces whose pods may read metrics. Default: all namespaces.
	// +optional
	MetricsFrom *metav1.LabelSelector `json:"metricsFrom,omitempty"`
}

// PodDisruption limits evictions of collectors.
type PodDisruption struct {
	// minAvailable is how many collectors stay when pods are evicted, 1 to 100000. Percentages do not work with DaemonSets. kubectl
	// drain leaves pods of DaemonSets alone in any case.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MinAvailable int32 `json:"minAvailable"`
}
