package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FlowProtocol is the protocol that flows came in. Their subject ends with it.
//
// +kubebuilder:validation:Enum=netflow5;netflow9;ipfix;sflow
type FlowProtocol string

// Consumer is a durable pull consumer of the stream: it remembers how far a reader has read. It delivers all messages, wants each
// acknowledged, and delivers again what was not acknowledged, without end.
type Consumer struct {
	// name of the consumer in the stream, a DNS label. If you take a consumer out of the list, it is deleted in NATS if Flowfleet
	// made it.
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

	// maxAckPending is how many messages the readers of the consumer may have at a time, all together, without having acknowledged
	// them, 1 to 100000. Default 1000.
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
	// managed is true if this FlowCollector owns the consumer.
	// +optional
	Managed bool `json:"managed"`
	// pending messages were not delivered to a reader yet.
	// +optional
	Pending int64 `json:"pending"`
	// ackPending messages were delivered and not acknowledged.
	// +optional
	AckPending int64 `json:"ackPending"`
	// redelivered messages are those in ackPending that were delivered more than once.
	// +optional
	Redelivered int64 `json:"redelivered"`
	// lagSeconds is the age of the oldest message that is not acknowledged, 0 if there is none. It is left out if it is not known.
	// +optional
	LagSeconds *int64 `json:"lagSeconds,omitempty"`
	// retentionUsedPercent is how near the oldest message that is not acknowledged is to its removal from the stream: by maxAge, by
	// maxBytes or by the most messages, whichever is nearest. The stream removes it at 100. Sizes are estimated from the place in the
	// stream. It is left out if it is not known.
	// +optional
	RetentionUsedPercent *int32 `json:"retentionUsedPercent,omitempty"`
	// lastReadTime is when a message was last delivered, as far as is known. It is left out if none ever was.
	// +optional
	LastReadTime *metav1.Time `json:"lastReadTime,omitempty"`
	// lost messages were removed by the stream before a reader had acknowledged them. The operator counts since it knows the
	// consumer.
	// +optional
	Lost int64 `json:"lost"`
	// lostAtLeast is true if more than lost may have been removed: somebody read at the same time, the consumer delivers some
	// protocols only, or the stream was deleted and made anew. With the retention WorkQueue or Interest, somebody who reads is
	// enough, since acknowledged messages leave the stream as well. Otherwise lost is exact.
	// +optional
	LostAtLeast bool `json:"lostAtLeast,omitempty"`
	// lostTime is when a loss was last seen.
	// +optional
	LostTime *metav1.Time `json:"lostTime,omitempty"`
	// mayBeLost messages were not acknowledged when their stream was last looked at, before it was deleted and made anew. Whether
	// somebody read them is not known, and messages that came after that look are not counted. None of them is in lost.
	// +optional
	MayBeLost int64 `json:"mayBeLost,omitempty"`
	// mayBeLostTime is when that was last seen.
	// +optional
	MayBeLostTime *metav1.Time `json:"mayBeLostTime,omitempty"`
	// position is what the operator compares the next look with, to count what is lost.
	// +optional
	Position ConsumerPosition `json:"position,omitzero"`
}

// ConsumerPosition is where a consumer stood in its stream. Its numbers are JetStream's.
type ConsumerPosition struct {
	// created is when the consumer was made.
	// +optional
	Created metav1.Time `json:"created,omitzero"`
	// start is the message that a FlowSink's consumer began with, where one before it was deleted. It is left out if that was the oldest.
	// +optional
	Start int64 `json:"start,omitempty"`
	// streamCreated is when the stream was made.
	// +optional
	StreamCreated metav1.Time `json:"streamCreated,omitzero"`
	// first message that the stream had.
	// +optional
	First int64 `json:"first,omitempty"`
	// ackFloor is the last message up to which all are acknowledged.
	// +optional
	AckFloor int64 `json:"ackFloor,omitempty"`
	// delivered is the last message that was delivered.
	// +optional
	Delivered int64 `json:"delivered,omitempty"`
	// deliveries is how many there were, repeated ones too.
	// +optional
	Deliveries int64 `json:"deliveries,omitempty"`
	// oldest message that is not acknowledged. It is left out if it is not known, or if there is none.
	// +optional
	Oldest int64 `json:"oldest,omitempty"`
}
