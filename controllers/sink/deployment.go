package sink

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/flowfleet/flowfleet/controllers/fleet"
)

const portName = "metrics"

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
		WithOwnerReferences(s.owner()).
		WithSpec(appsac.DeploymentSpec().
			WithReplicas(Replicas(s.Sink)).
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(s.Sink))).
			WithTemplate(coreac.PodTemplateSpec().
				WithLabels(s.labels()).
				WithAnnotations(map[string]string{AnnotationConfiguration: hash(file)}).
				WithSpec(pod))), nil
}

func (s *Sink) pod() (*coreac.PodSpecApplyConfiguration, error) {
	security, err := fleet.PodSecurity(s.Collector)
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
		container.WithVolumeMounts(coreac.VolumeMount().WithName(clickHouseVolume).WithMountPath(clickHouseDirectory).WithReadOnly(true))
	}
	pod := coreac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(security).
		WithContainers(container).
		WithVolumes(coreac.Volume().WithName(configurationVolume).
			WithConfigMap(coreac.ConfigMapVolumeSource().WithName(ObjectName(s.Sink)))).
		WithVolumes(access.Volumes...)
	if len(secrets) > 0 {
		pod.WithVolumes(coreac.Volume().WithName(clickHouseVolume).WithProjected(coreac.ProjectedVolumeSource().WithSources(secrets...)))
	}
	for _, p := range s.Collector.Spec.Collector.ImagePullSecrets {
		pod.WithImagePullSecrets(coreac.LocalObjectReference().WithName(p.Name))
	}
	return pod, nil
}

// clickHouseSecrets are files. One that is missing does not keep a sink from starting: it reads them with each request and each
// connection, so that it goes on once they are there, or are others.
func (s *Sink) clickHouseSecrets() []*coreac.VolumeProjectionApplyConfiguration {
	var out []*coreac.VolumeProjectionApplyConfiguration
	add := func(secret string, items ...*coreac.KeyToPathApplyConfiguration) {
		out = append(out, coreac.VolumeProjection().
			WithSecret(coreac.SecretProjection().WithName(secret).WithItems(items...).WithOptional(true)))
	}
	c := &s.Sink.Spec.ClickHouse
	if c.User != nil {
		add(c.User.Password.Name, coreac.KeyToPath().WithKey(c.User.Password.Key).WithPath(passwordFile))
	}
	if c.TLS != nil && c.TLS.CA != nil {
		add(c.TLS.CA.Name, coreac.KeyToPath().WithKey(c.TLS.CA.Key).WithPath(caFile))
	}
	if c.TLS != nil && c.TLS.ClientCertificate != nil {
		add(c.TLS.ClientCertificate.Name,
			coreac.KeyToPath().WithKey(corev1.TLSCertKey).WithPath(certificateFile),
			coreac.KeyToPath().WithKey(corev1.TLSPrivateKeyKey).WithPath(keyFile))
	}
	return out
}

func (s *Sink) container() (*coreac.ContainerApplyConfiguration, error) {
	resources := s.resources()
	requirements, err := convert[coreac.ResourceRequirementsApplyConfiguration](resources)
	if err != nil {
		return nil, err
	}
	container := coreac.Container().
		WithName(Component).
		WithImage(s.Image).
		WithCommand("/collector").
		WithArgs("sink", "--config="+path.Join(configurationDirectory, configurationFile)).
		WithEnv(coreac.EnvVar().WithName("NODE_NAME").WithValueFrom(coreac.EnvVarSource().
			WithFieldRef(coreac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath("spec.nodeName")))).
		WithPorts(coreac.ContainerPort().WithName(portName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(port)).
		WithResources(requirements).
		WithSecurityContext(coreac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(coreac.Capabilities().WithDrop("ALL"))).
		// A sink waits for NATS and ClickHouse: restarting it brings neither back.
		WithLivenessProbe(probe("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithReadinessProbe(probe("/readyz").WithPeriodSeconds(2).WithFailureThreshold(1)).
		WithVolumeMounts(coreac.VolumeMount().WithName(configurationVolume).WithMountPath(configurationDirectory).WithReadOnly(true))
	if limit := resources.Limits.Memory(); !limit.IsZero() {
		container.WithEnv(coreac.EnvVar().WithName("GOMEMLIMIT").WithValue(strconv.FormatInt(limit.Value()/10*9, 10)))
	}
	return container, nil
}

// resources are what the spec says, or what the default of workers needs: a sink holds that many messages, of at most 1 MiB each.
func (s *Sink) resources() *corev1.ResourceRequirements {
	if r := s.Sink.Spec.Resources; r != nil {
		return r
	}
	return &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("128Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}
}

func probe(path string) *coreac.ProbeApplyConfiguration {
	return coreac.Probe().
		WithHTTPGet(coreac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(portName))).
		WithTimeoutSeconds(3)
}

// convert turns a type of the API into its apply configuration: both have the same fields, but the latter knows which are set.
func convert[T any](from any) (*T, error) {
	b, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("writing %T: %w", from, err)
	}
	to := new(T)
	if err := json.Unmarshal(b, to); err != nil {
		return nil, fmt.Errorf("reading %T: %w", to, err)
	}
	return to, nil
}
