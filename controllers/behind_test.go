package controllers

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What is watched stays of the past where a write beside what was read instead of it is refused, too, as when somebody else writes meanwhile.
func TestWhatIsWatchedIsOfThePastUntilAnotherVersionComes(t *testing.T) {
	var b behind
	name := client.ObjectKey{Namespace: "flows", Name: "edge"}
	conflict := apierrors.NewConflict(schema.GroupResource{}, "edge", nil)
	refuse := func(version string) {
		fc := &v1alpha1.FlowCollector{}
		fc.Namespace, fc.Name, fc.ResourceVersion = name.Namespace, name.Name, version
		if err := b.refused(fc, conflict); !apierrors.IsConflict(err) {
			t.Fatalf("the answer is %v", err)
		}
	}
	refuse("1")
	if !b.is(name, "1") {
		t.Error("what was refused is not of the past")
	}
	refuse("5") // which was read, since 1 is of the past
	if !b.is(name, "1") {
		t.Error("what is watched is believed again, though nothing came")
	}
	if b.is(name, "6") || b.is(name, "1") {
		t.Error("another version is of the past")
	}
}
