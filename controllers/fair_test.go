package controllers

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Whoever has many objects to look at waits for these; the others wait for one of them each.
func TestANamespaceWithMuchWorkDelaysTheOthersByOneObjectEach(t *testing.T) {
	q := filled(controller.Options{}, 1).NewQueue("fair", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	of := func(namespace string, i int) reconcile.Request {
		return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(i)}}
	}
	for i := range 500 {
		q.Add(of("hostile", i))
	}
	q.Add(of("a", 0))
	q.Add(of("b", 0))
	q.Add(of("b", 1))
	q.Add(of("b", 0)) // keeps its place
	take := func(want reconcile.Request) {
		t.Helper()
		got, _ := q.Get()
		if got != want {
			t.Fatalf("%s is next, not %s", got, want)
		}
		q.Done(got)
	}
	take(of("hostile", 0))
	take(of("a", 0))
	take(of("b", 0))
	q.Add(of("hostile", 0)) // waits for its own
	q.Add(of("a", 0))
	take(of("hostile", 1))
	take(of("b", 1))
	take(of("a", 0))
	for i := 2; i < 500; i++ {
		take(of("hostile", i))
	}
	take(of("hostile", 0))
	if q.Len() != 0 {
		t.Errorf("%d wait after all were taken", q.Len())
	}
}
