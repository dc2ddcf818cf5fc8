package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// conditionMetrics show every condition of every FlowCollector.
type conditionMetrics struct {
	gauge *prometheus.GaugeVec
}

func newConditionMetrics(registerer prometheus.Registerer) (*conditionMetrics, error) {
	m := &conditionMetrics{prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "flowfleet_operator_flowcollector_condition",
		Help: "Whether a condition of a FlowCollector has a status: 1 for the one that it has, 0 for the others.",
	}, []string{"namespace", "name", "type", "status"})}
	return m, registerer.Register(m.gauge)
}

var statuses = []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}

// show shows the conditions as they are now, and no more those that only were there before.
func (m *conditionMetrics) show(before, fc *v1alpha1.FlowCollector) {
	for _, c := range before.Status.Conditions {
		if meta.FindStatusCondition(fc.Status.Conditions, c.Type) == nil {
			m.gauge.DeletePartialMatch(prometheus.Labels{"namespace": fc.Namespace, "name": fc.Name, "type": c.Type})
		}
	}
	for _, c := range fc.Status.Conditions {
		for _, status := range statuses {
			value := 0.0
			if c.Status == status {
				value = 1
			}
			m.gauge.WithLabelValues(fc.Namespace, fc.Name, c.Type, string(status)).Set(value)
		}
	}
}

func (m *conditionMetrics) forget(name types.NamespacedName) {
	m.gauge.DeletePartialMatch(prometheus.Labels{"namespace": name.Namespace, "name": name.Name})
}
