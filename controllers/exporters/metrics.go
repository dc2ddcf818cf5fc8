package exporters

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

type registerer = prometheus.Registerer

// metrics of the Keeper itself.
type metrics struct {
	objects  *prometheus.GaugeVec
	deferred prometheus.Counter
}

func newMetrics(r registerer) (*metrics, error) {
	m := &metrics{
		objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowfleet_operator_flowexporters",
			Help: "Exporters of a FlowCollector by what became of them: declared ones, discovered ones with an object, and those left out beyond exporters.maxObjects.",
		}, []string{"namespace", "name", "kind"}),
		deferred: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowfleet_operator_flowexporter_writes_deferred_total",
			Help: "Times that a write to FlowExporters waited for the next look, because there were too many at once.",
		}),
	}
	for _, c := range []prometheus.Collector{m.objects, m.deferred} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) show(fleet types.NamespacedName, objects []*v1alpha1.FlowExporter, c choice) {
	of := map[string]int{"declared": 0, "discovered": 0, "left_out": c.leftOut}
	for _, o := range objects {
		if discovered(o) {
			of["discovered"]++
		} else {
			of["declared"]++
		}
	}
	for kind, n := range of {
		m.objects.WithLabelValues(fleet.Namespace, fleet.Name, kind).Set(float64(n))
	}
}

func (m *metrics) forget(fleet types.NamespacedName) {
	m.objects.DeletePartialMatch(prometheus.Labels{"namespace": fleet.Namespace, "name": fleet.Name})
}
