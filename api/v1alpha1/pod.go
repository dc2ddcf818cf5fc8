package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// Pod is what can be set of pods, of collectors and of sinks alike.
//
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",message="volumeMounts: each names one of the volumes beside them; add the volume, or correct the name"
type Pod struct {
	// imagePullPolicy of the image. Default IfNotPresent.
	// +optional
	// +kubebuilder:default=IfNotPresent
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets for the image. Default: none for collectors; for sinks those of their FlowCollector.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`

	// nodeSelector chooses the nodes that pods run on. Default: all nodes that are not tainted.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations let pods run on tainted nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity of the pods, with up to 64 terms in each list.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.?podAffinity.?requiredDuringSchedulingIgnoredDuringExecution.orValue([]).size() <= 64 && self.?podAffinity.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).size() <= 64 && self.?podAntiAffinity.?requiredDuringSchedulingIgnoredDuringExecution.orValue([]).size() <= 64 && self.?podAntiAffinity.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).size() <= 64 && self.?nodeAffinity.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).size() <= 64 && self.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([]).size() <= 64",message="affinity: up to 64 terms are possible in each list"
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints of the pods. One without a labelSelector counts the pods of this object. A DaemonSet places its pods
	// itself, so for collectors they matter only for what else runs on the nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName of the pods. The class must exist. Default: the cluster's default class.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// env are further environment variables. POD_NAME, NODE_NAME and GOMEMLIMIT cannot be among them, because the operator sets them.
	// When a Secret in env or envFrom changes, collectors are replaced. Sinks read it when they start next: use kubectl rollout restart.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(e, !(e.name in ['POD_NAME', 'NODE_NAME', 'GOMEMLIMIT']))",message="env: the operator sets POD_NAME, NODE_NAME and GOMEMLIMIT (from resources.limits.memory) itself; leave them out"
	// +kubebuilder:validation:XValidation:rule="self.all(e, !has(e.valueFrom) || !has(e.value) || e.value == '')",message="env: choose one of value and valueFrom"
	// +kubebuilder:validation:XValidation:rule="self.all(e, !has(e.valueFrom) || !has(e.valueFrom.resourceFieldRef) || !has(e.valueFrom.resourceFieldRef.divisor) || e.valueFrom.resourceFieldRef.divisor in [dyn(0), dyn(1), dyn('0'), dyn('1'), dyn('1m'), dyn('1k'), dyn('1M'), dyn('1G'), dyn('1T'), dyn('1P'), dyn('1E'), dyn('1Ki'), dyn('1Mi'), dyn('1Gi'), dyn('1Ti'), dyn('1Pi'), dyn('1Ei')])",message="env: valueFrom.resourceFieldRef.divisor: Kubernetes knows 1, 1m, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi and 1Ei"
	Env []corev1.EnvVar `json:"env,omitempty"`

	// envFrom takes further environment variables from ConfigMaps and Secrets, all of their keys.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	EnvFrom []EnvFrom `json:"envFrom,omitempty"`

	// serviceAccountName is the ServiceAccount of the pods, such as one to which a platform grants something. It must exist. Its
	// token is not mounted. Default: for collectors one that the operator makes, for sinks the namespace's own ("default").
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// securityContext of the pods. The default meets the restricted Pod Security standard, and so does everything that can be set.
	// Sinks whose FlowSink sets nothing in it have that of their FlowCollector, without its seLinuxOptions.
	// +optional
	SecurityContext SecurityContext `json:"securityContext,omitzero"`

	// runtimeClassName of the pods. Default: the cluster's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// dnsPolicy of the pods. Default: ClusterFirst, and ClusterFirstWithHostNet for collectors with hostNetwork.
	// +optional
	// +kubebuilder:validation:Enum=ClusterFirst;ClusterFirstWithHostNet;Default;None
	DNSPolicy corev1.DNSPolicy `json:"dnsPolicy,omitempty"`

	// dnsConfig adds to what dnsPolicy gives. The dnsPolicy None needs it.
	// +optional
	DNSConfig *DNSConfig `json:"dnsConfig,omitempty"`

	// initContainers run before the pod's own container. With restartPolicy Always they run beside it, as sidecars do. They have the
	// fields of Kubernetes' containers. If Kubernetes refuses one, the conditions say so.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	InitContainers []Container `json:"initContainers,omitempty"`

	// sidecars run beside the pod's own container. They have the fields of Kubernetes' containers. If Kubernetes refuses one, the
	// conditions say so. None may have the name of the pod's own: collector, or sink.
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

	// volumeMounts are further mounts of the pod's own container. Each names one of volumes.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(m, !(m.mountPath in ['/etc/flowfleet', '/var/run/secrets/flowfleet', '/var/lib/flowfleet']) && !m.mountPath.startsWith('/etc/flowfleet/') && !m.mountPath.startsWith('/var/run/secrets/flowfleet/') && !m.mountPath.startsWith('/var/lib/flowfleet/'))",message="volumeMounts: the operator mounts /etc/flowfleet, /var/run/secrets/flowfleet and /var/lib/flowfleet itself; choose another mountPath"
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`

	// annotations are added to the pods, beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!('flowfleet.io/configuration' in self || 'flowfleet.io/secrets' in self)",message="annotations: the operator sets flowfleet.io/configuration and flowfleet.io/secrets itself; leave them out"
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the pods, beside the operator's own.
	// +optional
	Labels Labels `json:"labels,omitempty"`

	// terminationGracePeriodSeconds is after how long a pod that does not end is killed, 1 to 3600. Collectors need at least drainTime
	// plus 15 s. Default: for collectors drainTime plus 30 s, for sinks 30 s.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
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

	// persistentVolumeClaim that all pods mount.
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
