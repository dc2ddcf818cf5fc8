package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the operator applied to an object, it finds by who owns the fields: only pods, to which it applies nothing, may be without.
func TestOwnersOfFieldsAreKeptButForPods(t *testing.T) {
	for object, options := range CacheOptions(nil).ByObject {
		if _, isNode := object.(*corev1.Node); isNode {
			continue // nothing is applied to nodes either
		}
		_, isPod := object.(*corev1.Pod)
		if isPod != (options.Transform != nil) {
			t.Errorf("%T: it is changed before it is kept: %v", object, options.Transform != nil)
		}
		if !isPod || options.Transform == nil {
			continue
		}
		pod, err := options.Transform(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", ManagedFields: []metav1.ManagedFieldsEntry{{}}}})
		if err != nil {
			t.Fatal(err)
		}
		if p := pod.(*corev1.Pod); p.ManagedFields != nil || p.Name != "a" {
			t.Errorf("it is kept as %+v", p)
		}
	}
}
