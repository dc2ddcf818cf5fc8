package controllers

import (
	"os"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// installSchema replaces the schema that the API server has, and waits until it is the one that new objects meet: its probe is
// taken, or refused.
func (w *world) installSchema(file string, probe *unstructured.Unstructured, taken bool) {
	w.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	definition := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(b, &definition.Object); err != nil {
		w.Fatal(err)
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	live.SetName("flowcollectors.flowfleet.io")
	w.read(live)
	live.Object["spec"] = definition.Object["spec"]
	if err := w.c.Update(w.Context(), live); err != nil {
		w.Fatal(err)
	}
	natstest.Eventually(w, "the API server uses "+file, func() bool {
		return (w.c.Create(w.Context(), probe.DeepCopy(), client.DryRunAll) == nil) == taken
	})
}

// Objects that an earlier release has stored are looked after by this one, also where its schema would refuse them today, and
// can be changed and deleted.
func TestObjectsStoredWithAnEarlierSchemaAreLookedAfter(t *testing.T) {
	w := newWorld(t)
	old := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "flowfleet.io/v1alpha1", "kind": "FlowCollector",
		"metadata": map[string]any{"name": "stored", "namespace": w.namespace},
		"spec": map[string]any{
			"nats":          map[string]any{"urls": []any{w.nats.URL()}},
			"templateStore": map[string]any{"maxBytes": "1Mi", "deletionPolicy": "Delete"},
			"output":        map[string]any{"stream": map[string]any{"maxBytes": "1Mi"}},
			// Refused today: the operator sets this label itself.
			"collector": map[string]any{"labels": map[string]any{"app.kubernetes.io/name": "mine"}},
		},
	}}
	w.installSchema("testdata/crd-before.yaml", old, true)
	const present = "../config/crd/bases/flowfleet.io_flowcollectors.yaml"
	restored := false
	defer func() {
		if !restored {
			w.installSchema(present, old, false)
		}
	}()
	if err := w.c.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.installSchema(present, old, false)
	restored = true

	operator := w.start()
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Name: "stored", Namespace: w.namespace}}
	w.run(fc, 0)
	w.expectReady(fc)
	if name := w.daemonSet(fc).Spec.Template.Labels[fleet.LabelName]; name != fleet.Product {
		t.Errorf("the pods have the label %s", name)
	}
	if len(fc.Finalizers) != 1 {
		t.Errorf("the finalizers are %q", fc.Finalizers)
	}
	operator.settle(fc)
	before := operator.writes.count()
	operator.reconcile(fc)
	if wrote := operator.writes.since(before); len(wrote) > 0 {
		t.Errorf("another look writes %q", wrote)
	}
	// What is not touched may stay as it was stored; what is, follows today's rules.
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.LogLevel = "debug" })
	w.read(fc)
	fc.Spec.Collector.Labels["app.kubernetes.io/instance"] = "mine"
	if err := w.c.Update(t.Context(), fc); err == nil {
		t.Error("today's rules do not apply to what is changed")
	}
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it goes", func() bool { return !w.exists(fc) })
}
