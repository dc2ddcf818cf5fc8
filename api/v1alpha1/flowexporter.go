package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LabelDiscovered with the value "true" is on FlowExporters that the operator made of senders that it heard of. Take it off to keep one.
const LabelDiscovered = "flowfleet.io/discovered"

// FlowExporter shows a device that sends flows to a fleet: how much of what it sends arrives, and whether all is well. The operator
// makes one for each address that collectors hear. For a device that you expect, make one yourself.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fexp,categories=flowfleet
// +kubebuilder:selectablefield:JSONPath=`.spec.collector`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.addresses[0]`
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.status.protocol`
// +kubebuilder:printcolumn:name="Records/s",type=integer,JSONPath=`.status.recordsPerSecond`
// +kubebuilder:printcolumn:name="Loss",type=string,JSONPath=`.status.loss`
// +kubebuilder:printcolumn:name="Sampling",type=string,JSONPath=`.status.sampling.text`
// +kubebuilder:printcolumn:name="Last heard",type=date,JSONPath=`.status.lastHeard`
// +kubebuilder:printcolumn:name="Collectors",type=integer,JSONPath=`.status.collectors`
// +kubebuilder:printcolumn:name="Bytes/s",type=integer,priority=1,JSONPath=`.status.bytesPerSecond`
// +kubebuilder:printcolumn:name="Scaled bytes/s",type=integer,priority=1,JSONPath=`.status.scaledBytesPerSecond`
// +kubebuilder:printcolumn:name="Domains",type=string,priority=1,JSONPath=`.status.domains`
// +kubebuilder:printcolumn:name="Templates",type=integer,priority=1,JSONPath=`.status.templates`
// +kubebuilder:printcolumn:name="Named",type=string,priority=1,JSONPath=`.status.naming.named`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type FlowExporter struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is expected of the device.
	// +required
	Spec FlowExporterSpec `json:"spec"`

	// status is the device as its fleet's collectors hear it.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "no operator has looked at this object yet; is there a FlowCollector of the name in spec.collector, and is its exporters.objects not Off?", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status FlowExporterStatus `json:"status,omitzero"`
}

// FlowExporterList is a list of FlowExporters.
//
// +kubebuilder:object:root=true
type FlowExporterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FlowExporter `json:"items"`
}

// ExporterAddress is an IP address without a zone, such as 192.0.2.1 or 2001:db8::1.
//
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:XValidation:rule="isIP(self)",message="an address such as 192.0.2.1 or 2001:db8::1 is needed, without a zone or a port"
type ExporterAddress string

// ExporterProtocol is what a device sends.
//
// +kubebuilder:validation:Enum=NetFlow;IPFIX;SFlow
type ExporterProtocol string

// FlowExporterSpec is what is expected of the device.
type FlowExporterSpec struct {
	// collector is the name of the FlowCollector in the same namespace whose fleet the device sends to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Collector string `json:"collector"`

	// addresses that the device sends from, 1 to 16. Figures are those of all of them together.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Addresses []ExporterAddress `json:"addresses"`

	// displayName is the device's name in messages, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="a name has no control characters"
	DisplayName string `json:"displayName,omitempty"`

	// protocols that the device should send: NetFlow (versions 1 to 9), IPFIX, SFlow. If one of them is missing, Sending is False.
	// Default: any.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Protocols []ExporterProtocol `json:"protocols,omitempty"`

	// silentAfter is how long the device may send no datagram before Sending is False, 30s to 24h. Default 5m.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('30s') && duration(self) <= duration('24h')",message="silentAfter: from 30s to 24h is possible"
	SilentAfter Duration `json:"silentAfter,omitempty"`

	// maxLoss is how much of what the device sent in the last minutes may be missing before Complete is False, 0% to 100%. Default
	// 1%.
	// +optional
	// +kubebuilder:default="1%"
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^(100([.]0{1,3})?|[0-9]{1,2}([.][0-9]{1,3})?)%$')",message="maxLoss: from 0% to 100% is possible, such as 0.5%"
	MaxLoss string `json:"maxLoss,omitempty"`

	// samplingRate of the device's flows: one of this many packets is sampled, 1 to 4294967295. It takes precedence over what the
	// device announces, and over exporters.sampling of the FlowCollector. Collectors use a change after about a minute, without a
	// restart.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	SamplingRate int64 `json:"samplingRate,omitempty"`

	// interfaces are names of the device's interfaces, up to 512. They take precedence over those of exporters.namesFrom of the
	// FlowCollector, and over what the device says if exporters.namePreference is Configured. Collectors use a change as they do for
	// samplingRate.
	// +optional
	// +listType=map
	// +listMapKey=index
	// +kubebuilder:validation:MaxItems=512
	Interfaces []ExporterInterface `json:"interfaces,omitempty"`

	// interfacesFrom is a ConfigMap in the same namespace with names of interfaces, in the CSV format of exporters.namesFrom of the
	// FlowCollector (exporter, table, key, name, description): those lines count whose table is interfaces and whose exporter has one of
	// the addresses. Names in interfaces count before them; with these, a device has up to 512. A change of the ConfigMap is taken up
	// within two minutes or so, without a restart; Configured is False where it is missing or has faults.
	// +optional
	InterfacesFrom *ConfigMapKey `json:"interfacesFrom,omitempty"`
}

// ExporterInterface is the name of an interface of a device.
type ExporterInterface struct {
	// index is the interface's ifIndex, as flows have it, 0 to 4294967295.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	Index int64 `json:"index"`

	// name that flows carry, 1 to 255 bytes of printable text.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]') && !self.matches('^[[:space:]]|[[:space:]]$')",message="a name has no control characters, and no blanks at its ends"
	Name string `json:"name"`

	// description of the interface, up to 255 bytes. Flows carry it if decoding.names of the FlowCollector has interfaceDescriptions.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]') && !self.matches('^[[:space:]]|[[:space:]]$')",message="a description has no control characters, and no blanks at its ends"
	Description string `json:"description,omitempty"`
}

// Condition types of a FlowExporter, beside Ready.
const (
	// ConditionSending is False where nothing came for silentAfter.
	ConditionSending = "Sending"
	// ConditionDecoding is False where data was refused, or expired without a template, in the last minutes.
	ConditionDecoding = "Decoding"
	// ConditionComplete is False where more than maxLoss of the last minutes is missing. It is not there for protocols without sequence
	// numbers.
	ConditionComplete = "Complete"
	// ConditionSamplingKnown is False where some flows have a sampling rate and others have none, or devices dispute it.
	ConditionSamplingKnown = "SamplingKnown"
	// ConditionClockRight is False where the device's time of export is more than a minute from the clock of a node that hears it.
	ConditionClockRight = "ClockRight"
	// ConditionConsistent is False where several devices seem to send with the address.
	ConditionConsistent = "Consistent"
	// ConditionConfigured is False where samplingRate and interfaces do not hold, or another FlowExporter has one of the addresses; Unknown
	// until all collectors that answer use them. It is there where these or interfacesFrom are set, or where that is so.
	ConditionConfigured = "Configured"
)

// FlowExporterStatus is the device as its fleet's collectors hear it. Figures are updated when a condition changes, and every five
// minutes while the device sends. "Lately" means in the ten minutes before the device was last heard.
type FlowExporterStatus struct {
	// observedGeneration is the generation of the spec that the conditions are judged by.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions say how it is: Ready, Sending, Decoding, Complete where the protocol has sequence numbers, SamplingKnown, ClockRight,
	// Consistent, and Configured where samplingRate, interfaces or interfacesFrom are set. Ready is False where any of them is, and Unknown where one of the first three is.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// protocol is all protocols in one text, for the table.
	// +optional
	Protocol string `json:"protocol,omitempty"`

	// protocols that it was heard with lately, as in metrics: netflow5, netflow9, ipfix, sflow, ...
	// +optional
	// +listType=set
	Protocols []string `json:"protocols,omitempty"`

	// collectors is how many collectors heard it lately.
	// +optional
	Collectors int32 `json:"collectors,omitempty"`

	// nodes of these collectors, up to 16.
	// +optional
	// +listType=set
	Nodes []string `json:"nodes,omitempty"`

	// domains are the observation domains, source ids, engines or sub-agents that were heard lately, up to 16.
	// +optional
	// +listType=set
	Domains []int64 `json:"domains,omitempty"`

	// ports is how many different UDP ports it sent from lately.
	// +optional
	Ports int32 `json:"ports,omitempty"`

	// records that the collectors that run now have decoded, since each began.
	// +optional
	Records int64 `json:"records,omitempty"`

	// recordsPerSecond in the last minutes, to two digits. It is left out while the device is silent, and until it is measured.
	// +optional
	RecordsPerSecond *int64 `json:"recordsPerSecond,omitempty"`

	// bytesPerSecond that flows of the last minutes report, to two digits. If the device samples, they are those of the sampled
	// packets.
	// +optional
	BytesPerSecond *int64 `json:"bytesPerSecond,omitempty"`

	// scaledBytesPerSecond is bytesPerSecond with each flow multiplied by its sampling rate. It is left out unless all flows have
	// one.
	// +optional
	ScaledBytesPerSecond *int64 `json:"scaledBytesPerSecond,omitempty"`

	// naming is how many flows of the last minutes got the names that decoding.names of the FlowCollector asks for; left out where nobody
	// asks for names, and where it is not known.
	// +optional
	Naming *ExporterNaming `json:"naming,omitempty"`

	// loss in the last minutes, in percent of what the device sent by its own sequence numbers.
	// +optional
	Loss string `json:"loss,omitempty"`

	// units are what the device's sequence numbers count, added up over the whole fleet.
	// +optional
	Units *ExporterUnits `json:"units,omitempty"`

	// templates is how many templates of NetFlow v9 and IPFIX its domains have, as many as one collector knows.
	// +optional
	Templates *int32 `json:"templates,omitempty"`

	// templatesChanged is when the collectors that run now last heard a template that was new or changed, to the minute.
	// +optional
	TemplatesChanged *metav1.Time `json:"templatesChanged,omitempty"`

	// sampling rates of its flows. It is left out if no flow has one.
	// +optional
	Sampling *ExporterSampling `json:"sampling,omitempty"`

	// device is what it says of itself: sFlow agents do in counter samples (host_descr). Left out where it says nothing, and where
	// decoding.names of the FlowCollector is empty.
	// +optional
	Device *ExporterDevice `json:"device,omitempty"`

	// clockSkew is the device's time of export less that of receipt, such as -3s, where it is furthest from 0.
	// +optional
	ClockSkew string `json:"clockSkew,omitempty"`

	// restarts is how often the device's sequences restarted since the collectors began.
	// +optional
	Restarts int64 `json:"restarts,omitempty"`

	// lastHeard is when the last datagram came, to the minute, and at most five minutes late.
	// +optional
	LastHeard *metav1.Time `json:"lastHeard,omitempty"`

	// heardBy is the FlowCollector that lastHeard and the figures come from. When
	// the spec names another FlowCollector, or lacks an address of heardFrom, they begin anew.
	// +optional
	HeardBy string `json:"heardBy,omitempty"`

	// heardFrom has the addresses that lastHeard and the figures are about.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	HeardFrom []ExporterAddress `json:"heardFrom,omitempty"`
}

// ExporterSampling is which sampling rates the flows of a device have, and where these come from.
type ExporterSampling struct {
	// text has all rates, for the table.
	// +optional
	Text string `json:"text,omitempty"`

	// rates: one of this many packets is sampled. Up to 16 rates.
	// +optional
	// +listType=set
	Rates []int64 `json:"rates,omitempty"`

	// sources of the rates: announced in an options table, record for the flow's own, override or default for the FlowCollector's.
	// +optional
	// +listType=set
	Sources []string `json:"sources,omitempty"`
}

// ExporterDevice is what a device says of itself. Nobody vouches for it.
type ExporterDevice struct {
	// name that it has itself, such as its hostname, up to 255 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// software that runs on it, such as linux 4.19.0-6-amd64 (x86_64), up to 255 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Software string `json:"software,omitempty"`
}

// ExporterNaming is how many flows got names.
type ExporterNaming struct {
	// named is the share of flows whose interfaces all have a name, such as 98%, for the table: of those that have an interface. Left out
	// where flows carry no names of interfaces, or have none.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	Named string `json:"named,omitempty"`

	// tables are the shares by table of names, up to 6; see ExporterNamingTable.
	// +optional
	// +listType=map
	// +listMapKey=table
	// +kubebuilder:validation:MaxItems=8
	Tables []ExporterNamingTable `json:"tables,omitempty"`
}

// ExporterNamingTable is how many flows got the names of one table.
type ExporterNamingTable struct {
	// table is interfaces, applications, vrfs, samplers, domains or exporters, as in metrics.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Table string `json:"table"`

	// named is the share of the flows that have a number of the table whose numbers all have a name: 0% is none of them, <1% few, >99%
	// nearly all, and 100% all.
	// +required
	// +kubebuilder:validation:MaxLength=8
	Named string `json:"named"`
}

// ExporterUnits are what sequence numbers count: flows of NetFlow v5 to v7, packets of v9, records of IPFIX, datagrams of sFlow. They
// are those of the sequences heard lately, since each began.
type ExporterUnits struct {
	// sent by the device, by its sequence numbers.
	// +optional
	Sent int64 `json:"sent"`
	// received by any collector.
	// +optional
	Received int64 `json:"received"`
	// missed units were received by no collector.
	// +optional
	Missed int64 `json:"missed"`
	// duplicated units came more than once.
	// +optional
	Duplicated int64 `json:"duplicated"`
}
