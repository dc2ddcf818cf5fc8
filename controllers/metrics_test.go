package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// An alert on a condition must not go on when the condition is gone, as MonitoringReady is where nothing asks for it any more.
func TestMetricOfAConditionGoesWithIt(t *testing.T) {
	m, err := newConditionMetrics(prometheus.NewRegistry(), "flowfleet_operator_flowcollector_condition", "FlowCollector")
	if err != nil {
		t.Fatal(err)
	}
	conditions := func(types ...string) (all []metav1.Condition) {
		for _, c := range types {
			all = append(all, metav1.Condition{Type: c, Status: metav1.ConditionFalse})
		}
		return all
	}
	series := func() int { return testutil.CollectAndCount(m.gauge) / len(statuses) }
	edge, other := types.NamespacedName{Namespace: "flows", Name: "edge"}, types.NamespacedName{Namespace: "flows", Name: "other"}
	both := conditions("Ready", "MonitoringReady")
	m.show(edge, nil, both)
	m.show(other, nil, conditions("MonitoringReady"))
	if n := series(); n != 3 {
		t.Fatalf("%d conditions are shown, not 3", n)
	}
	m.show(edge, both, conditions("Ready"))
	if n := series(); n != 2 {
		t.Errorf("%d conditions are shown, not 2", n)
	}
}
