package controllers

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Between the look at an object and its deletion somebody else deletes it, and makes another one of the same name: that one stays.
func TestNothingIsDeletedThatSomebodyHasMadeInTheMeantime(t *testing.T) {
	w := newWorld(t)
	var done atomic.Bool
	theirs := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge-collector"}}
	labels := map[string]string{"app": "theirs"}
	theirs.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	theirs.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	startOperator(w, w.s, w.namespace, operatorOptions{between: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method == http.MethodDelete && strings.HasSuffix(request.URL.Path, "/daemonsets/edge-collector") && done.CompareAndSwap(false, true) {
				if err := w.c.Delete(w.Context(), theirs.DeepCopy()); err != nil {
					w.Error(err)
				}
				if err := w.c.Create(w.Context(), theirs); err != nil {
					w.Error(err)
				}
			}
			return next.RoundTrip(request)
		})
	}})
	fc := w.create("edge", deletesBoth)
	w.run(fc, 0)
	w.expectReady(fc)
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the FlowCollector is gone", func() bool { return !w.exists(fc.DeepCopy()) })
	there := &appsv1.DaemonSet{}
	if err := w.c.Get(t.Context(), client.ObjectKeyFromObject(theirs), there); err != nil || there.UID != theirs.UID || there.DeletionTimestamp != nil {
		t.Errorf("what somebody else made is deleted: %v", err)
	}
}
