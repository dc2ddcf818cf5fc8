package fleet

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

// Without an operator all that it said before stands there as if it were so now. Who may not list its pods is not told that it is away.
func TestThatNoOperatorRunsIsToldWhereItIsKnown(t *testing.T) {
	of := func(program, namespace, component string, ready corev1.ConditionStatus) *corev1.Pod {
		labels := map[string]string{controllers.LabelName: program, controllers.LabelComponent: component}
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: component, Labels: labels},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}}
	}
	pod := func(namespace, component string, ready corev1.ConditionStatus) *corev1.Pod {
		return of("flowfleet", namespace, component, ready)
	}
	for name, test := range map[string]struct {
		pods        []runtime.Object
		forbidden   bool
		runs, known bool
	}{
		"one is ready":           {[]runtime.Object{pod("a", "operator", "False"), pod("b", "operator", "True")}, false, true, true},
		"none is ready":          {[]runtime.Object{pod("a", "operator", "False"), pod("a", "collector", "True")}, false, false, true},
		"there is none":          {nil, false, false, true},
		"only another program's": {[]runtime.Object{of("postgres", "a", "operator", "True")}, false, false, false},
		"another program's too":  {[]runtime.Object{of("postgres", "a", "operator", "True"), pod("b", "operator", "False")}, false, false, true},
		"pods may not be listed": {[]runtime.Object{pod("a", "operator", "True")}, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			pods := fake.NewClientset(test.pods...)
			if test.forbidden {
				pods.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("forbidden") })
			}
			if runs, known := (&Client{pods: pods}).OperatorRuns(t.Context()); runs != test.runs || known != test.known {
				t.Errorf("runs %t, known %t", runs, known)
			}
		})
	}
}
