package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FlowProtocol is how flows came, as their subject ends with it.
//
// +kubebuilder:validation:Enum=netflow5;netflow9;ipfix;sflow
type FlowProtocol string

// Consumer is a durable pull consumer of the stream: the place where a reader stands. It delivers all messages, wants each acknowledged, and
// delivers again what was not, without end.
type Consumer struct {
	// name of the consumer in the stream, a DNS label. A consumer that is taken out of the list is deleted in NATS if Flowfleet made it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// protocols that it delivers: netflow5, netflow9, ipfix, sflow. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Protocols []FlowProtocol `json:"protocols,omitempty"`

	// ackWait is how long a reader may take to acknowledge a message before it is delivered again, 1s to 1h. Default 30s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="consumers.ackWait: from 1s to 1h is possible"
	AckWait *Duration `json:"ackWait,omitempty"`

	// maxAckPending is how many messages all readers of the consumer have at a time without an acknowledgement, 1 to 100000. Default 1000.
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MaxAckPending int32 `json:"maxAckPending,omitempty"`

	// replicas of the consumer's state among the servers of a NATS cluster: 1, 3 or 5, and no more than the stream has. Default: those of
	// the stream.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self in [1, 3, 5]",message="consumers.replicas: 1, 3 or 5 are possible; even numbers tolerate no more failures than the odd number below"
	Replicas int32 `json:"replicas,omitempty"`
}

// ConsumerStatus is a consumer of output.consumers as it was last seen in NATS.
type ConsumerStatus struct {
	// name of the consumer.
	Name string `json:"name"`
	// managed is true where this FlowCollector owns the consumer.
	// +optional
	Managed bool `json:"managed"`
	// pending messages were not delivered to a reader yet.
	// +optional
	Pending int64 `json:"pending"`
	// ackPending messages were delivered and not acknowledged.
	// +optional
	AckPending int64 `json:"ackPending"`
	// redelivered are those of them that were delivered more than once.
	// +optional
	Redelivered int64 `json:"redelivered"`
	// lagSeconds is the age of the oldest message that is not acknowledged, 0 where there is none. Left out where it is not known.
	// +optional
	LagSeconds *int64 `json:"lagSeconds,omitempty"`
	// retentionUsedPercent is how near the oldest message that is not acknowledged is to its end in the stream: of maxAge, maxBytes or the
	// most messages, whichever it has used most of. The stream takes it at 100. Sizes are estimated from the place in the stream. Left out
	// where it is not known.
	// +optional
	RetentionUsedPercent *int32 `json:"retentionUsedPercent,omitempty"`
	// lastReadTime is when a message was last delivered, as far as is known; left out for never.
	// +optional
	LastReadTime *metav1.Time `json:"lastReadTime,omitempty"`
	// lost messages were taken by the stream before a reader had acknowledged them, since the operator knows the consumer.
	// +optional
	Lost int64 `json:"lost"`
	// lostAtLeast is true where more than lost may have been taken: while somebody read at the same time, or the consumer delivers some
	// protocols only. Without it, lost is exact.
	// +optional
	LostAtLeast bool `json:"lostAtLeast,omitempty"`
	// lostTime is when a loss was last seen.
	// +optional
	LostTime *metav1.Time `json:"lostTime,omitempty"`
	// position is what the next look is compared with to count what is lost.
	// +optional
	Position ConsumerPosition `json:"position,omitzero"`
}

// ConsumerPosition is where a consumer stood in its stream. Numbers are JetStream's.
type ConsumerPosition struct {
	// created is when the consumer was made.
	// +optional
	Created metav1.Time `json:"created,omitzero"`
	// first message that the stream had.
	// +optional
	First int64 `json:"first,omitempty"`
	// ackFloor is the last message up to which all are acknowledged.
	// +optional
	AckFloor int64 `json:"ackFloor,omitempty"`
	// delivered is the last message that was delivered.
	// +optional
	Delivered int64 `json:"delivered,omitempty"`
	// deliveries there were, with those that were repeated.
	// +optional
	Deliveries int64 `json:"deliveries,omitempty"`
	// oldest message that is not acknowledged; left out where it is not known, or there is none.
	// +optional
	Oldest int64 `json:"oldest,omitempty"`
}
