package fleet

import (
	"fmt"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/collector/config"
)

// ConfigMap holds the collectors' configuration. Collectors see a change within a minute or so and take what can change
// live; what cannot replaces the pods.
func (f *Fleet) ConfigMap() (*coreac.ConfigMapApplyConfiguration, error) {
	file, err := config.Render(f.Configuration)
	if err != nil {
		return nil, fmt.Errorf("the configuration of FlowCollector %s: %w", f.Collector.Name, err)
	}
	return coreac.ConfigMap(ObjectName(f.Collector), f.Collector.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(f.Collector.Spec.CommonAnnotations).
		WithOwnerReferences(f.owner()).
		WithData(map[string]string{ConfigurationFile: string(file)}), nil
}
