package rig

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What is given more of a fleet's spec is in it: lines of its own, and lines that go on with its output.
func TestAFleetHasWhatIsGivenMoreOfItsSpec(t *testing.T) {
	var fleet v1alpha1.FlowCollector
	text := fleetManifest(Fleet{Namespace: "flows", Name: "edge"}, "nats", []string{"  batch: {maxAge: 2s}", "exporters: {namesFrom: {name: names}}"})
	if err := yaml.UnmarshalStrict([]byte(text), &fleet); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	switch output, from := fleet.Spec.Output, fleet.Spec.Exporters.NamesFrom; {
	case output.Batch.MaxAge == nil, output.Stream.Replicas != 3, from == nil, from.Name != "names":
		t.Errorf("%+v", fleet.Spec)
	}
}
