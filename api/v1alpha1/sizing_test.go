package v1alpha1_test

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sizing"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// What "collector size" prints is taken by the API server, strictly, for the least and the largest load too.
func TestFlowCollectorsThatSizesPrintAreAccepted(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	for _, load := range []sizing.Load{
		{1, 0, 1, 1, 1, 4 << 10, 0, 0, time.Minute, 1},
		{100, 8, 50_000, 20, 3, 208 << 10, 5000, time.Minute, 24 * time.Hour, 3},
		{10_000, 8, 5_000_000, 20, 20, 64 << 20, 50_000, 90 * time.Minute, 36 * time.Hour, 3},
		{1e6, 1024, 1e9, 1, 1, config.Size(1<<31 - 1), 900_000, 7 * 24 * time.Hour, 366 * 24 * time.Hour, 5},
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
