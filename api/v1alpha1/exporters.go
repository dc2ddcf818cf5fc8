package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// TemplateScope says what identifies the owner of a template, beside protocol version and observation domain.
//
// +kubebuilder:validation:Enum=Auto;Address;AddressPort
type TemplateScope string

// The template scopes.
const (
	ScopeAuto        TemplateScope = "Auto"
	ScopeAddress     TemplateScope = "Address"
	ScopeAddressPort TemplateScope = "AddressPort"
)

// Network in CIDR notation, such as 10.0.0.0/8 or 2001:db8::/32.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="a network such as 10.0.0.0/8, 192.0.2.1/32 or 2001:db8::/32 is needed"
type Network string

// Exporters says who may send, and what is kept of each exporter. Changes take effect without a restart, except for templateScope.
type Exporters struct {
	// allowedNetworks are the networks whose datagrams are decoded. Datagrams from others are refused and counted. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	AllowedNetworks []Network `json:"allowedNetworks,omitempty"`

	// templateScope says how collectors look up templates. Auto looks by address and port, then takes what the address's ports agree
	// on. Address ignores the port, AddressPort requires it. A change replaces the pods. Default Auto.
	// +optional
	// +kubebuilder:default=Auto
	TemplateScope TemplateScope `json:"templateScope,omitempty"`

	// sampling configures sampling rates by network.
	// +optional
	Sampling Sampling `json:"sampling,omitzero"`

	// names of exporters, which flows carry as exporter_name. The longest network that contains the exporter counts.
	// +optional
	// +listType=map
	// +listMapKey=network
	// +kubebuilder:validation:MaxItems=1024
	Names []ExporterName `json:"names,omitempty"`

	// namesFrom is a ConfigMap with names of interfaces, applications, VRFs and others as CSV (exporter, table, key, name,
	// description), for exporters that send none. Collectors use changes after about a minute.
	// +optional
	NamesFrom *ConfigMapKey `json:"namesFrom,omitempty"`

	// namePreference says whose name counts if there are two: Configured is the one in names or namesFrom, Exporter the one that the
	// exporter sends. Default Configured.
	// +optional
	// +kubebuilder:default=Configured
	NamePreference NamePreference `json:"namePreference,omitempty"`

	// limits bound what exporters can make a collector hold.
	// +optional
	Limits Limits `json:"limits,omitzero"`

	// heldData bounds the data sets that wait for their template.
	// +optional
	HeldData HeldData `json:"heldData,omitzero"`

	// objects says for which exporters there are FlowExporters: Off for none, Declared for those that you make, All also for those
	// that collectors hear, up to maxObjects. Default All.
	// +optional
	// +kubebuilder:default=All
	Objects ExporterObjects `json:"objects,omitempty"`

	// maxObjects is how many FlowExporters the operator makes, 1 to 10000. Those that you make do not count. Default 1000.
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	MaxObjects int32 `json:"maxObjects,omitempty"`
}

// ExporterObjects says for which exporters there are FlowExporters.
//
// +kubebuilder:validation:Enum=Off;Declared;All
type ExporterObjects string

// The values of exporters.objects.
const (
	ObjectsOff      ExporterObjects = "Off"
	ObjectsDeclared ExporterObjects = "Declared"
	ObjectsAll      ExporterObjects = "All"
)

// Sampling configures sampling rates by the exporter's network. The longest network that contains the exporter counts.
type Sampling struct {
	// defaults apply if the exporter announces no rate.
	// +optional
	// +listType=map
	// +listMapKey=network
	// +kubebuilder:validation:MaxItems=1024
	Defaults []NetworkRate `json:"defaults,omitempty"`

	// overrides apply whatever rate the exporter announces.
	// +optional
	// +listType=map
	// +listMapKey=network
	// +kubebuilder:validation:MaxItems=1024
	Overrides []NetworkRate `json:"overrides,omitempty"`
}

// NetworkRate is the sampling rate of the exporters of a network.
type NetworkRate struct {
	// network of the exporters.
	// +required
	Network Network `json:"network"`

	// rate: one of this many packets is sampled, 1 to 4294967295.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	Rate int64 `json:"rate"`
}

// ExporterName is the name of the exporters of a network, mostly of one address.
type ExporterName struct {
	// network of the exporters, such as 192.0.2.1/32.
	// +required
	Network Network `json:"network"`

	// name, 1 to 255 bytes of printable text.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]') && !self.matches('^[[:space:]]|[[:space:]]$')",message="a name has no control characters, and no blanks at its ends"
	Name string `json:"name"`
}

// NamePreference says whose name counts.
//
// +kubebuilder:validation:Enum=Configured;Exporter
type NamePreference string

// ConfigMapKey is a key of a ConfigMap in the FlowCollector's namespace.
type ConfigMapKey struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// key in the ConfigMap. Default names.csv.
	// +optional
	// +kubebuilder:default=names.csv
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// Limits bound what exporters can make a collector hold. Beyond them, what was heard least recently is forgotten, in memory only.
type Limits struct {
	// exporters is how many exporters a collector remembers (protocol version, address and observation domain), 1 to 16777216.
	// Default 65536.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16777216
	Exporters int32 `json:"exporters,omitempty"`

	// templatesPerExporter is how many templates a collector remembers of each exporter, 1 to 65280. Default 1024.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65280
	TemplatesPerExporter int32 `json:"templatesPerExporter,omitempty"`

	// fieldsPerTemplate is how many fields a template may have, 1 to 16384. Default 512.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16384
	FieldsPerTemplate int32 `json:"fieldsPerTemplate,omitempty"`

	// samplesPerDatagram is how many samples of one sFlow datagram are decoded, 1 to 65536. Default 512.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	SamplesPerDatagram int32 `json:"samplesPerDatagram,omitempty"`

	// exporterMetrics is how many exporters have metrics of their own, up to 1048576. The others share one. Those of declared FlowExporters
	// have metrics of their own beyond that. Default 1000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1048576
	ExporterMetrics int32 `json:"exporterMetrics,omitempty"`
}

// HeldData bounds the data sets that wait for their template.
type HeldData struct {
	// disabled drops data sets without a template at once. Default false.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// maxBytes of held sets in a collector, up to 1Ti. Default 64Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="heldData.maxBytes: from 1Ki to 1Ti is possible; set heldData.disabled to hold nothing"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`

	// maxBytesPerExporter is how many bytes of them each port and observation domain of an exporter may have, up to 1Ti. Where maxBytes are
	// held, exporters that have more in all their ports and domains make room before others. Default 1Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="heldData.maxBytesPerExporter: from 1Ki to 1Ti is possible; set heldData.disabled to hold nothing"
	MaxBytesPerExporter *resource.Quantity `json:"maxBytesPerExporter,omitempty"`

	// maxAge of a held set, 1s to 24h. Default 5m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="heldData.maxAge: from 1s to 24h is possible"
	MaxAge *Duration `json:"maxAge,omitempty"`
}
