package fleet

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// The kinds of the Prometheus operator, which need not be there.
var (
	PodMonitorKind     = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PodMonitor"}
	PrometheusRuleKind = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"}
)

//go:embed dashboard.json
var dashboard string

// Dashboard is a ConfigMap as Grafana's sidecar reads it; nil where the spec asks for none. It is the chart's one for all fleets, opened at
// this one. Grafana takes dashboards of one identifier, and the sidecar files of one name, for the same: those of two fleets differ in both.
func (f *Fleet) Dashboard() *coreac.ConfigMapApplyConfiguration {
	d := &f.Collector.Spec.Monitoring.Dashboards
	if !d.Enabled {
		return nil
	}
	return coreac.ConfigMap(DashboardName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels(DashboardLabels(d))).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithData(map[string]string{fmt.Sprintf("flowfleet-collectors.%s.%s.json", f.Collector.Namespace, f.Collector.Name): f.ownDashboard()})
}

// ownDashboard is the dashboard with an identifier and a title of this fleet, whose variables choose it at first.
func (f *Fleet) ownDashboard() string {
	c := f.Collector
	sum := sha256.Sum256([]byte(c.Namespace + "/" + c.Name))
	chosen := func(variable, value string) (before, after string) {
		before = fmt.Sprintf("\"name\": %q,", variable)
		return before, fmt.Sprintf("%s\n    \"current\": {\"text\": %[2]q, \"value\": %[2]q},", before, value)
	}
	namespace, thisNamespace := chosen("namespace", c.Namespace)
	fleet, thisFleet := chosen("fleet", c.Name)
	return strings.NewReplacer(
		`"uid": "flowfleet-collectors"`, fmt.Sprintf(`"uid": "flowfleet-collectors-%x"`, sum[:8]),
		`"title": "Flowfleet collectors"`, fmt.Sprintf(`"title": "Flowfleet collectors of %s/%s"`, c.Namespace, c.Name),
		namespace, thisNamespace, fleet, thisFleet).Replace(dashboard)
}

// DashboardLabels are those by which Grafana's sidecar selects a ConfigMap.
func DashboardLabels(d *v1alpha1.Dashboards) map[string]string {
	if len(d.Labels) == 0 {
		return map[string]string{"grafana_dashboard": "1"}
	}
	return d.Labels
}

// PodMonitor makes Prometheus read every collector; nil where the spec asks for none.
func (f *Fleet) PodMonitor() *unstructured.Unstructured {
	m := &f.Collector.Spec.Monitoring.PodMonitor
	if !m.Enabled {
		return nil
	}
	endpoint := map[string]any{
		"port": MetricsPortName,
		// Whoever reads of a full buffer wants to know on which node.
		"relabelings": []any{map[string]any{"sourceLabels": []any{"__meta_kubernetes_pod_node_name"}, "targetLabel": "node"}},
	}
	if m.Interval != "" {
		endpoint["interval"] = m.Interval
	}
	return f.monitoring(PodMonitorKind, m.Labels, map[string]any{
		"selector":            map[string]any{"matchLabels": anyMap(Selector(f.Collector))},
		"podMetricsEndpoints": []any{endpoint},
		// The series of a fleet are told from another one's by this label.
		"podTargetLabels": []any{LabelInstance},
	})
}

// PrometheusRule has the alerts of the fleet; nil where the spec asks for none.
func (f *Fleet) PrometheusRule() *unstructured.Unstructured {
	r := &f.Collector.Spec.Monitoring.PrometheusRule
	if !r.Enabled {
		return nil
	}
	var rules []any
	for _, a := range alerts(f.Collector) {
		rules = append(rules, a.rule(f.Collector))
	}
	return f.monitoring(PrometheusRuleKind, r.Labels, map[string]any{
		"groups": []any{map[string]any{"name": "flowfleet." + f.Collector.Namespace + "." + f.Collector.Name, "rules": rules}},
	})
}

// monitoring is an object of a kind that this program has no types for.
func (f *Fleet) monitoring(kind schema.GroupVersionKind, labels map[string]string, spec map[string]any) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	out.SetGroupVersionKind(kind)
	out.SetName(ObjectName(f.Collector))
	out.SetNamespace(f.Collector.Namespace)
	out.SetLabels(f.labels(labels))
	if a := f.Collector.Spec.CommonAnnotations; len(a) > 0 {
		out.SetAnnotations(a)
	}
	out.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(f.Collector,
		v1alpha1.SchemeGroupVersion.WithKind("FlowCollector"))})
	return out
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
