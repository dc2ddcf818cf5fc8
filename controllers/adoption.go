package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// belongs reports whether an object is a FlowCollector's: it controls it, or the object was left behind by one of the same name,
// such as by kubectl delete --cascade=orphan or in a backup. Such an orphan has our labels and no other controller.
func belongs(o metav1.Object, fc *v1alpha1.FlowCollector) bool {
	if controlled(o, fc) {
		return true
	}
	if c := metav1.GetControllerOf(o); c != nil && !former(c, fc) {
		return false
	}
	labels := o.GetLabels()
	for name, value := range fleet.Selector(fc) {
		if labels[name] != value {
			return false
		}
	}
	return labels[fleet.LabelManagedBy] == fleet.Product
}

func controlled(o metav1.Object, fc *v1alpha1.FlowCollector) bool {
	return metav1.IsControlledBy(o, fc)
}

// former reports whether a reference is to a FlowCollector of the same name that is no more: two of one name cannot be.
func former(r *metav1.OwnerReference, fc *v1alpha1.FlowCollector) bool {
	group, err := schema.ParseGroupVersion(r.APIVersion)
	return err == nil && group.Group == v1alpha1.SchemeGroupVersion.Group && r.Kind == "FlowCollector" && r.Name == fc.Name && r.UID != fc.UID
}

// ownersAfterAdoption are the owners of an object once it is a FlowCollector's: those that it had, without former ones.
func ownersAfterAdoption(o metav1.Object, fc *v1alpha1.FlowCollector) []metav1.OwnerReference {
	var out []metav1.OwnerReference
	for _, r := range o.GetOwnerReferences() {
		if !former(&r, fc) && r.UID != fc.UID {
			out = append(out, r)
		}
	}
	return append(out, *metav1.NewControllerRef(fc, v1alpha1.SchemeGroupVersion.WithKind("FlowCollector")))
}

// adopt makes an orphan the FlowCollector's. What it should be is applied after that: an object cannot have two controllers, so
// that the reference to a former one has to go first.
func (r *Reconciler) adopt(ctx context.Context, fc *v1alpha1.FlowCollector, kind string, live client.Object) error {
	if controlled(live, fc) {
		return nil
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"ownerReferences": ownersAfterAdoption(live, fc), "resourceVersion": live.GetResourceVersion(),
	}})
	if err != nil {
		return fmt.Errorf("writing the owners of %s %s: %w", kind, live.GetName(), err)
	}
	if err := r.Client.Patch(ctx, live, client.RawPatch(types.MergePatchType, b), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("adopting %s %s: %w", kind, live.GetName(), err)
	}
	ctrl.LoggerFrom(ctx).Info("adopted", "kind", kind, "object", live.GetName())
	r.event(fc, corev1.EventTypeNormal, "Adopted", "Adopt"+kind, fmt.Sprintf("adopted %s %s, which had our labels and no controller", kind, live.GetName()))
	return nil
}
