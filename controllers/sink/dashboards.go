package sink

import (
	"cmp"
	"fmt"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse/dashboards"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// DashboardsName names the ConfigMap with dashboards.
func DashboardsName(s *v1alpha1.FlowSink) string { return ObjectName(s) + "-dashboards" }

// Dashboards is a ConfigMap as Grafana's sidecar reads it; nil where the spec asks for none.
func (s *Sink) Dashboards() (*coreac.ConfigMapApplyConfiguration, error) {
	d := &s.Sink.Spec.Dashboards
	if !d.Enabled {
		return nil, nil
	}
	c := &s.Sink.Spec.ClickHouse
	all, err := dashboards.All(clickhouse.Tables{Database: cmp.Or(c.Database, clickhouse.DefaultTables.Database), Cluster: c.Cluster})
	if err != nil {
		return nil, fmt.Errorf("the dashboards of FlowSink %s: %w", s.Sink.Name, err)
	}
	return coreac.ConfigMap(DashboardsName(s.Sink), s.Sink.Namespace).
		WithLabels(s.labels(fleet.DashboardLabels(d))).
		WithAnnotations(s.Sink.Spec.CommonAnnotations).
		WithOwnerReferences(s.owner()).
		WithData(dashboards.Files(all)), nil
}
