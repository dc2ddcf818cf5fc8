package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// TemplateStore is the JetStream key-value bucket in which the collectors share templates and sampling rates.
//
// +kubebuilder:validation:XValidation:rule="has(self.bucket) == has(oldSelf.bucket) && (!has(self.bucket) || self.bucket == oldSelf.bucket)",message="templateStore.bucket cannot change: collectors would forget what exporters taught; make a new FlowCollector for another bucket"
type TemplateStore struct {
	// disabled makes no bucket: each collector keeps what it learns to itself. Data that reaches another collector than its templates
	// is then not decoded. Default false.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// bucket is the bucket's name: letters, digits, "-" and "_". It cannot change. Default: flowfleet-<namespace>-<name of the
	// FlowCollector>, with "_" before a name that has a "-".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+$`
	Bucket string `json:"bucket,omitempty"`

	// history is how many values the bucket keeps of each template, 1 to 64. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	History int32 `json:"history,omitempty"`

	// ttl is how long the bucket keeps what no exporter sends any more, 10m to 8784h. Collectors write again what they hear at half
	// of the ttl. Default 720h, 30 days.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10m') && duration(self) <= duration('8784h')",message="ttl: from 10m (shorter ones expire before collectors refresh what is in use) to 8784h is possible; leave it out for 720h"
	TTL *Duration `json:"ttl,omitempty"`

	// replicas of the bucket among the servers of a NATS cluster: 1, 3 or 5. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self in [1, 3, 5]",message="replicas: 1, 3 or 5 are possible; even numbers tolerate no more failures than the odd number below"
	Replicas int32 `json:"replicas,omitempty"`

	// storage of the bucket. It cannot change once the bucket exists. Default File.
	// +optional
	// +kubebuilder:default=File
	Storage Storage `json:"storage,omitempty"`

	// maxBytes of the bucket, 1Mi to 1Ti. A template takes some 300 bytes. Default: 256Mi for a new bucket, or a part of it if the
	// NATS servers have no room for that. An existing bucket keeps its size.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="templateStore.maxBytes: from 1Mi to 1Ti is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// loadTimeout is how long a collector that starts waits for the bucket before it becomes ready without it, 1s to 1h. Default 30s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="loadTimeout: from 1s to 1h is possible"
	LoadTimeout *Duration `json:"loadTimeout,omitempty"`

	// nats is the NATS server of the bucket. Default: spec.nats.
	// +optional
	NATS *NATS `json:"nats,omitempty"`

	// allowReduction lets the operator lower history, ttl, replicas and maxBytes of an existing bucket to what the spec says. This
	// may delete values. Without it, the operator only raises them. Default false.
	// +optional
	AllowReduction bool `json:"allowReduction,omitempty"`

	// deletionPolicy says what happens to the bucket when the FlowCollector is deleted. Default Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}
