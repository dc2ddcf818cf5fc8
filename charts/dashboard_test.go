package charts_test

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// One dashboard shows all fleets of a cluster: it is the operator's own, byte for byte, and there only if it is asked for.
func TestTheDashboardOfAllFleetsIsTheOperators(t *testing.T) {
	want, err := os.ReadFile("../controllers/fleet/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range render(t) {
		if o.Written.GetKind() == "ConfigMap" {
			t.Errorf("nobody asked for %s", o.ID())
		}
	}
	found := 0
	for _, o := range render(t, "--set", "metrics.dashboard.enabled=true", "--set", "metrics.dashboard.annotations.grafana_folder=Network") {
		if o.Written.GetKind() != "ConfigMap" {
			continue
		}
		found++
		labels, annotations := o.Written.GetLabels(), o.Written.GetAnnotations()
		data, _, _ := unstructured.NestedString(o.Written.Object, "data", "flowfleet-collectors.json")
		if data != string(want) || labels["grafana_dashboard"] != "1" || annotations["grafana_folder"] != "Network" {
			t.Errorf("%v, %v, %d bytes of %d", labels, annotations, len(data), len(want))
		}
	}
	if found != 1 {
		t.Errorf("%d dashboards", found)
	}
}
