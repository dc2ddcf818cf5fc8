package fleet

import "github.com/flowfleet/flowfleet/api/v1alpha1"

// SecretRef is a key of a Secret, or all of its keys where Key is empty.
type SecretRef struct {
	Name, Key string
}

// EnvironmentSecrets are those that the collectors' environment variables are of: what they read at their start only.
func EnvironmentSecrets(c *v1alpha1.FlowCollector) []SecretRef {
	var out []SecretRef
	for _, e := range c.Spec.Collector.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			out = append(out, SecretRef{e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key})
		}
	}
	for _, e := range c.Spec.Collector.EnvFrom {
		if e.SecretRef != nil {
			out = append(out, SecretRef{Name: e.SecretRef.Name})
		}
	}
	return out
}
