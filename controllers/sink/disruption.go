package sink

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
)

// DisruptionBudget limits evictions; nil for a single sink, which could not be evicted at all, or always: flows wait in the stream while it
// moves.
//
// A sink that is not ready stores nothing, so that its eviction costs nothing: while ClickHouse is away, no sink is ready, and nodes can
// still be drained.
func (s *Sink) DisruptionBudget() *policyac.PodDisruptionBudgetApplyConfiguration {
	if Replicas(s.Sink) < 2 {
		return nil
	}
	unavailable := intstr.FromInt32(1)
	if given := s.Sink.Spec.PodDisruption.MaxUnavailable; given != nil {
		unavailable = *given
	}
	return policyac.PodDisruptionBudget(ObjectName(s.Sink), s.Sink.Namespace).
		WithLabels(s.labels()).
		WithAnnotations(s.Sink.Spec.CommonAnnotations).
		WithOwnerReferences(s.owner()).
		WithSpec(policyac.PodDisruptionBudgetSpec().
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(s.Sink))).
			WithMaxUnavailable(unavailable).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow))
}
