package fleet

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
)

// DisruptionBudget limits evictions; nil where the spec asks for none.
func (f *Fleet) DisruptionBudget() *policyac.PodDisruptionBudgetApplyConfiguration {
	p := f.Collector.Spec.PodDisruption
	if p == nil {
		return nil
	}
	return policyac.PodDisruptionBudget(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithSpec(policyac.PodDisruptionBudgetSpec().
			WithSelector(f.selector()).
			WithMinAvailable(intstr.FromInt32(p.MinAvailable)))
}
