package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// An alert on a condition must not go on when the condition is gone, as MonitoringReady is where nothing asks for it any more.
func TestMetricOfAConditionGoesWithIt(t *testing.T) {
	m, err := newConditionMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	fleet := func(name string, conditions ...string) *v1alpha1.FlowCollector {
		fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: name}}
		for _, c := range conditions {
			fc.Status.Conditions = append(fc.Status.Conditions, metav1.Condition{Type: c, Status: metav1.ConditionFalse})
		}
		return fc
	}
	series := func() int { return testutil.CollectAndCount(m.gauge) / len(statuses) }
	both, other := fleet("edge", "Ready", "MonitoringReady"), fleet("other", "MonitoringReady")
	m.show(both, both)
	m.show(other, other)
	if n := series(); n != 3 {
		t.Fatalf("%d conditions are shown, not 3", n)
	}
	m.show(both, fleet("edge", "Ready"))
	if n := series(); n != 2 {
		t.Errorf("%d conditions are shown, not 2", n)
	}
}
