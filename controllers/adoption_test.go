package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

func TestOrphansAreOursByTheirLabelsAndWithoutAnotherController(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge", UID: "new"}}
	ours := map[string]string{"app.kubernetes.io/name": "flowfleet", "app.kubernetes.io/instance": "edge",
		"app.kubernetes.io/component": "collector", "app.kubernetes.io/managed-by": "flowfleet"}
	other := map[string]string{"app.kubernetes.io/name": "flowfleet", "app.kubernetes.io/instance": "core",
		"app.kubernetes.io/component": "collector", "app.kubernetes.io/managed-by": "flowfleet"}
	controller := func(version, kind, name string, uid types.UID) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: uid, Controller: new(true)}}
	}
	for _, test := range []struct {
		about  string
		labels map[string]string
		owners []metav1.OwnerReference
		want   bool
	}{
		{"it controls it", nil, controller("flowfleet.io/v1alpha1", "FlowCollector", "edge", "new"), true},
		{"an orphan", ours, nil, true},
		{"of a FlowCollector of the same name before", ours, controller("flowfleet.io/v1alpha1", "FlowCollector", "edge", "old"), true},
		{"of another version of the API", ours, controller("flowfleet.io/v1", "FlowCollector", "edge", "old"), true},
		{"of another FlowCollector", ours, controller("flowfleet.io/v1alpha1", "FlowCollector", "core", "old"), false},
		{"of another kind", ours, controller("apps/v1", "Deployment", "edge", "old"), false},
		{"of a kind of the same name in another group", ours, controller("example.com/v1", "FlowCollector", "edge", "old"), false},
		{"another fleet's labels", other, nil, false},
		{"somebody's, without labels", nil, nil, false},
	} {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: test.labels, OwnerReferences: test.owners}}
		if got := belongs(o, fc); got != test.want {
			t.Errorf("%s: %v", test.about, got)
		}
		if !test.want {
			continue
		}
		o.OwnerReferences = ownersAfterAdoption(o, fc)
		if len(o.OwnerReferences) != 1 || !metav1.IsControlledBy(o, fc) {
			t.Errorf("%s: after adoption its owners are %+v", test.about, o.OwnerReferences)
		}
	}
}

// As before a CustomResourceDefinition is installed anew, and as a backup brings objects back, with the owner of then.
func TestWhatAnEarlierObjectOfTheNameLeftBehindIsAdopted(t *testing.T) {
	for about, owners := range map[string]func([]metav1.OwnerReference) []metav1.OwnerReference{
		"orphaned": func([]metav1.OwnerReference) []metav1.OwnerReference { return nil },
		"restored": func(before []metav1.OwnerReference) []metav1.OwnerReference { return before },
	} {
		t.Run(about, func(t *testing.T) {
			w := newWorld(t)
			operator := w.start()
			fc := w.create("edge")
			w.run(fc, 0)
			w.expectReady(fc)
			operator.settle(fc)
			if err := w.c.Delete(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			natstest.Eventually(t, "gone", func() bool { return !w.exists(fc) })
			for _, o := range w.children(fc) {
				o.SetOwnerReferences(owners(o.GetOwnerReferences()))
				if err := w.c.Update(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			set := w.daemonSet(fc)
			again := w.create("edge")
			w.expect(again, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
			operator.settle(again)
			for _, o := range w.children(again) {
				if !metav1.IsControlledBy(o, again) || len(o.GetOwnerReferences()) != 1 {
					t.Errorf("%s is of %+v", o.GetName(), o.GetOwnerReferences())
				}
			}
			if now := w.daemonSet(again); now.UID != set.UID || now.Generation != set.Generation {
				t.Error("collectors were replaced")
			}
		})
	}
}
