package fleet

import "github.com/flowfleet/flowfleet/api/v1alpha1"

// Discovered reports whether the operator made a FlowExporter: one that says so without being the fleet's own is the user's, and so is one that has
// settings. Nobody relies on the device of one that was discovered: it may have been taken away.
func Discovered(o *v1alpha1.FlowExporter) bool {
	if o.Labels[v1alpha1.LabelDiscovered] != "true" || len(o.Spec.Addresses) == 0 || Configures(o) {
		return false
	}
	for _, owner := range o.OwnerReferences {
		if owner.Kind == "FlowCollector" && owner.Controller != nil && *owner.Controller {
			return true
		}
	}
	return false
}

// Configures reports whether a FlowExporter has something for the collectors' configuration.
func Configures(o *v1alpha1.FlowExporter) bool {
	return o.Spec.SamplingRate != 0 || len(o.Spec.Interfaces) > 0 || o.Spec.InterfacesFrom != nil
}
