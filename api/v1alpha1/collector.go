package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
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
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",message="collector.volumeMounts: each names one of collector.volumes; add the volume, or correct the name"
// +kubebuilder:validation:XValidation:rule="!has(self.terminationGracePeriodSeconds) || self.terminationGracePeriodSeconds >= (has(self.drainTime) ? duration(self.drainTime).getSeconds() : 15) + 15",message="collector.terminationGracePeriodSeconds: at least drainTime and 15 s are needed, to hand on what is waiting; raise it, or leave it out"
type Collector struct {
	// image of the collectors. Default: the operator's own, so that both are of one version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	Image string `json:"image,omitempty"`

	// imagePullPolicy of the image. Default IfNotPresent.
	// +optional
	// +kubebuilder:default=IfNotPresent
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets for the image.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`

	// resources of the collector's container. Its Go runtime is told to stay within 90% of the memory limit. Default: requests of
	// 200m CPU and 512Mi memory, a limit of 1Gi memory.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(k, !(k in self.limits) || string(self.limits[k]).matches('^[0-9.]{1,16}[mkMGTPi]{0,2}$'))",message="collector.resources.limits: quantities such as 500m, 2 or 1Gi are needed"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || ['cpu', 'memory', 'ephemeral-storage'].all(k, !(k in self.requests) || string(self.requests[k]).matches('^[0-9.]{1,16}[mkMGTPi]{0,2}$'))",message="collector.resources.requests: quantities such as 500m, 2 or 1Gi are needed"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.requests) || ['cpu', 'memory'].all(k, !(k in self.limits) || !(k in self.requests) || string(self.limits[k]).contains('e') || string(self.limits[k]).contains('E') || string(self.requests[k]).contains('e') || string(self.requests[k]).contains('E') || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",message="collector.resources: a request is more than its limit; lower the one, or raise the other"
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="collector.resources.claims: collectors have no resource claims; leave them out"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

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

	// nodeSelector chooses the nodes that have a collector. Default: all nodes that are not tainted.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations let collectors run on tainted nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity of the pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints of the pods. A DaemonSet places its pods itself, so constraints matter only for what else runs there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	PriorityClassName string `json:"priorityClassName,omitempty"`

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

	// env are further environment variables. POD_NAME, NODE_NAME and GOMEMLIMIT cannot be among them, because the operator sets them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(e, !(e.name in ['POD_NAME', 'NODE_NAME', 'GOMEMLIMIT']))",message="collector.env: the operator sets POD_NAME, NODE_NAME and GOMEMLIMIT (from resources.limits.memory) itself; leave them out"
	// +kubebuilder:validation:XValidation:rule="self.all(e, !has(e.valueFrom) || !has(e.value) || e.value == '')",message="collector.env: choose one of value and valueFrom"
	Env []corev1.EnvVar `json:"env,omitempty"`

	// envFrom takes further environment variables from ConfigMaps and Secrets, all of their keys.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	EnvFrom []EnvFrom `json:"envFrom,omitempty"`

	// serviceAccountName is the ServiceAccount of the pods, such as one to which a platform grants something. It must exist. Its
	// token is not mounted. Default: one that the operator makes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// securityContext of the pods. The default meets the restricted Pod Security standard, and so does everything that can be set.
	// +optional
	SecurityContext SecurityContext `json:"securityContext,omitzero"`

	// runtimeClassName of the pods. Default: the cluster's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// dnsPolicy of the pods. Default: ClusterFirst, and ClusterFirstWithHostNet with hostNetwork.
	// +optional
	// +kubebuilder:validation:Enum=ClusterFirst;ClusterFirstWithHostNet;Default;None
	DNSPolicy corev1.DNSPolicy `json:"dnsPolicy,omitempty"`

	// dnsConfig adds to what dnsPolicy gives. The dnsPolicy None needs it.
	// +optional
	DNSConfig *DNSConfig `json:"dnsConfig,omitempty"`

	// initContainers run before the collector. With restartPolicy Always they run beside it, as sidecars do. They have the fields of
	// Kubernetes' containers. If Kubernetes refuses one, the condition ConfigurationValid says so.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	InitContainers []Container `json:"initContainers,omitempty"`

	// sidecars run beside the collector. They have the fields of Kubernetes' containers. If Kubernetes refuses one, the condition
	// ConfigurationValid says so. None may have the name collector.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Sidecars []Container `json:"sidecars,omitempty"`

	// volumes are further volumes of the pods.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Volumes []Volume `json:"volumes,omitempty"`

	// volumeMounts are further mounts of the collector's container.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(m, !(m.mountPath in ['/etc/flowfleet', '/var/run/secrets/flowfleet', '/var/lib/flowfleet']) && !m.mountPath.startsWith('/etc/flowfleet/') && !m.mountPath.startsWith('/var/run/secrets/flowfleet/') && !m.mountPath.startsWith('/var/lib/flowfleet/'))",message="collector.volumeMounts: the operator mounts /etc/flowfleet, /var/run/secrets/flowfleet and /var/lib/flowfleet itself; choose another mountPath"
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`

	// annotations are added to the pods, beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!('flowfleet.io/configuration' in self || 'flowfleet.io/secrets' in self)",message="collector.annotations: the operator sets flowfleet.io/configuration and flowfleet.io/secrets itself; leave them out"
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the pods, beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="!('app.kubernetes.io/name' in self || 'app.kubernetes.io/instance' in self || 'app.kubernetes.io/component' in self || 'app.kubernetes.io/managed-by' in self)",message="the operator sets the labels app.kubernetes.io/name, instance, component and managed-by itself; choose others"
	Labels map[string]string `json:"labels,omitempty"`

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

	// terminationGracePeriodSeconds is after how long a collector that does not end is killed, 1 to 3600, and at least drainTime plus
	// 15 s. Default: drainTime plus 30 s.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`

	// updateStrategy says how collectors are replaced.
	// +optional
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitzero"`
}

// Container has the fields of Kubernetes' containers. The schema does not repeat them, because they would triple its size.
//
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type Container struct {
	runtime.RawExtension `json:",inline"`
}

// SecurityContext says under which user and group ids the pods run.
//
// +kubebuilder:validation:XValidation:rule="!has(self.assignedByPlatform) || !self.assignedByPlatform || !has(self.runAsUser) && !has(self.runAsGroup) && !has(self.fsGroup)",message="securityContext: ids that the platform assigns cannot be set; leave runAsUser, runAsGroup and fsGroup out, or assignedByPlatform"
type SecurityContext struct {
	// assignedByPlatform leaves user and groups to the platform. OpenShift wants this: its security context constraints assign them
	// to each namespace. Default false.
	// +optional
	AssignedByPlatform bool `json:"assignedByPlatform,omitempty"`

	// runAsUser is the user, 1 to 2147483647. Default 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	RunAsUser *int64 `json:"runAsUser,omitempty"`

	// runAsGroup is the group, 1 to 2147483647. Default 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`

	// fsGroup owns the files of volumes, 1 to 2147483647. Default 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	FSGroup *int64 `json:"fsGroup,omitempty"`

	// seLinuxOptions of the pods. Default: the node's.
	// +optional
	SELinuxOptions *SELinuxOptions `json:"seLinuxOptions,omitempty"`
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

// Volume is a further volume of the pods.
//
// +kubebuilder:validation:XValidation:rule="[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.hostPath), has(self.persistentVolumeClaim), has(self.csi)].filter(x, x).size() == 1",message="choose one of configMap, secret, emptyDir, hostPath, persistentVolumeClaim and csi"
// +kubebuilder:validation:XValidation:rule="!(self.name in ['configuration', 'nats', 'templates-nats', 'output-nats', 'spool', 'names', 'node-proc', 'tmp'])",message="the operator uses this volume name itself; choose another one"
type Volume struct {
	// name of the volume.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// configMap whose keys are files.
	// +optional
	ConfigMap *corev1.ConfigMapVolumeSource `json:"configMap,omitempty"`

	// secret whose keys are files.
	// +optional
	Secret *corev1.SecretVolumeSource `json:"secret,omitempty"`

	// emptyDir that lives as long as the pod.
	// +optional
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`

	// hostPath on the node. The restricted Pod Security standard forbids it.
	// +optional
	HostPath *corev1.HostPathVolumeSource `json:"hostPath,omitempty"`

	// persistentVolumeClaim that all collectors mount.
	// +optional
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`

	// csi volume that lives as long as the pod.
	// +optional
	CSI *corev1.CSIVolumeSource `json:"csi,omitempty"`
}

// EmptyDir is a directory that lives as long as the pod.
type EmptyDir struct {
	// medium: with Memory, the files are in memory, and count towards the memory limit. Default: the node's disk.
	// +optional
	// +kubebuilder:validation:Enum="";Memory
	Medium corev1.StorageMedium `json:"medium,omitempty"`

	// sizeLimit of the files, up to 1Pi. A pod that exceeds it is evicted. Default: none.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE]') && quantity(string(self)).compareTo(quantity('0')) > 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="emptyDir.sizeLimit: up to 1Pi is possible, and more than 0"
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
}
