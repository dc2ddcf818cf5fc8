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

	// scaledVolumes adds the volumes before sampling to each flow: scaled_bytes and scaled_packets are bytes and packets times the
	// sampling rate, or null if the rate is not known. It is for the encoding JSON only. Default false.
	// +optional
	ScaledVolumes bool `json:"scaledVolumes,omitempty"`

	// subject that flows are published on. The protocol (netflow5, netflow9, ipfix, sflow) is appended. Default:
	// flows.<namespace>.<name of the FlowCollector>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+(\.[-_a-zA-Z0-9]+)*$`
	Subject string `json:"subject,omitempty"`

	// ledger: with Minutes, each collector publishes what it counted in each minute, by exporter and domain, as lines of JSON, on
	// output.subject with .ledger appended. With None it publishes nothing. Default None.
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

	// consumers of the stream that the operator makes and watches, up to 16. The condition ConsumersKeepUp says so if a reader falls
	// behind, before the stream removes what it has not read.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Consumers []Consumer `json:"consumers,omitempty"`

	// batch bounds one message of flows.
	// +optional
	Batch Batch `json:"batch,omitzero"`

	// buffer bounds the flows that wait for the stream.
	// +optional
	Buffer Buffer `json:"buffer,omitzero"`

	// nats is the NATS server of the stream. Default: spec.nats.
	// +optional
	NATS *NATS `json:"nats,omitempty"`
}

// Retention says when a stream removes a message.
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

// Discard says what a stream does when it is full.
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
	// cluster is the name of one cluster of a supercluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Cluster string `json:"cluster,omitempty"`

	// tags of the servers (server_tags). A server must have all of them.
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
	// managed makes operator and collectors create the stream, and the operator look after it. With false, you make it yourself.
	// Default true.
	// +optional
	// +kubebuilder:default=true
	Managed *bool `json:"managed,omitempty"`

	// name of the stream: letters, digits, "-" and "_". It cannot change. Default: flows-<namespace>-<name of the FlowCollector>,
	// with "_" before a name that has a "-".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('KV_') && !self.startsWith('OBJ_')",message="stream.name: streams named KV_ and OBJ_ hold key-value buckets and object stores; choose another name"
	Name string `json:"name,omitempty"`

	// subjects that the stream takes. They must include those of all flows. "*" stands for one token, but not the first, and ">" for
	// the rest. Default: <output.subject>.>
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[-_:=/@#%a-zA-Z0-9]+([.]([*]|[-_:=/@#%a-zA-Z0-9]+))*([.]>)?$')",message="a subject such as flows.> is needed: tokens with dots between, * in place of a token but the first, > in place of the rest"
	Subjects []string `json:"subjects,omitempty"`

	// maxAge of a flow in the stream, 1m to 87840h. Default: 24h for a new stream. An existing stream keeps its own.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('87840h')",message="maxAge: from 1m to 87840h is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`

	// maxBytes of the stream, 1Mi to 1Pi. When it is reached, discard applies. Default: 10Gi for a new stream, or a part of it if the
	// NATS servers have no room for that. An existing stream keeps its size.
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

	// storage of the stream. It cannot change once the stream exists. Default File.
	// +optional
	// +kubebuilder:default=File
	Storage Storage `json:"storage,omitempty"`

	// retention says how long the stream keeps a flow. Limits: until a limit is reached. Interest: until every consumer has
	// acknowledged it; without a consumer none is kept. WorkQueue: until one consumer has acknowledged it. The limits apply to all
	// three. It cannot change once the stream exists. Default Limits.
	// +optional
	// +kubebuilder:default=Limits
	Retention Retention `json:"retention,omitempty"`

	// compression of the stream on disk: None, or S2, which saves half of the space of flows or more. A change applies to what is
	// written afterwards. Default: None for a new stream. An existing stream keeps its own.
	// +optional
	Compression Compression `json:"compression,omitempty"`

	// discard says what happens when maxBytes is reached. Old: the stream removes the oldest flows. New: it refuses new flows, which
	// then wait in the collectors' buffers. Default: Old for a new stream. An existing stream keeps its own.
	// +optional
	Discard Discard `json:"discard,omitempty"`

	// duplicateWindow is how long the stream recognizes messages by their ids, 100ms to 1h, and no longer than maxAge. Before a
	// collector sends a message again after that, it looks for it in the stream. Default: 2m for a new stream, or maxAge if that is
	// less. An existing stream keeps its own.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="duplicateWindow: from 100ms to 1h is possible"
	DuplicateWindow *Duration `json:"duplicateWindow,omitempty"`

	// placement chooses the servers of the NATS cluster that have the stream. Default: any.
	// +optional
	Placement *Placement `json:"placement,omitempty"`

	// allowReduction lets the operator lower maxAge, maxBytes and replicas of an existing stream, and remove subjects from it. This
	// may delete flows. Without it, the operator only raises them. Default false.
	// +optional
	AllowReduction bool `json:"allowReduction,omitempty"`

	// deletionPolicy says what happens to the stream when the FlowCollector is deleted. Default Retain.
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

	// maxAge of the oldest flow in a message before the message is sent, 1ms to 1m. Default 200ms.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('1m')",message="batch.maxAge: from 1ms to 1m is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`
}

// DropPolicy says what is dropped when a buffer is full.
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

	// inFlightBytes is how many bytes may be sent and not acknowledged at a time, 1Mi to 1Ti. Default 16Mi. With a spool, at most
	// a quarter of maxBytes: what is in flight cannot go to disk.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="buffer.inFlightBytes: from 1Mi to 1Ti is possible"
	InFlightBytes *resource.Quantity `json:"inFlightBytes,omitempty"`

	// policy says what is dropped when the buffer is full. DropOldest and DropNewest drop flows. Block stops reading from the
	// sockets: the kernel then drops datagrams, and these are counted. Default DropOldest.
	// +optional
	// +kubebuilder:default=DropOldest
	Policy DropPolicy `json:"policy,omitempty"`

	// spool writes flows to disk if memory has no room for them, or has kept them for too long. policy then applies when the spool is
	// full, too. Default: no spool.
	// +optional
	Spool *Spool `json:"spool,omitempty"`
}

// Spool bounds the flows that wait on a node's disk for the stream. With a hostPath they outlive the pod, with an emptyDir the
// container only.
//
// +kubebuilder:validation:XValidation:rule="!has(self.hostPath) || !has(self.emptyDir)",message="spool: choose one of emptyDir and hostPath"
type Spool struct {
	// maxBytes of the spool on disk, 64Mi to 16Ti. Default 4Gi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('64Mi')) >= 0 && quantity(string(self)).compareTo(quantity('16Ti')) <= 0",message="spool.maxBytes: from 64Mi to 16Ti is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// after is how long a batch waits in memory before it is written to disk, 100ms to 1h. While JetStream is away, a crash can lose
	// what came in this time. Default 2s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="spool.after: from 100ms to 1h is possible"
	After *Duration `json:"after,omitempty"`

	// resendBytesPerSecond is how fast spooled flows are sent, 1Mi to 1Ti. Live flows go first. Default 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="spool.resendBytesPerSecond: from 1Mi to 1Ti is possible"
	ResendBytesPerSecond *resource.Quantity `json:"resendBytesPerSecond,omitempty"`

	// emptyDir puts the spool into the pod's own directory. It outlives a crash of the collector, but not the pod. This is the
	// default. Its sizeLimit follows maxBytes.
	// +optional
	EmptyDir *SpoolEmptyDir `json:"emptyDir,omitempty"`

	// hostPath puts the spool into a directory of the node. It outlives the pod. User 65532 must be able to write to the directory.
	// The restricted Pod Security standard forbids hostPath.
	// +optional
	HostPath *SpoolHostPath `json:"hostPath,omitempty"`
}

// SpoolEmptyDir is a spool in the pod's own directory.
type SpoolEmptyDir struct{}

// SpoolHostPath is a spool in a directory of the node.
type SpoolHostPath struct {
	// path of the directory. Each FlowCollector has a directory of its own in it.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^\s]+$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('..')",message="hostPath.path: a path without '..' is needed"
	Path string `json:"path"`
}
