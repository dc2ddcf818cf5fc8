package v1alpha1_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// beyondTheSchema are values that the schema cannot refuse, with what the operator says of them.
var beyondTheSchema = map[string]string{
	"{stream: {subjects: [b.>]}}": "none takes in flows.", // its rules do not know the namespace, which the default subject has
}

// What the API server takes must not fail later: neither the collectors nor Kubernetes may refuse what comes of it.
func TestWhatIsAcceptedMakesAFleet(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	namespace := s.Namespace(t)
	for _, r := range rules {
		where := r.path
		if r.at != "" {
			where = r.at
		}
		if where == "metadata.name" || where == "spec.output.stream.subjects[]" { // without a subject that they take in
			continue
		}
		for _, value := range r.valid {
			t.Run(where+" "+value, func(t *testing.T) {
				o := object(namespace, where, parse(t, value))
				if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
					t.Fatal(err)
				}
				fc := &v1alpha1.FlowCollector{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, fc); err != nil {
					t.Fatal(err)
				}
				f := fleet.New(fc, "example.com/flowfleet:1", "flowfleet-system", "", nil)
				expected := beyondTheSchema[value]
				for _, problem := range f.Filled().Check() {
					if expected == "" || !strings.Contains(problem.String(), expected) {
						t.Errorf("the collectors refuse it: %s", problem)
					}
				}
				configMap, err := f.ConfigMap()
				if err != nil {
					t.Fatal(err)
				}
				daemonSet, err := f.DaemonSet()
				if err != nil {
					t.Fatal(err)
				}
				wanted := []runtime.ApplyConfiguration{f.ServiceAccount(), configMap, daemonSet, f.MetricsService()}
				if o := f.NetworkPolicy(); o != nil {
					wanted = append(wanted, o)
				}
				if o := f.DisruptionBudget(); o != nil {
					wanted = append(wanted, o)
				}
				if o := f.Service(); o != nil {
					wanted = append(wanted, o)
				}
				for _, w := range wanted {
					if err := c.Apply(t.Context(), w, client.DryRunAll, client.ForceOwnership); err != nil {
						t.Errorf("Kubernetes refuses what comes of it: %v", err)
					}
				}
			})
		}
	}
}
