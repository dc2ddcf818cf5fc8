package controllers

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// consumerMetrics show consumers: of every FlowCollector at most 16, or the one of every FlowSink.
type consumerMetrics []consumerMetric

type consumerMetric struct {
	gauge *prometheus.GaugeVec
	// stays where nobody can look: it is no fact of the moment.
	stays bool
	// value is not known where known is false: then it is not shown.
	value func(c *v1alpha1.ConsumerStatus) (value float64, known bool)
}

// What the names of the metrics begin with: those of FlowCollectors' consumers, and those of FlowSinks.
const (
	ofConsumers = "flowfleet_operator_consumer_"
	ofFlowSinks = "flowfleet_operator_flowsink_"
)

// newConsumerMetrics has those that begin so. Their labels are the object's namespace and name, and those given.
func newConsumerMetrics(registerer prometheus.Registerer, beginning string, labels ...string) (consumerMetrics, error) {
	count := func(n func(c *v1alpha1.ConsumerStatus) int64) func(*v1alpha1.ConsumerStatus) (float64, bool) {
		return func(c *v1alpha1.ConsumerStatus) (float64, bool) { return float64(n(c)), true }
	}
	at := func(t *metav1.Time) (float64, bool) {
		if t == nil {
			return 0, false
		}
		return float64(t.Unix()), true
	}
	var all consumerMetrics
	for _, m := range []struct {
		name, help string
		stays      bool
		value      func(c *v1alpha1.ConsumerStatus) (float64, bool)
	}{
		{"flowfleet_operator_consumer_pending_messages", "Messages of the stream that were not delivered to a reader of the consumer yet.", false,
			count(func(c *v1alpha1.ConsumerStatus) int64 { return c.Pending })},
		{"flowfleet_operator_consumer_ack_pending_messages", "Messages that were delivered and not acknowledged.", false,
			count(func(c *v1alpha1.ConsumerStatus) int64 { return c.AckPending })},
		{"flowfleet_operator_consumer_redelivered_messages", "Messages that were delivered more than once and are not acknowledged.", false,
			count(func(c *v1alpha1.ConsumerStatus) int64 { return c.Redelivered })},
		{"flowfleet_operator_consumer_lag_seconds", "Age of the oldest message that is not acknowledged; 0 where there is none, no series where it is not known.", false,
			func(c *v1alpha1.ConsumerStatus) (float64, bool) {
				if c.LagSeconds == nil {
					return 0, false
				}
				return float64(*c.LagSeconds), true
			}},
		{"flowfleet_operator_consumer_retention_used_ratio", "How near the oldest message that is not acknowledged is to its end in the stream, which takes it at 1.", false,
			func(c *v1alpha1.ConsumerStatus) (float64, bool) {
				if c.RetentionUsedPercent == nil {
					return 0, false
				}
				return float64(*c.RetentionUsedPercent) / 100, true
			}},
		{"flowfleet_operator_consumer_last_read_timestamp_seconds", "When a message was last delivered; no series where that was never.", true,
			func(c *v1alpha1.ConsumerStatus) (float64, bool) { return at(c.LastReadTime) }},
		{"flowfleet_operator_consumer_lost_messages", "Messages that the stream took before they were acknowledged, since the operator knows the consumer.", true,
			count(func(c *v1alpha1.ConsumerStatus) int64 { return c.Lost })},
		{"flowfleet_operator_consumer_may_be_lost_messages", "Messages that were not acknowledged when their stream was last looked at, before it was deleted and made anew.", true,
			count(func(c *v1alpha1.ConsumerStatus) int64 { return c.MayBeLost })},
		{"flowfleet_operator_consumer_last_loss_timestamp_seconds", "When a loss, or what may be one, was last seen; no series where there was none.", true,
			func(c *v1alpha1.ConsumerStatus) (float64, bool) { return at(latest(c.LostTime, c.MayBeLostTime)) }},
	} {
		gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: beginning + strings.TrimPrefix(m.name, ofConsumers), Help: m.help},
			append([]string{"namespace", "name"}, labels...))
		if err := registerer.Register(gauge); err != nil {
			return nil, err
		}
		all = append(all, consumerMetric{gauge, m.stays, m.value})
	}
	return all, nil
}

// show shows the consumers of a FlowCollector as they are now, and no more those that only were there before.
func (m consumerMetrics) show(before, fc *v1alpha1.FlowCollector) {
	of := func(consumer string) []string { return []string{fc.Namespace, fc.Name, consumer} }
	current := placeKnown(fc.Status.Conditions, v1alpha1.ConditionConsumersKeepUp)
	for i := range before.Status.Consumers {
		m.set(of(before.Status.Consumers[i].Name), nil, false)
	}
	for i := range fc.Status.Consumers {
		m.set(of(fc.Status.Consumers[i].Name), &fc.Status.Consumers[i], current)
	}
}

// latest of two times, of which each may be nil.
func latest(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && a.Before(b) {
		return b
	}
	return a
}

// showSink shows the consumer of a FlowSink as it is now.
func (m consumerMetrics) showSink(s *v1alpha1.FlowSink) {
	m.set([]string{s.Namespace, s.Name}, s.Status.Reader, placeKnown(s.Status.Conditions, v1alpha1.ConditionKeepingUp))
}

// placeKnown reports whether a condition says that somebody looked.
func placeKnown(conditions []metav1.Condition, kind string) bool {
	c := meta.FindStatusCondition(conditions, kind)
	return c != nil && (c.Status != metav1.ConditionUnknown || c.Reason == judge.ReasonLagUnknown)
}

// set shows a consumer; nil for none. What was not looked at is not shown as if it were of now.
func (m consumerMetrics) set(labels []string, c *v1alpha1.ConsumerStatus, current bool) {
	for _, metric := range m {
		value, known := 0.0, false
		if c != nil && (current || metric.stays) {
			value, known = metric.value(c)
		}
		if known {
			metric.gauge.WithLabelValues(labels...).Set(value)
		} else {
			metric.gauge.DeleteLabelValues(labels...)
		}
	}
}

func (m consumerMetrics) forget(name types.NamespacedName) {
	for _, metric := range m {
		metric.gauge.DeletePartialMatch(prometheus.Labels{"namespace": name.Namespace, "name": name.Name})
	}
}
