package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// Encoding of flows.
//
// +kubebuilder:validation:Enum=Protobuf;JSON
type Encoding string

// The encodings.
const (
	EncodingProtobuf Encoding = "Protobuf"
	EncodingJSON     Encoding = "JSON"
)

// Ledger says which records of the ledger are published.
//
// +kubebuilder:validation:Enum=Minutes;None
type Ledger string

// What is published of the ledger.
const (
	LedgerMinutes Ledger = "Minutes"
	LedgerNone    Ledger = "None"
)

// NameRecords says which names are published beside the flows.
//
// +kubebuilder:validation:Enum=Changes;None
type NameRecords string

// What is published of names.
const (
	NameRecordsChanges NameRecords = "Changes"
	NameRecordsNone    NameRecords = "None"
)

// Output says where and how flows leave.
//
// +kubebuilder:validation:XValidation:rule="!has(self.subject) || !has(self.stream) || !has(self.stream.subjects) || (has(self.stream.managed) && !self.stream.managed) || self.stream.subjects.exists(s, s.contains('*') || s.endsWith('.>') && (self.subject + '.').startsWith(s.substring(0, size(s) - 1))) || ['.netflow5', '.netflow9', '.ipfix', '.sflow'].all(p, (self.subject + p) in self.stream.subjects)",message="output.stream.subjects: they do not take in all flows, which are published on output.subject with .netflow5, .netflow9, .ipfix and .sflow; add <output.subject>.> to them, or leave stream.subjects out"
// +kubebuilder:validation:XValidation:rule="!has(self.scaledVolumes) || !self.scaledVolumes || has(self.encoding) && self.encoding == 'JSON'",message="output.scaledVolumes: it is for the encoding JSON only; set encoding: JSON, or leave it out and multiply by sampling_rate yourself"
type Output struct {
	// encoding of flows: length-delimited protobuf (goflow2's flowpb.FlowMessage) or JSON lines. Default Protobuf.
	// +optional
	// +kubebuilder:default=Protobuf
	Encoding Encoding `json:"encoding,omitempty"`

	// scaledVolumes adds to each flow in JSON what its volumes were before sampling: scaled_bytes and scaled_packets, which are bytes and
	// packets times the sampling rate, or null where nobody said the rate. For encoding JSON only. Default false.
	// +optional
	ScaledVolumes bool `json:"scaledVolumes,omitempty"`

	// subject that flows are published on; the protocol (netflow5, netflow9, ipfix, sflow) is appended. Default:
	// flows.<namespace>.<name of the FlowCollector>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+(\.[-_a-zA-Z0-9]+)*$`
	Subject string `json:"subject,omitempty"`

	// ledger: Minutes publishes what each collector counted in each minute, by exporter and domain, on output.subject with .ledger appended,
	// as lines of JSON; None publishes nothing. Default None.
	// +optional
	Ledger Ledger `json:"ledger,omitempty"`

	// names: Changes publishes each name that an exporter gives to a number, with the time from which it holds, on output.subject with .names
	// appended, as lines of JSON, for databases that join by themselves; None publishes nothing. Flows carry their names either way, see
	// decoding.names. Default None.
	// +optional
	Names NameRecords `json:"names,omitempty"`

	// stream that keeps flows.
	// +optional
	// +kubebuilder:default={}
	Stream Stream `json:"stream,omitzero"`

	// consumers of the stream that the operator makes and looks after, so that a reader that falls behind is known before the stream takes
	// what it has not read: up to 16.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Consumers []Consumer `json:"consumers,omitempty"`

	// batch bounds one message.
	// +optional
	Batch Batch `json:"batch,omitzero"`

	// buffer bounds what waits for the stream.
	// +optional
	Buffer Buffer `json:"buffer,omitzero"`

	// nats is the server of the stream where it is another one than spec.nats.
	// +optional
	NATS *NATS `json:"nats,omitempty"`
}

// Retention says when a stream lets go of a message.
//
// +kubebuilder:validation:Enum=Limits;Interest;WorkQueue
type Retention string

// The retentions.
const (
	RetentionLimits    Retention = "Limits"
	RetentionInterest  Retention = "Interest"
	RetentionWorkQueue Retention = "WorkQueue"
)

// Compression of a stream on disk.
//
// +kubebuilder:validation:Enum=None;S2
type Compression string

// The compressions.
const (
	CompressionNone Compression = "None"
	CompressionS2   Compression = "S2"
)

// Discard says what gives way when a stream is full.
//
// +kubebuilder:validation:Enum=Old;New
type Discard string

// The ways to discard.
const (
	DiscardOld Discard = "Old"
	DiscardNew Discard = "New"
)

// Placement chooses servers.
//
// +kubebuilder:validation:XValidation:rule="has(self.cluster) || has(self.tags)",message="placement: name a cluster, tags, or both"
type Placement struct {
	// cluster of a supercluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Cluster string `json:"cluster,omitempty"`

	// tags that the servers have (server_tags), all of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Tags []string `json:"tags,omitempty"`
}

// Stream is the JetStream stream that keeps flows.
//
// +kubebuilder:validation:XValidation:rule="!has(self.managed) || self.managed || !has(self.deletionPolicy) || self.deletionPolicy == 'Retain'",message="stream.deletionPolicy: a stream that is not managed is never deleted; leave the policy at Retain, or set managed"
// +kubebuilder:validation:XValidation:rule="has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",message="stream.name cannot change: flows of the old stream would be left behind; make a new FlowCollector for another stream"
type Stream struct {
	// managed makes operator and collectors create the stream, and the operator keep it. False leaves it to others. Default
	// true.
	// +optional
	// +kubebuilder:default=true
	Managed *bool `json:"managed,omitempty"`

	// name of the stream; it cannot change. Letters, digits, "-" and "_". Default:
	// flows-<namespace>-<name of the FlowCollector>, with "_" before a name that has a "-".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('KV_') && !self.startsWith('OBJ_')",message="stream.name: streams named KV_ and OBJ_ hold key-value buckets and object stores; choose another name"
	Name string `json:"name,omitempty"`

	// subjects that the stream takes in; all flows must be among them. "*" stands for one token, but not the first, ">" for the
	// rest. Default: <output.subject>.>
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[-_:=/@#%a-zA-Z0-9]+([.]([*]|[-_:=/@#%a-zA-Z0-9]+))*([.]>)?$')",message="a subject such as flows.> is needed: tokens with dots between, * in place of a token but the first, > in place of the rest"
	Subjects []string `json:"subjects,omitempty"`

	// maxAge of a flow in the stream, 1m to 87840h. Default: 24h for a new stream; one that exists keeps its own.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('87840h')",message="maxAge: from 1m to 87840h is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`

	// maxBytes of the stream, 1Mi to 1Pi; the oldest flows give way. Default: 10Gi for a
	// new stream, or a part of it where the NATS servers have no room for that; one that exists keeps its size.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="stream.maxBytes: from 1Mi to 1Pi is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// replicas of the stream among the servers of a NATS cluster: 1, 3 or 5. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self in [1, 3, 5]",message="replicas: 1, 3 or 5 are possible; even numbers tolerate no more failures than the odd number below"
	Replicas int32 `json:"replicas,omitempty"`

	// storage of the stream; it cannot change once the stream exists. Default File.
	// +optional
	// +kubebuilder:default=File
	Storage Storage `json:"storage,omitempty"`

	// retention says when the stream lets go of a flow, beside its limits: Limits keeps it until one is reached, Interest until
	// every consumer has acknowledged it (and keeps none without a consumer), WorkQueue until one has. It cannot change once
	// the stream exists. Default Limits.
	// +optional
	// +kubebuilder:default=Limits
	Retention Retention `json:"retention,omitempty"`

	// compression of the stream on disk: None or S2, which saves half of the space of flows or more. It changes for what is written
	// from then on. Default: None for a new stream; one that exists keeps its own.
	// +optional
	Compression Compression `json:"compression,omitempty"`

	// discard says what gives way when maxBytes is reached: Old flows, or New ones, which the stream then refuses, so that they wait
	// in the collectors' buffers. Default: Old for a new stream; one that exists keeps its own.
	// +optional
	Discard Discard `json:"discard,omitempty"`

	// duplicateWindow is how long the stream knows messages by their ids, 100ms to 1h, and no longer than maxAge. What is sent again
	// after that is looked for in the stream. Default: 2m, or maxAge where that is less, for a new stream; one that exists keeps its own.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="duplicateWindow: from 100ms to 1h is possible"
	DuplicateWindow *Duration `json:"duplicateWindow,omitempty"`

	// placement says which servers of the NATS cluster have the stream. Default: any.
	// +optional
	Placement *Placement `json:"placement,omitempty"`

	// allowReduction lets the operator lower maxAge, maxBytes and replicas of an existing stream, and take subjects from it,
	// which may delete flows. Without it they are only ever raised. Default false.
	// +optional
	AllowReduction bool `json:"allowReduction,omitempty"`

	// deletionPolicy says what becomes of the stream when the FlowCollector is deleted. Default Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// Batch bounds one message of flows.
type Batch struct {
	// maxBytes of a message, 1Ki to 900Ki. Default 64Ki.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('900Ki')) <= 0",message="batch.maxBytes: from 1Ki to 900Ki is possible, because NATS takes messages of up to 1Mi"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// maxAge of the oldest flow of a message, 1ms to 1m. Default 200ms.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('1m')",message="batch.maxAge: from 1ms to 1m is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`
}

// DropPolicy says what gives way when a buffer is full.
//
// +kubebuilder:validation:Enum=DropOldest;DropNewest;Block
type DropPolicy string

// The drop policies. Block stops reading from the sockets: the kernel then drops, and that is counted.
const (
	DropOldest DropPolicy = "DropOldest"
	DropNewest DropPolicy = "DropNewest"
	Block      DropPolicy = "Block"
)

// Buffer bounds what waits in a collector's memory for the stream.
//
// +kubebuilder:validation:XValidation:rule="!has(self.inFlightBytes) || string(self.inFlightBytes).matches('[eE]') || has(self.maxBytes) && string(self.maxBytes).matches('[eE]') || quantity(string(self.inFlightBytes)).compareTo(quantity(has(self.maxBytes) ? string(self.maxBytes) : '256Mi')) <= 0",message="buffer.inFlightBytes: it is part of buffer.maxBytes (256Mi where that is left out); choose no more than that"
type Buffer struct {
	// maxBytes of flows that the stream has not acknowledged, 1Mi to 1Ti, and less than the memory limit.
	// Default 256Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="buffer.maxBytes: from 1Mi to 1Ti is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// inFlightBytes are sent and not acknowledged at a time, 1Mi to 1Ti. Default 16Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="buffer.inFlightBytes: from 1Mi to 1Ti is possible"
	InFlightBytes *resource.Quantity `json:"inFlightBytes,omitempty"`

	// policy says what gives way when the buffer is full. Default DropOldest.
	// +optional
	// +kubebuilder:default=DropOldest
	Policy DropPolicy `json:"policy,omitempty"`

	// spool, when set, takes to disk what memory has no room for, or has kept for too long; policy then applies when the spool
	// is full too.
	// +optional
	Spool *Spool `json:"spool,omitempty"`
}

// Spool bounds what waits on a node's disk for the stream. With a hostPath it outlives the pod, with an emptyDir the
// container only.
//
// +kubebuilder:validation:XValidation:rule="!has(self.hostPath) || !has(self.emptyDir)",message="spool: choose one of emptyDir and hostPath"
type Spool struct {
	// maxBytes on disk, 64Mi to 16Ti. Default 4Gi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('64Mi')) >= 0 && quantity(string(self)).compareTo(quantity('16Ti')) <= 0",message="spool.maxBytes: from 64Mi to 16Ti is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// after is how long a batch waits in memory before it is written to disk, which is what a crash can lose while JetStream
	// is away. 100ms to 1h. Default 2s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="spool.after: from 100ms to 1h is possible"
	After *Duration `json:"after,omitempty"`

	// resendBytesPerSecond is how fast what was spooled is sent, beside live flows and after them, 1Mi to 1Ti. Default 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="spool.resendBytesPerSecond: from 1Mi to 1Ti is possible"
	ResendBytesPerSecond *resource.Quantity `json:"resendBytesPerSecond,omitempty"`

	// emptyDir holds the spool in the pod's own directory: it outlives a crash of the collector, not the pod. It is the
	// default; its sizeLimit follows maxBytes.
	// +optional
	EmptyDir *SpoolEmptyDir `json:"emptyDir,omitempty"`

	// hostPath holds the spool in a directory of the node: it outlives the pod. The directory must be writable for user 65532,
	// and the restricted Pod Security standard forbids it.
	// +optional
	HostPath *SpoolHostPath `json:"hostPath,omitempty"`
}

// SpoolEmptyDir is a spool in the pod's own directory.
type SpoolEmptyDir struct{}

// SpoolHostPath is a spool in a directory of the node.
type SpoolHostPath struct {
	// path of the directory; each FlowCollector has one of its own in it.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^\s]+$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('..')",message="hostPath.path: a path without '..' is needed"
	Path string `json:"path"`
}
