package fleet

import coreac "k8s.io/client-go/applyconfigurations/core/v1"

// ServiceAccount of the collectors. They never talk to the API server, so no token is mounted and no right is given.
func (f *Fleet) ServiceAccount() *coreac.ServiceAccountApplyConfiguration {
	return coreac.ServiceAccount(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithAutomountServiceAccountToken(false)
}
