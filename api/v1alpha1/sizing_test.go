package v1alpha1_test

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/sizing"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// What "collector size" prints is taken by the API server, strictly, for the least and the largest load too.
func TestFlowCollectorsThatSizesPrintAreAccepted(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	for _, load := range []sizing.Load{
		{Exporters: 1, FlowsPerSecond: 1, FlowsPerDatagram: 1, Nodes: 1, ReceiveLimit: 4 << 10, Keep: time.Minute, Replicas: 1},
		{Exporters: 100, TemplatesPerExporter: 8, FlowsPerSecond: 50_000, FlowsPerDatagram: 20, Nodes: 3, ReceiveLimit: 208 << 10, Burst: 5000,
			Away: time.Minute, Keep: 24 * time.Hour, Replicas: 3},
		{Exporters: 10_000, TemplatesPerExporter: 8, FlowsPerSecond: 5_000_000, FlowsPerDatagram: 20, Nodes: 20, ReceiveLimit: 64 << 20, Burst: 50_000,
			Away: 90 * time.Minute, Keep: 36 * time.Hour, Replicas: 3},
		{Exporters: 1e6, TemplatesPerExporter: 1024, FlowsPerSecond: 1e9, FlowsPerDatagram: 1, Nodes: 1, ReceiveLimit: 1<<31 - 1, Burst: 900_000,
			Away: 7 * 24 * time.Hour, Keep: 366 * 24 * time.Hour, Replicas: 5},
	} {
		if err := load.Check(); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := sizing.Manifest(&out, "edge", "nats://nats.nats:4222", load); err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(out.Bytes(), &o.Object); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		o.SetNamespace(namespace)
		if err := client.WithFieldValidation(c, "Strict").Create(t.Context(), o, client.DryRunAll); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
}
