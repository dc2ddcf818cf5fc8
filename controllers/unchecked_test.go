package controllers

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// A pass that fails at its beginning knows less, and not that the fleet is less.
func TestAPassThatFailsEarlyDoesNotSayThatARunningFleetIsBeingMade(t *testing.T) {
	w := newWorld(t)
	letReadSecrets(t, w.s, w.namespace)
	var broken atomic.Bool
	o := startOperator(t, w.s, w.namespace, operatorOptions{between: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(request)
			if err == nil && broken.Load() && strings.Contains(request.URL.Path, "/secrets/") {
				_ = response.Body.Close()
				response.StatusCode, response.Status, response.Body = http.StatusInternalServerError, "500 Internal Server Error", http.NoBody
			}
			return response, err
		})
	}})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "token"}, StringData: map[string]string{"token": "x"}}
	if err := w.c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "token", Key: "token"}
	})
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	before := fc.DeepCopy()
	broken.Store(true)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = nextImage })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRetrying, "the operator tries again")
	for _, was := range before.Status.Conditions {
		is := meta.FindStatusCondition(fc.Status.Conditions, was.Type)
		if was.Type != v1alpha1.ConditionProgressing && (is == nil || is.Status != was.Status || is.Reason != was.Reason) {
			t.Errorf("%s was %s, %s, and is %+v", was.Type, was.Status, was.Reason, is)
		}
	}
	if fc.Status.Collectors != before.Status.Collectors || fc.Status.Address != before.Status.Address || fc.Status.ObservedGeneration == fc.Generation {
		t.Errorf("the status became %+v", fc.Status)
	}
	broken.Store(false)
	natstest.Eventually(t, "the change is applied", func() bool {
		w.lookNow(o, fc)
		return w.imageOf(fc) == nextImage
	})
	w.run(fc, 0)
	w.expectReady(fc)
}
