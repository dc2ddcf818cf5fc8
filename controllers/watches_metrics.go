package controllers

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

// watchMetrics show what the operator may not watch, as the objects say it; and where nothing is known of the objects, nothing else does.
type watchMetrics struct {
	of      *Watches
	refused *prometheus.Desc
}

func newWatchMetrics(of *Watches) *watchMetrics {
	return &watchMetrics{of, prometheus.NewDesc("flowfleet_operator_refused_watches", "1 for each kind of objects that the operator lacks the right to watch, in a namespace or, "+
		"as *, in the whole cluster; no series otherwise.", []string{"namespace", "kind"}, nil)}
}

// Describe implements prometheus.Collector.
func (m *watchMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.refused }

// Collect implements prometheus.Collector. There are at most as many series as kinds and namespaces that are watched.
func (m *watchMetrics) Collect(out chan<- prometheus.Metric) {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	for what := range m.of.refused {
		out <- prometheus.MustNewConstMetric(m.refused, prometheus.GaugeValue, 1, cmp.Or(what.namespace, "*"), what.kind)
	}
}

// Check returns an error where the operator may watch FlowCollectors in none of the namespaces (of all, without any): there is nothing that it
// could do or say. What else it may not watch, the objects tell.
func (w *Watches) Check(namespaces []string) func(*http.Request) error {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	return func(*http.Request) error {
		words := ""
		for _, namespace := range namespaces {
			refused := w.Refused(namespace, "FlowCollector")
			if refused == nil {
				return nil
			}
			words = refused["FlowCollector"]
		}
		return fmt.Errorf("the operator may not watch FlowCollectors (%s): %s", judge.Interrupted, words)
	}
}
