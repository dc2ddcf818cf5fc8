package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FlowSink stores the flows of a FlowCollector in a database: a Deployment of sinks that share one consumer of the FlowCollector's
// stream. A message is acknowledged once it is stored.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fsink,categories=flowfleet
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Keeping up",type=string,JSONPath=`.status.conditions[?(@.type=="KeepingUp")].status`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.spec.from.flowCollector`
// +kubebuilder:printcolumn:name="Destination",type=string,JSONPath=`.spec.clickHouse.url`
// +kubebuilder:printcolumn:name="Sinks",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Lag seconds",type=integer,JSONPath=`.status.reader.lagSeconds`
// +kubebuilder:printcolumn:name="Stored",type=integer,JSONPath=`.status.books.stored`
// +kubebuilder:printcolumn:name="Lost",type=integer,priority=1,JSONPath=`.status.reader.lost`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Stream",type=string,priority=1,JSONPath=`.status.stream`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",message="metadata.name: a DNS label of at most 40 characters that begins with a letter is needed, because it names objects and the consumer of the stream; choose a shorter or simpler name"
type FlowSink struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the sink that is wanted.
	// +required
	Spec FlowSinkSpec `json:"spec"`

	// status is the sink as the operator last saw it.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "the operator has not looked at this object yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status FlowSinkStatus `json:"status,omitzero"`
}

// FlowSinkList is a list of FlowSinks.
//
// +kubebuilder:object:root=true
type FlowSinkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FlowSink `json:"items"`
}

// FlowSinkSpec is the sink that is wanted.
//
// +kubebuilder:validation:XValidation:rule="has(self.protocols) == has(oldSelf.protocols) && (!has(self.protocols) || self.protocols == oldSelf.protocols)",message="protocols cannot change, because the consumer in NATS keeps those that it was made with; make a new FlowSink"
// +kubebuilder:validation:XValidation:rule="has(self.ackWait) == has(oldSelf.ackWait) && (!has(self.ackWait) || self.ackWait == oldSelf.ackWait)",message="ackWait cannot change, because the consumer in NATS keeps the one that it was made with; make a new FlowSink"
// +kubebuilder:validation:XValidation:rule="!has(self.protocols) || !has(self.from.stream)",message="protocols: a FlowSink with from.stream stores all flows of that stream; leave protocols out"
type FlowSinkSpec struct {
	// from says whose flows are stored.
	// +required
	From FlowSinkSource `json:"from"`

	// clickHouse is the database that flows are stored in.
	// +required
	ClickHouse ClickHouse `json:"clickHouse"`

	// protocols whose flows are stored: netflow5, netflow9, ipfix, sflow. They cannot change. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Protocols []FlowProtocol `json:"protocols,omitempty"`

	// ackWait is how long a sink may give no sign of life before its message goes to another sink, 1s to 1h. It cannot change.
	// Default 1m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="ackWait: from 1s to 1h is possible"
	AckWait *Duration `json:"ackWait,omitempty"`

	// replicas is how many sinks share the work, 0 to 64. With 0, flows wait in the stream. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	Replicas *int32 `json:"replicas,omitempty"`

	// workers is how many messages one sink handles at a time, 1 to 256. Default 4.
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Workers int32 `json:"workers,omitempty"`

	// blocks has sinks store several messages as one insert, and keep a list of these in a bucket of NATS. Set it, or leave it out again, while all
	// messages are stored. Default: each message is an insert.
	// +optional
	Blocks *FlowSinkBlocks `json:"blocks,omitempty"`

	// image of the sinks. Default: the operator's own, so that both are of one version. It is pulled with pod.imagePullSecrets, or, if
	// there are none, with collector.imagePullSecrets of the FlowCollector.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	Image string `json:"image,omitempty"`

	// dashboards makes a ConfigMap with Grafana dashboards over the tables, for Grafana's sidecar.
	// +optional
	Dashboards Dashboards `json:"dashboards,omitzero"`

	// resources of each sink. Default: requests of 100m CPU and 128Mi memory, a limit of 512Mi memory. With blocks, workers times
	// blocks.maxBytes more is requested, and the limit is three times that higher.
	// +optional
	Resources *Resources `json:"resources,omitempty"`

	// logLevel of the sinks: debug, info, warn or error. A change replaces them. Default info.
	// +optional
	LogLevel LogLevel `json:"logLevel,omitempty"`

	// profiling serves /debug/pprof/ beside the metrics. A change replaces the sinks. Default false.
	// +optional
	Profiling bool `json:"profiling,omitempty"`

	// pod configures the sinks' pods: where they run, as whom, and with what beside them. A change replaces them.
	// +optional
	// +kubebuilder:default={}
	// +kubebuilder:validation:XValidation:rule="!has(self.volumes) || self.volumes.all(v, v.name != 'clickhouse')",message="pod.volumes: the operator uses the volume name clickhouse itself; choose another one"
	Pod Pod `json:"pod,omitzero"`

	// podDisruption limits evictions of sinks, such as those of kubectl drain.
	// +optional
	// +kubebuilder:default={}
	PodDisruption FlowSinkDisruption `json:"podDisruption,omitzero"`

	Common `json:",inline"`
}

// FlowSinkBlocks bound what sinks store at once.
type FlowSinkBlocks struct {
	// maxBytes of the messages of a block, 64Ki to 8Mi. Default 4Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('8Mi')) <= 0",message="blocks.maxBytes: from 64Ki to 8Mi is possible"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// maxAge is how long a message waits for others, 50ms to 10s. Default 1s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('50ms') && duration(self) <= duration('10s')",message="blocks.maxAge: from 50ms to 10s is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`
}

// FlowSinkDisruption limits evictions of sinks. It makes a PodDisruptionBudget where there are at least two replicas: of one sink, an
// eviction costs nothing but time, since flows wait in the stream. A sink that is not ready may be evicted in any case.
type FlowSinkDisruption struct {
	// maxUnavailable is how many sinks may be evicted at a time: a number from 1 to 64, or a percentage of the replicas from 1% to 100%,
	// rounded up. Default 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 64 : self.matches('^([1-9][0-9]?|100)%$')",message="podDisruption.maxUnavailable: a number of sinks from 1 to 64, or a percentage from 1% to 100%, is needed; with 0 no node could be drained"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// FlowSinkSource says whose flows are stored.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="from cannot change, because the consumer in the old stream would stay behind with what it has not read; make a new FlowSink"
type FlowSinkSource struct {
	// flowCollector is the name of a FlowCollector in the namespace of the FlowSink. The sink uses its stream, its NATS servers and
	// their Secrets.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	FlowCollector string `json:"flowCollector"`

	// stream is another one on the FlowCollector's NATS servers to read in place of its own, such as one that gathers the flows of several
	// clusters, or that collectors outside of Kubernetes publish to. The sink stores all flows of that stream, whose batches have to be
	// protobuf. Default: the FlowCollector's stream, and of that the FlowCollector's own flows.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=96
	// +kubebuilder:validation:Pattern=`^[^\s.*>/\\]+$`
	Stream string `json:"stream,omitempty"`
}

// ClickHouse is a ClickHouse server, or a cluster of servers, and how to connect to it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="clickHouse.tls: it needs an https url; change the url, or leave tls out"
type ClickHouse struct {
	// url of ClickHouse's HTTP interface, such as http://clickhouse:8123 or https://clickhouse:8443. It has no user or password: name
	// them in user. A host without dots is a Service in the namespace of the FlowSink.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('@')",message="clickHouse.url: an address has no user or password in it; name a Secret in clickHouse.user"
	// +kubebuilder:validation:XValidation:rule="self.contains('@') || isURL(self) && self.matches('^https?://([[][0-9A-Fa-f:.]+[]]|[-A-Za-z0-9._]+)(:[0-9]{1,5})?(/[-A-Za-z0-9._/]*)?$') && (url(self).getPort() == '' || int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)",message="clickHouse.url: an address such as http://clickhouse:8123 or https://clickhouse:8443 is needed"
	URL string `json:"url"`

	// database with the tables. Default flowfleet.
	// +optional
	// +kubebuilder:default=flowfleet
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	Database string `json:"database,omitempty"`

	// user of ClickHouse. It needs INSERT and SELECT on the database, and what createTables needs. Default: the user "default"
	// without a password.
	// +optional
	User *User `json:"user,omitempty"`

	// tls says how an https server is checked. Default: by the authorities that the image has.
	// +optional
	TLS *ClickHouseTLS `json:"tls,omitempty"`

	// timeout of one insert, 1s to 10m. Default 30s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="clickHouse.timeout: from 1s to 10m is possible"
	Timeout *Duration `json:"timeout,omitempty"`

	// createTables makes the tables that are missing, as "collector schema clickhouse" prints them. It changes no table that exists.
	// Default false.
	// +optional
	CreateTables bool `json:"createTables,omitempty"`

	// cluster on which createTables makes the tables. Default: the one server.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_][-._a-zA-Z0-9]*$`
	Cluster string `json:"cluster,omitempty"`
}

// ClickHouseTLS is how a server is checked, and how the sinks show who they are.
type ClickHouseTLS struct {
	// ca selects the key of a Secret with the certificates (PEM) of the authorities that sign the servers' certificates. Default: the
	// authorities that the image has.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`

	// clientCertificate names a Secret of the type kubernetes.io/tls (keys tls.crt and tls.key).
	// +optional
	ClientCertificate *SecretName `json:"clientCertificate,omitempty"`

	// serverName that the servers' certificates are checked against. Default: the host of the url.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`
}

// Conditions of a FlowSink beside Ready, Reconciling and Stalled.
const (
	// ConditionDestinationReachable is True where the last check of the destination and the last attempt to store went well in all sinks.
	ConditionDestinationReachable = "DestinationReachable"
	// ConditionKeepingUp is True where what the sinks have not stored has more than half of its time and room in the stream left, and the
	// stream has taken nothing of it in the last hour.
	ConditionKeepingUp = "KeepingUp"
	// ConditionSchemaCurrent is True where the tables have the version that the sinks need.
	ConditionSchemaCurrent = "SchemaCurrent"
	// ConditionDestinationShared is there, and True, while another FlowSink stores the same flows in the same tables.
	ConditionDestinationShared = "DestinationShared"
)

// FlowSinkBooks counts records: those of the sinks that answered when they were last asked, each since its start. Figures are rounded
// down to two digits.
type FlowSinkBooks struct {
	// sinks is how many answered.
	// +optional
	Sinks int32 `json:"sinks"`
	// stored is how many records are stored in the destination.
	// +optional
	Stored int64 `json:"stored"`
	// waiting is how many records wait in the sinks. What they have not read yet is pending in reader.
	// +optional
	Waiting int64 `json:"waiting"`
	// refused records are those that the destination will never take. They are kept in the stream of refused messages.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=32
	Refused []FlowSinkRefused `json:"refused,omitempty"`
}

// FlowSinkRefused are records that were refused for one reason.
type FlowSinkRefused struct {
	// reason such as destination, encoding, malformed.
	Reason string `json:"reason"`
	// records that were refused.
	Records int64 `json:"records"`
}

// FlowSinkStatus is the sink as the operator last saw it.
type FlowSinkStatus struct {
	// observedGeneration is the generation of the spec that the objects were made from, or that cannot work (Stalled).
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, DestinationReachable, KeepingUp, SchemaCurrent, and, while they are True, DestinationShared,
	// Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// books of the sinks. They are left out while no sink answers. Books and reader are written when they change by much, and at most
	// once a minute.
	// +optional
	Books *FlowSinkBooks `json:"books,omitempty"`

	// reader is the consumer that the sinks share, as they see it. It is left out until a sink answers.
	// +optional
	Reader *ConsumerStatus `json:"reader,omitempty"`

	// replicas is how many sinks there are.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is how many sinks can read the stream, and store flows.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// summary is readyReplicas/wanted, for kubectl get.
	// +optional
	Summary string `json:"summary,omitempty"`

	// stream that the sinks read.
	// +optional
	Stream string `json:"stream,omitempty"`

	// image that the sinks should run.
	// +optional
	Image string `json:"image,omitempty"`
}
