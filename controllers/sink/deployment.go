package sink

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/sink/service"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// Deployment runs the sinks. Those of a new configuration replace those of the old one: they share the consumer, so that no flow is
// stored twice or not at all.
func (s *Sink) Deployment() (*appsac.DeploymentApplyConfiguration, error) {
	file, err := s.file()
	if err != nil {
		return nil, err
	}
	pod, err := s.pod()
	if err != nil {
		return nil, fmt.Errorf("the pods of FlowSink %s: %w", s.Sink.Name, err)
	}
	return appsac.Deployment(ObjectName(s.Sink), s.Sink.Namespace).
		WithLabels(s.labels()).
		WithAnnotations(s.Sink.Spec.CommonAnnotations).
		WithOwnerReferences(s.owner()).
		WithSpec(appsac.DeploymentSpec().
			WithReplicas(Replicas(s.Sink)).
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(s.Sink))).
			WithTemplate(coreac.PodTemplateSpec().
				WithLabels(s.labels(s.Sink.Spec.Pod.Labels)).
				WithAnnotations(s.Sink.Spec.Pod.Annotations).
				WithAnnotations(map[string]string{fleet.AnnotationConfiguration: hash(file)}).
				WithSpec(pod))), nil
}

func (s *Sink) pod() (*coreac.PodSpecApplyConfiguration, error) {
	spec := s.podSpec()
	security, err := fleet.PodSecurity(&spec.SecurityContext)
	if err != nil {
		return nil, err
	}
	container, err := s.container()
	if err != nil {
		return nil, err
	}
	access := fleet.Access(s.Collector)
	container.WithVolumeMounts(access.Mounts...)
	secrets := s.clickHouseSecrets()
	if len(secrets) > 0 {
		container.WithVolumeMounts(secrets.Mount(clickHouseVolume))
	}
	if err := fleet.AddToContainer(container, spec); err != nil {
		return nil, err
	}
	pod := coreac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(security).
		WithContainers(container).
		WithVolumes(coreac.Volume().WithName(configurationVolume).
			WithConfigMap(coreac.ConfigMapVolumeSource().WithName(ObjectName(s.Sink)))).
		WithVolumes(coreac.Volume().WithName(bookmarkVolume).
			WithConfigMap(coreac.ConfigMapVolumeSource().WithName(BookmarkName(s.Sink)).WithOptional(true))).
		WithVolumes(access.Volumes...)
	if len(secrets) > 0 {
		pod.WithVolumes(secrets.Volume(clickHouseVolume))
	}
	return pod, fleet.AddToPod(pod, spec, Selector(s.Sink))
}

// podSpec is what the FlowSink says of its pods. As whom they run, and with which Secrets their image is pulled, is as in the FlowCollector
// where it says nothing of that: both are of one platform and, by default, of one registry.
func (s *Sink) podSpec() *v1alpha1.Pod {
	out := s.Sink.Spec.Pod
	// What was given to a sink is not to be read as whichever user somebody gives to collectors.
	given := len(out.Volumes)+len(out.Sidecars)+len(out.InitContainers) > 0
	if out.SecurityContext == (v1alpha1.SecurityContext{}) && !given {
		out.SecurityContext = s.Collector.Spec.Collector.SecurityContext
		// Collectors have them for what is given to collectors, and sinks may run images that these may not.
		out.SecurityContext.SELinuxOptions = nil
	}
	if len(out.ImagePullSecrets) == 0 {
		out.ImagePullSecrets = s.Collector.Spec.Collector.ImagePullSecrets
	}
	out.Tolerations = append(lostNode(out.Tolerations), out.Tolerations...)
	return &out
}

// lostNodeSeconds a sink stays on a node that is not ready or cannot be reached. Kubernetes would leave it there for 5 minutes, in which nobody
// reads. Should it still run there, the two share the messages, as sinks do.
const lostNodeSeconds = 30

// lostNode has a sink leave a lost node soon, unless the FlowSink says when.
func lostNode(given []corev1.Toleration) (out []corev1.Toleration) {
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		said := slices.ContainsFunc(given, func(t corev1.Toleration) bool {
			return (t.Key == taint || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
		})
		if !said {
			out = append(out, corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
				TolerationSeconds: new(int64(lostNodeSeconds))})
		}
	}
	return out
}

// clickHouseSecrets are files, which a sink reads with each request and each connection.
func (s *Sink) clickHouseSecrets() fleet.SecretFiles {
	var out fleet.SecretFiles
	c := &s.Sink.Spec.ClickHouse
	if c.User != nil {
		out.Key(&c.User.Password, fleet.PasswordFile)
	}
	if c.TLS != nil {
		out.Key(c.TLS.CA, fleet.CAFile)
		out.Certificate(c.TLS.ClientCertificate)
	}
	return out
}

func (s *Sink) container() (*coreac.ContainerApplyConfiguration, error) {
	resources := s.resources()
	requirements, err := fleet.Convert[coreac.ResourceRequirementsApplyConfiguration](resources)
	if err != nil {
		return nil, err
	}
	container := coreac.Container().
		WithName(Component).
		WithImage(s.Image).
		WithCommand("/collector").
		WithArgs("sink", "--config="+path.Join(configurationDirectory, ConfigurationFile)).
		WithEnv(fleet.FromField("NODE_NAME", "spec.nodeName"), fleet.FromField("POD_NAME", "metadata.name")).
		WithPorts(coreac.ContainerPort().WithName(fleet.MetricsPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(port)).
		WithResources(requirements).
		WithSecurityContext(fleet.ContainerSecurity()).
		// A sink waits for NATS and ClickHouse: restarting it brings neither back.
		WithLivenessProbe(fleet.Probe("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError). // the last line says why one ended
		WithReadinessProbe(fleet.Probe("/readyz").WithPeriodSeconds(2).WithFailureThreshold(1)).
		WithVolumeMounts(coreac.VolumeMount().WithName(configurationVolume).WithMountPath(configurationDirectory).WithReadOnly(true)).
		WithVolumeMounts(coreac.VolumeMount().WithName(bookmarkVolume).WithMountPath(service.BookmarkDirectory).WithReadOnly(true))
	fleet.LimitMemory(container, resources)
	return container, nil
}

// resources are what the spec says, or what workers need: a sink holds a message of each, of at most 1 MiB, or up to three times a block:
// what was read, what is fetched to put another block together, and the batch.
func (s *Sink) resources() *corev1.ResourceRequirements {
	if r := s.Sink.Spec.Resources; r != nil {
		return r.Requirements()
	}
	request, limit := resource.MustParse("128Mi"), resource.MustParse("512Mi")
	if c := s.Configuration(); c.Blocks != nil {
		c.SetDefaults()
		blocks := int64(c.Workers) * int64(c.Blocks.MaxBytes)
		request.Add(*resource.NewQuantity(blocks, resource.BinarySI))
		limit.Add(*resource.NewQuantity(3*blocks, resource.BinarySI))
	}
	return &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: request},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: limit},
	}
}
