package controllers

import (
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// installed reports whether a kind of this project that fleets go on without is installed: Helm leaves the definitions as they are when it
// upgrades, and a controller of a kind that is not there would end the operator. One that comes later is found when the operator starts again.
func installed(manager ctrl.Manager, name, missed string) bool {
	kind := v1alpha1.SchemeGroupVersion.WithKind(name)
	_, err := manager.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if !meta.IsNoMatchError(err) {
		return true // it is there, or the API server did not say: the watch will tell
	}
	manager.GetLogger().Info("the kind "+name+" is not installed: "+missed+". Install all definitions of this version, and restart the operator",
		"definition", kind.Group+"/"+kind.Version+" "+kind.Kind)
	return false
}
