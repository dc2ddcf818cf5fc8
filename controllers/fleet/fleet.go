// Package fleet says which objects a FlowCollector stands for. It is pure: functions from the spec to apply configurations,
// one file an object, without a client, a clock or a context.
package fleet

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// Labels that the operator's objects carry; caches and selectors rely on them.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// Product is the value of LabelName and LabelManagedBy.
	Product = "flowfleet"
	// Component is the value of LabelComponent on the objects of FlowCollectors, and the name of the collectors' own container.
	Component = "collector"
)

// Annotations of pods: a pod is replaced when one of them changes.
const (
	// AnnotationConfiguration is the hash of what the collector reads at its start only.
	AnnotationConfiguration = "flowfleet.io/configuration"
	// AnnotationSecrets changes with what its environment takes from Secrets. Secrets of NATS are read at each attempt to connect.
	AnnotationSecrets = "flowfleet.io/secrets"
)

// Fleet is what the objects are made of.
type Fleet struct {
	// Collector is the object, with the API server's defaults filled in.
	Collector *v1alpha1.FlowCollector
	// Image of the collectors where the spec names none.
	Image string
	// OperatorNamespace is let through to the collectors' status by the network policy.
	OperatorNamespace string
	// SecretVersions changes with what the collectors' environment takes from Secrets, which they read at their start only.
	SecretVersions string
	// Configuration of the collectors; see Configure.
	Configuration *config.Config
}

// New returns the fleet of a FlowCollector, whose FlowExporters have settings for some devices.
func New(c *v1alpha1.FlowCollector, image, operatorNamespace, secretVersions string, devices []config.Device) *Fleet {
	if c.Spec.Collector.Image != "" {
		image = c.Spec.Collector.Image
	}
	return &Fleet{Collector: c, Image: image, OperatorNamespace: operatorNamespace, SecretVersions: secretVersions,
		Configuration: Configure(c, devices)}
}

// Filled is the collectors' configuration with the defaults that they fill in. What depends on the machine (name, processors) is
// that of this one: it is for looking at, not for rendering.
func (f *Fleet) Filled() *config.Config {
	c := Configure(f.Collector, f.Configuration.Exporters.Devices)
	c.SetDefaults()
	return c
}

// ObjectName is the name of what exists once for each FlowCollector.
func ObjectName(c *v1alpha1.FlowCollector) string { return c.Name + "-collector" }

// MetricsName is the name of the Service for metrics.
func MetricsName(c *v1alpha1.FlowCollector) string { return c.Name + "-collector-metrics" }

// DashboardName is the name of the ConfigMap with the dashboard.
func DashboardName(c *v1alpha1.FlowCollector) string { return c.Name + "-collector-dashboard" }

// Selector selects the collectors' pods of a FlowCollector.
func Selector(c *v1alpha1.FlowCollector) map[string]string {
	return map[string]string{LabelName: Product, LabelComponent: Component, LabelInstance: c.Name}
}

// labels are those of an object: what the user asks for, and the operator's own, which win.
func (f *Fleet) labels(users ...map[string]string) map[string]string {
	out := maps.Clone(f.Collector.Spec.CommonLabels)
	if out == nil {
		out = make(map[string]string)
	}
	for _, m := range users {
		maps.Copy(out, m)
	}
	maps.Copy(out, Selector(f.Collector))
	out[LabelManagedBy] = Product
	return out
}

func (f *Fleet) owner() *metaac.OwnerReferenceApplyConfiguration {
	return Owner("FlowCollector", f.Collector)
}

// Owner makes Kubernetes delete an object with the one of a kind of ours.
func Owner(kind string, o metav1.Object) *metaac.OwnerReferenceApplyConfiguration {
	return metaac.OwnerReference().
		WithAPIVersion(v1alpha1.SchemeGroupVersion.String()).
		WithKind(kind).
		WithName(o.GetName()).
		WithUID(o.GetUID()).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

func (f *Fleet) selector() *metaac.LabelSelectorApplyConfiguration {
	return metaac.LabelSelector().WithMatchLabels(Selector(f.Collector))
}

func labelSelector(s *metav1.LabelSelector) *metaac.LabelSelectorApplyConfiguration {
	out := metaac.LabelSelector().WithMatchLabels(s.MatchLabels)
	for _, e := range s.MatchExpressions {
		out.WithMatchExpressions(metaac.LabelSelectorRequirement().WithKey(e.Key).WithOperator(e.Operator).WithValues(e.Values...))
	}
	return out
}
