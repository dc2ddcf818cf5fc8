package controllers

import (
	"os"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What servers fill in, such as the apiVersion of a fieldRef and the defaults of a sidecar, is no reason to apply again.
func TestEveryKnobOfTheGoldenFilesSettles(t *testing.T) {
	for _, name := range []string{"platform", "nodetuning"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			operator := w.start()
			text, err := os.ReadFile("fleet/testdata/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			var golden v1alpha1.FlowCollector
			if err := yaml.UnmarshalStrict(text, &golden); err != nil {
				t.Fatal(err)
			}
			fc := w.create(name, func(fc *v1alpha1.FlowCollector) {
				fc.Spec = golden.Spec
				fc.Spec.NATS, fc.Spec.TemplateStore.NATS = v1alpha1.NATS{URLs: []string{w.nats.URL()}}, nil
				fc.Spec.Output.Stream.Placement = nil // the test's server has no tags
			})
			w.daemonSet(fc)
			operator.settle(fc)
			before := operator.writes.count()
			for range 3 {
				operator.reconcile(fc)
			}
			if wrote := operator.writes.since(before); len(wrote) > 0 {
				t.Errorf("another look writes %q\n%s", wrote, conditionsOf(fc))
			}
		})
	}
}
