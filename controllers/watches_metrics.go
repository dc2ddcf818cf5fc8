package controllers

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

// watchMetrics show what the operator cannot watch, as the objects say it; and where nothing is known of the objects, nothing else does.
type watchMetrics struct {
	of      *Watches
	refused *prometheus.Desc
}

func newWatchMetrics(of *Watches) *watchMetrics {
	return &watchMetrics{of, prometheus.NewDesc("flowfleet_operator_refused_watches", "1 for each kind of objects that the operator lacks the right to watch, or whose watch "+
		"has failed for a minute, in a namespace or, as *, in the whole cluster; no series otherwise.", []string{"namespace", "kind"}, nil)}
}

// Describe implements prometheus.Collector.
func (m *watchMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.refused }

// Collect implements prometheus.Collector. There are at most as many series as kinds and namespaces that are watched.
func (m *watchMetrics) Collect(out chan<- prometheus.Metric) {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	for what, t := range m.of.trouble {
		if !m.of.counts(t) {
			continue
		}
		out <- prometheus.MustNewConstMetric(m.refused, prometheus.GaugeValue, 1, cmp.Or(what.namespace, "*"), what.kind)
	}
}

// Check returns an error where the operator can watch FlowCollectors in none of the namespaces (of all, without any): there is nothing that it
// could do or say. What else it cannot watch, the objects tell.
func (w *Watches) Check(namespaces []string) func(*http.Request) error {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	return func(*http.Request) error {
		var why judge.Unwatched
		for _, namespace := range namespaces {
			trouble, ok := w.Troubles(namespace, "FlowCollector")["FlowCollector"]
			if !ok {
				return nil
			}
			why = trouble
		}
		return fmt.Errorf("the operator %s watch FlowCollectors (%s): %s", why.Cannot(), why.Ask(), why.Words)
	}
}
