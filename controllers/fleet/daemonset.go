package fleet

import (
	"fmt"
	"path"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

const (
	// unprivilegedUser is that of the image.
	unprivilegedUser = 65532
	// flushSeconds are for what waits when reading has ended: records for their acknowledgement, definitions for the bucket.
	flushSeconds = 30
	// firstUnprivilegedPort may be bound without a capability or a sysctl.
	firstUnprivilegedPort = 1024

	configurationVolume = "configuration"
	spoolVolume         = "spool"
	namesVolume         = "names"
)

// DaemonSet runs a collector on each node. It returns an error where the configuration cannot be hashed.
func (f *Fleet) DaemonSet() (*appsac.DaemonSetApplyConfiguration, error) {
	pod, err := f.pod()
	if err != nil {
		return nil, fmt.Errorf("the pods of FlowCollector %s: %w", f.Collector.Name, err)
	}
	return appsac.DaemonSet(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithSpec(appsac.DaemonSetSpec().
			WithSelector(f.selector()).
			WithUpdateStrategy(f.updateStrategy()).
			WithTemplate(coreac.PodTemplateSpec().
				WithLabels(f.labels(f.Collector.Spec.Collector.Labels)).
				WithAnnotations(f.Collector.Spec.Collector.Annotations).
				WithAnnotations(map[string]string{AnnotationConfiguration: f.Configuration.Hash(), AnnotationSecrets: f.SecretVersions}).
				WithSpec(pod))), nil
}

// updateStrategy lets a new collector be ready before the old one of its node ends, unless both would bind the same ports.
func (f *Fleet) updateStrategy() *appsac.DaemonSetUpdateStrategyApplyConfiguration {
	c := &f.Collector.Spec.Collector
	surge, unavailable := intstr.FromInt32(1), intstr.FromInt32(0)
	if c.HostNetwork || c.UpdateStrategy.MaxUnavailable != nil && !isZero(*c.UpdateStrategy.MaxUnavailable) ||
		c.UpdateStrategy.MaxSurge != nil && isZero(*c.UpdateStrategy.MaxSurge) {
		surge, unavailable = unavailable, surge
	}
	if v := c.UpdateStrategy.MaxSurge; v != nil {
		surge = *v
	}
	if v := c.UpdateStrategy.MaxUnavailable; v != nil {
		unavailable = *v
	}
	return appsac.DaemonSetUpdateStrategy().
		WithType(appsv1.RollingUpdateDaemonSetStrategyType).
		WithRollingUpdate(appsac.RollingUpdateDaemonSet().WithMaxSurge(surge).WithMaxUnavailable(unavailable))
}

func isZero(v intstr.IntOrString) bool { return v.String() == "0" || v.String() == "0%" }

func (f *Fleet) pod() (*coreac.PodSpecApplyConfiguration, error) {
	c := &f.Collector.Spec.Collector
	container, err := f.container()
	if err != nil {
		return nil, err
	}
	security, err := PodSecurity(&c.SecurityContext)
	if err != nil {
		return nil, err
	}
	if f.bindsPrivilegedPort() {
		// One of the sysctls that the restricted Pod Security standard allows; a capability would not be needed to bind ports.
		security.WithSysctls(coreac.Sysctl().WithName("net.ipv4.ip_unprivileged_port_start").WithValue("0"))
	}
	pod := coreac.PodSpec().
		WithServiceAccountName(ObjectName(f.Collector)).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(security).
		WithTerminationGracePeriodSeconds(f.gracePeriod()).
		WithContainers(container).
		WithVolumes(f.volumes()...)
	if c.HostNetwork {
		pod.WithHostNetwork(true).WithDNSPolicy(corev1.DNSClusterFirstWithHostNet)
	}
	if c.NodeTuning == v1alpha1.NodeTuningReceiveBuffer {
		tuning, err := f.tuning()
		if err != nil {
			return nil, err
		}
		pod.WithInitContainers(tuning).WithVolumes(nodeProc())
	}
	return pod, AddToPod(pod, &c.Pod, Selector(f.Collector))
}

func (f *Fleet) bindsPrivilegedPort() bool {
	for _, l := range f.Collector.Spec.Listeners {
		if l.Port < firstUnprivilegedPort {
			return true
		}
	}
	return false
}

// gracePeriod, where the spec says none, leaves time to hand on what is waiting after the drain.
func (f *Fleet) gracePeriod() int64 {
	return int64(f.Configuration.DrainTime.Std().Seconds()) + flushSeconds
}

func (f *Fleet) container() (*coreac.ContainerApplyConfiguration, error) {
	c := &f.Collector.Spec.Collector
	resources := f.resources()
	requirements, err := Convert[coreac.ResourceRequirementsApplyConfiguration](resources)
	if err != nil {
		return nil, err
	}
	container := coreac.Container().
		WithName(Component).
		WithImage(f.Image).
		WithCommand("/collector").
		WithArgs("run", "--config="+path.Join(configurationDirectory, ConfigurationFile), "--instance=$(POD_NAME)").
		WithEnv(
			FromField("POD_NAME", "metadata.name"),
			FromField("NODE_NAME", "spec.nodeName")).
		WithResources(requirements).
		WithSecurityContext(ContainerSecurity()).
		// Neither probe looks at NATS: without it collectors go on, and restarting them would lose what they hold.
		WithStartupProbe(Probe("/healthz").WithPeriodSeconds(1).WithFailureThreshold(60)).
		WithLivenessProbe(Probe("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError). // the last line says why one ended
		// A collector that drains is to be out of the Service well before its drain time ends.
		WithReadinessProbe(Probe("/readyz").WithPeriodSeconds(2).WithFailureThreshold(1)).
		WithVolumeMounts(coreac.VolumeMount().WithName(configurationVolume).WithMountPath(configurationDirectory).WithReadOnly(true))
	for _, l := range f.Collector.Spec.Listeners {
		container.WithPorts(coreac.ContainerPort().WithName(l.Name).WithProtocol(corev1.ProtocolUDP).WithContainerPort(l.Port))
	}
	container.WithPorts(coreac.ContainerPort().WithName(MetricsPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(c.MetricsPort))
	LimitMemory(container, resources)
	for _, v := range f.secretVolumes() {
		container.WithVolumeMounts(v.sources.Mount(v.name))
	}
	if f.Collector.Spec.Exporters.NamesFrom != nil {
		container.WithVolumeMounts(coreac.VolumeMount().WithName(namesVolume).WithMountPath(namesDirectory).WithReadOnly(true))
	}
	if f.Collector.Spec.Output.Buffer.Spool != nil {
		container.WithVolumeMounts(coreac.VolumeMount().WithName(spoolVolume).WithMountPath(spoolDirectory))
	}
	return container, AddToContainer(container, &c.Pod)
}

// resources are what the spec says, or what a collector of some thousand exporters needs: the limit has room for the output's
// buffer, held data and the sockets' buffers, which the kernel accounts to the container.
func (f *Fleet) resources() *corev1.ResourceRequirements {
	if r := f.Collector.Spec.Collector.Resources; r != nil {
		return r.Requirements()
	}
	return &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("200m"),
			corev1.ResourceMemory: resource.MustParse("512Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}
