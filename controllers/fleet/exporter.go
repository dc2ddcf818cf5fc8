package fleet

import "github.com/flowfleet/flowfleet/api/v1alpha1"

// Discovered reports whether the operator made a FlowExporter: one that says so without being the fleet's own is the user's, and so is one whose spec
// somebody edited. Nobody relies on the device of one that was discovered: it may have been taken away.
func Discovered(o *v1alpha1.FlowExporter) bool {
	if o.Labels[v1alpha1.LabelDiscovered] != "true" || edited(o) {
		return false
	}
	for _, owner := range o.OwnerReferences {
		if owner.Kind == "FlowCollector" && owner.Controller != nil && *owner.Controller {
			return true
		}
	}
	return false
}

// edited reports whether the spec has more than a fleet and an address, beside what the API server fills in: the operator makes no such one.
func edited(o *v1alpha1.FlowExporter) bool {
	const silentAfter, maxLoss = v1alpha1.Duration("5m"), "1%" // the API's defaults
	s, after := &o.Spec, o.Spec.SilentAfter.Std()
	return len(s.Addresses) != 1 || s.DisplayName != "" || len(s.Protocols) > 0 || after != 0 && after != silentAfter.Std() ||
		s.MaxLoss != "" && s.MaxLoss != maxLoss || Configures(o)
}

// Configures reports whether a FlowExporter has something for the collectors' configuration.
func Configures(o *v1alpha1.FlowExporter) bool {
	return o.Spec.SamplingRate != 0 || len(o.Spec.Interfaces) > 0 || o.Spec.InterfacesFrom != nil
}
