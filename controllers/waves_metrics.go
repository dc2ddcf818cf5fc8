package controllers

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowfleet/flowfleet/controllers/wave"
)

// waveMetrics show how far a change of the operator's own making is. They are read from the waves when they are asked for, so that they
// never are of another time than what the conditions say.
type waveMetrics struct {
	of   *waves
	kind string

	fleets, stopped *prometheus.Desc
}

// newWaveMetrics has those of the fleets of one kind, such as FlowCollector.
func newWaveMetrics(of *waves, kind string) *waveMetrics {
	return &waveMetrics{of, kind,
		prometheus.NewDesc("flowfleet_operator_rollout_fleets", "Fleets to which a change of the operator's own making has not come in full, by how they stand to it; "+
			"unknown are those that the operator has not looked at since its start.", []string{"state"}, prometheus.Labels{"kind": kind}),
		prometheus.NewDesc("flowfleet_operator_rollout_stopped_timestamp_seconds", "Since when a fleet is not well with such a change, for which others wait; "+
			"no series where none does.", []string{"namespace", "name"}, prometheus.Labels{"kind": kind})}
}

// Describe implements prometheus.Collector.
func (m *waveMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.fleets; out <- m.stopped }

// Collect implements prometheus.Collector. There are at most as many series as objects.
func (m *waveMetrics) Collect(out chan<- prometheus.Metric) {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	count := make(map[wave.State]int)
	for _, t := range m.of.fleets {
		count[t.State]++
	}
	bounded := m.of.rules.AtOnce > 0
	for state, name := range map[wave.State]string{wave.Unknown: "unknown", wave.Waiting: "waiting", wave.Rolling: "rolling", wave.Failed: "failed"} {
		n := 0
		if bounded {
			n = count[state]
		}
		out <- prometheus.MustNewConstMetric(m.fleets, prometheus.GaugeValue, float64(n), name)
	}
	if !bounded || m.of.rules.PastFailures || count[wave.Waiting] == 0 {
		return
	}
	for k, t := range m.of.fleets {
		if t.State == wave.Failed {
			out <- prometheus.MustNewConstMetric(m.stopped, prometheus.GaugeValue, float64(t.failedAt.Unix()), k.Namespace, k.Name)
		}
	}
}
