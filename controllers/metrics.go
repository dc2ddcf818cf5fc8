package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// conditionMetrics show every condition of every object of a kind.
type conditionMetrics struct {
	gauge *prometheus.GaugeVec
}

func newConditionMetrics(registerer prometheus.Registerer, name, kind string) (*conditionMetrics, error) {
	m := &conditionMetrics{prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: name,
		Help: "Whether a condition of a " + kind + " has a status: 1 for the one that it has, 0 for the others.",
	}, []string{"namespace", "name", "type", "status"})}
	return m, registerer.Register(m.gauge)
}

var statuses = []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}

// show shows the conditions as they are now, and no more those that only were there before.
func (m *conditionMetrics) show(name types.NamespacedName, before, now []metav1.Condition) {
	for _, c := range before {
		if meta.FindStatusCondition(now, c.Type) == nil {
			m.gauge.DeletePartialMatch(prometheus.Labels{"namespace": name.Namespace, "name": name.Name, "type": c.Type})
		}
	}
	for _, c := range now {
		for _, status := range statuses {
			value := 0.0
			if c.Status == status {
				value = 1
			}
			m.gauge.WithLabelValues(name.Namespace, name.Name, c.Type, string(status)).Set(value)
		}
	}
}

func (m *conditionMetrics) forget(name types.NamespacedName) {
	m.gauge.DeletePartialMatch(prometheus.Labels{"namespace": name.Namespace, "name": name.Name})
}
