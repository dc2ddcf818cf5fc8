package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
)

// LogLevel of the collectors.
//
// +kubebuilder:validation:Enum=debug;info;warn;error
type LogLevel string

// NodeTuning is what a collector's pod may change of its node.
//
// +kubebuilder:validation:Enum=None;ReceiveBuffer
type NodeTuning string

// NodeTunings.
const (
	// NodeTuningNone leaves nodes as they are.
	NodeTuningNone NodeTuning = "None"
	// NodeTuningReceiveBuffer raises the sysctl net.core.rmem_max.
	NodeTuningReceiveBuffer NodeTuning = "ReceiveBuffer"
)

// Collector configures the collectors' pods.
//
// +kubebuilder:validation:XValidation:rule="!has(self.hostNetwork) || !self.hostNetwork || !has(self.updateStrategy) || !has(self.updateStrategy.maxSurge) || string(self.updateStrategy.maxSurge) in ['0', '0%']",message="collector.updateStrategy: with hostNetwork two collectors cannot have the same port of a node, so there can be no surge; leave maxSurge out and set maxUnavailable"
// +kubebuilder:validation:XValidation:rule="!has(self.hostNetwork) || !self.hostNetwork || !has(self.updateStrategy) || !has(self.updateStrategy.maxUnavailable) || !(string(self.updateStrategy.maxUnavailable) in ['0', '0%'])",message="collector.updateStrategy: with hostNetwork a collector ends before the next one can begin, so maxUnavailable cannot be 0; leave it out, or set at least 1"
// +kubebuilder:validation:XValidation:rule="!has(self.terminationGracePeriodSeconds) || self.terminationGracePeriodSeconds >= (has(self.drainTime) ? duration(self.drainTime).getSeconds() : 15) + 15",message="collector.terminationGracePeriodSeconds: at least drainTime and 15 s are needed, to hand on what is waiting; raise it, or leave it out"
type Collector struct {
	// image of the collectors. Default: the operator's own, so that both are of one version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	Image string `json:"image,omitempty"`

	// resources of the collector's container. Its Go runtime is told to stay within 90% of the memory limit. Default: requests of
	// 200m CPU and 512Mi memory, a limit of 1Gi memory.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.requests) || ['cpu', 'memory'].all(k, !(k in self.limits) || !(k in self.requests) || string(self.limits[k]).contains('e') || string(self.limits[k]).contains('E') || string(self.requests[k]).contains('e') || string(self.requests[k]).contains('E') || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",message="collector.resources: a request is more than its limit; lower the one, or raise the other"
	Resources *Resources `json:"resources,omitempty"`

	// minReady is how many collectors are enough for the condition CollectorsAvailable: a number of nodes, or a percentage of them,
	// rounded up. Nodes that are not ready, are cordoned, or joined the fleet less than 5 minutes ago do not count. At least one
	// collector is needed in any case. Default 99%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 100000 : self.matches('^([1-9][0-9]?|100)%$')",message="collector.minReady: a number of nodes from 1 on, or a percentage from 1% to 100%, is needed"
	MinReady *intstr.IntOrString `json:"minReady,omitempty"`

	// progressDeadline is how long a rollout may make no progress, or a Service wait for its address, before the fleet is Stalled and
	// Degraded, 1m to 24h. Default 10m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="collector.progressDeadline: from 1m to 24h is possible"
	ProgressDeadline *Duration `json:"progressDeadline,omitempty"`

	// hostNetwork binds the ports on the nodes themselves. Exporters then send to nodes, without a Service between. When a collector
	// is replaced, its ports are closed for a moment, because no second one can bind them. Default false.
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`

	// nodeTuning: with ReceiveBuffer, sockets get the receive buffers that listeners.receiveBuffer asks for. Before a collector
	// starts, a privileged container raises the node's sysctl net.core.rmem_max to the largest of them. The sysctl applies to all
	// pods of the node, until the node restarts, and is never lowered. The namespace must allow privileged pods (the Pod Security
	// level privileged); otherwise the fleet gets no pods. If a node does not allow the change, the collector starts all the same.
	// Default None.
	// +optional
	// +kubebuilder:default=None
	NodeTuning NodeTuning `json:"nodeTuning,omitempty"`

	// metricsPort is the port of metrics and health (TCP), 1024 to 65535. You need another one only with hostNetwork, if two fleets,
	// or other programs, want the same port of a node. Default 8080.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	MetricsPort int32 `json:"metricsPort,omitempty"`

	// profiling serves /debug/pprof/ beside the metrics. Default false.
	// +optional
	Profiling bool `json:"profiling,omitempty"`

	// logLevel of the collectors. It changes without a restart. Default info.
	// +optional
	// +kubebuilder:default=info
	LogLevel LogLevel `json:"logLevel,omitempty"`

	// drainTime is how long a collector that was told to end goes on reading, so that datagrams on their way to it are not lost, 1s
	// to 10m. It stays ready for the first third of this time, so that another collector can take its place. Default 15s.
	// +optional
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="collector.drainTime: from 1s to 10m is possible"
	DrainTime *Duration `json:"drainTime,omitempty"`

	// updateStrategy says how collectors are replaced.
	// +optional
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitzero"`

	Pod `json:",inline"`
}

// UpdateStrategy says how many collectors are replaced at a time. By default a new collector is ready on each node before the old one
// ends. On the host network both would need the same ports, so one node follows the other.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || string(self.maxSurge) in ['0', '0%'] || !has(self.maxUnavailable) || string(self.maxUnavailable) in ['0', '0%']",message="updateStrategy: maxSurge and maxUnavailable exclude each other; set one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || !has(self.maxUnavailable) || !(string(self.maxSurge) in ['0', '0%']) || !(string(self.maxUnavailable) in ['0', '0%'])",message="updateStrategy: maxSurge and maxUnavailable cannot both be 0, since nothing could be replaced; set one of them"
type UpdateStrategy struct {
	// maxSurge is how many nodes may have a second collector while the first is replaced: a number, or a percentage of the nodes.
	// Default 1 (0 with hostNetwork).
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 100000 : self.matches('^(0|[1-9][0-9]?|100)%$')",message="maxSurge: a number of nodes such as 1, or a percentage such as \"10%\", is needed"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// maxUnavailable is how many nodes may be without a collector: a number, or a percentage of the nodes. Default 0 (1 with
	// hostNetwork).
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 100000 : self.matches('^(0|[1-9][0-9]?|100)%$')",message="maxUnavailable: a number of nodes such as 1, or a percentage such as \"10%\", is needed"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}
