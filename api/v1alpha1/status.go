package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition types of a FlowCollector. The page docs/conditions.md lists their reasons and what to do about each.
const (
	// ConditionReady sums the others up: the fleet does its job.
	ConditionReady = "Ready"
	// ConditionProgressing is True while the fleet is being changed.
	ConditionProgressing = "Progressing"
	// ConditionDegraded is True while the fleet works with less than it should have, and False only where all was looked at.
	ConditionDegraded = "Degraded"
	// ConditionConfigurationValid is False where the spec cannot work: Secrets that are missing or do not parse, ...
	ConditionConfigurationValid = "ConfigurationValid"
	// ConditionTemplateStoreReady is about the bucket.
	ConditionTemplateStoreReady = "TemplateStoreReady"
	// ConditionStreamReady is about the stream.
	ConditionStreamReady = "StreamReady"
	// ConditionCollectorsAvailable is about the pods.
	ConditionCollectorsAvailable = "CollectorsAvailable"
	// ConditionServiceReady is True once the Service has what exporters need: an address.
	ConditionServiceReady = "ServiceReady"
	// ConditionSourceIPPreserved is False where exporters' addresses do not survive the way to the collectors.
	ConditionSourceIPPreserved = "SourceIPPreserved"
	// ConditionLoadDistributed is False where one collector gets everything while others get nothing.
	ConditionLoadDistributed = "LoadDistributed"
	// ConditionNothingLost is False where datagrams or records were lost of late.
	ConditionNothingLost = "NothingLost"
	// ConditionReceiveBuffersGranted is False where nodes give sockets smaller receive buffers than they are asked for.
	ConditionReceiveBuffersGranted = "ReceiveBuffersGranted"
	// ConditionReconciling is there, and True, while the fleet is on its way to what the spec says, as kstatus reads it.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is there, and True, while the fleet does not get there by itself, as kstatus reads it.
	ConditionStalled = "Stalled"
	// ConditionOperatorConflict is there, and True, while another operator looks after the same object.
	ConditionOperatorConflict = "OperatorConflict"
	// ConditionConsumersKeepUp is False where a reader of output.consumers falls so far behind that the stream is about to take what it has
	// not read, or has taken it.
	ConditionConsumersKeepUp = "ConsumersKeepUp"
	// ConditionMonitoringReady is about the objects that spec.monitoring asks for.
	ConditionMonitoringReady = "MonitoringReady"
)

// Reasons of conditions that other programs go by. docs/conditions.md and docs/exporters.md have all.
const (
	// ReasonAddressMissing is one of a FlowCollector's ServiceReady and Stalled: nobody gives its Service an address.
	ReasonAddressMissing = "AddressMissing"
	// ReasonLost is one of a FlowExporter's Complete and Ready: more is missing than spec.maxLoss allows.
	ReasonLost = "Lost"
)

// FlowCollectorStatus is the fleet as the operator last saw it.
type FlowCollectorStatus struct {
	// observedGeneration is the last generation of the spec that was applied in full, or that Stalled says cannot be.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions say how the fleet is: Ready, Progressing, Degraded, ConfigurationValid, TemplateStoreReady, StreamReady,
	// CollectorsAvailable, ServiceReady, SourceIPPreserved, LoadDistributed, NothingLost, ReceiveBuffersGranted, ConsumersKeepUp,
	// MonitoringReady, and while they are True Reconciling, Stalled and OperatorConflict.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// operator that looks after this object. Other operators leave it alone.
	// +optional
	Operator *OperatorClaim `json:"operator,omitempty"`

	// collectors counts pods.
	// +optional
	Collectors CollectorCounts `json:"collectors,omitzero"`

	// address is the first of addresses, for kubectl get.
	// +optional
	Address string `json:"address,omitempty"`

	// addresses that exporters can send to.
	// +optional
	// +listType=atomic
	Addresses []Address `json:"addresses,omitempty"`

	// image that the collectors should run.
	// +optional
	Image string `json:"image,omitempty"`

	// bucket as it is in NATS.
	// +optional
	Bucket *BucketStatus `json:"bucket,omitempty"`

	// stream as it is in NATS.
	// +optional
	Stream *StreamStatus `json:"stream,omitempty"`

	// consumers of output.consumers as they were last seen in NATS.
	// +optional
	// +listType=map
	// +listMapKey=name
	Consumers []ConsumerStatus `json:"consumers,omitempty"`

	// exporters that the present collectors have had flows from, by address. Where one of them hears more than 128, this is an estimate.
	// +optional
	Exporters *int64 `json:"exporters,omitempty"`

	// templates known to the collectors.
	// +optional
	Templates *int64 `json:"templates,omitempty"`
}

// OperatorClaim names the operator that looks after an object.
type OperatorClaim struct {
	// identity is the operator's namespace and the name of its lease.
	Identity string `json:"identity"`
	// lease that the operator renews every few seconds while it works, as namespace/name. Another operator takes over once nobody
	// renews it any more. It is empty if the operator runs without leader election.
	// +optional
	Lease string `json:"lease,omitempty"`
	// renewTime is when the operator last renewed this claim. Another operator that may not read the lease takes over 30 minutes
	// after it, or once this operator was stopped and has removed its claim.
	RenewTime metav1.Time `json:"renewTime"`
}

// CollectorCounts counts the collectors' pods.
type CollectorCounts struct {
	// desired is the number of nodes that should have a collector.
	// +optional
	Desired int32 `json:"desired"`
	// ready is the number of collectors that are ready.
	// +optional
	Ready int32 `json:"ready"`
	// updated is the number of collectors that have the present spec.
	// +optional
	Updated int32 `json:"updated"`
	// summary is ready/desired, for kubectl get.
	// +optional
	Summary string `json:"summary,omitempty"`
}

// Address is an address that exporters can send to.
type Address struct {
	// address is an IP address or a host name.
	Address string `json:"address"`
	// ports that it takes.
	// +optional
	// +listType=atomic
	Ports []AddressPort `json:"ports,omitempty"`
}

// AddressPort is a port of an address.
type AddressPort struct {
	// name of the listener.
	Name string `json:"name"`
	// port (UDP).
	Port int32 `json:"port"`
}

// BucketStatus is the template bucket as it is in NATS.
type BucketStatus struct {
	// name of the bucket.
	Name string `json:"name"`
	// keys is how many templates and sampling rates it has.
	// +optional
	Keys int64 `json:"keys"`
	// bytes that it takes on one server.
	// +optional
	Bytes resource.Quantity `json:"bytes"`
	// history of each key.
	// +optional
	History int32 `json:"history,omitempty"`
	// replicas among the servers.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// ttl of values. It is left out if they are kept for ever.
	// +optional
	TTL *Duration `json:"ttl,omitempty"`
	// managed is true if this FlowCollector owns the bucket.
	// +optional
	Managed bool `json:"managed"`
}

// StreamStatus is the flows' stream as it is in NATS.
type StreamStatus struct {
	// name of the stream.
	Name string `json:"name"`
	// replicas among the servers.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// managed is true if this FlowCollector owns the stream.
	// +optional
	Managed bool `json:"managed"`
}
