package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// Each device that sends is an object that kubectl shows, and that is ready as all of it arrives.
func TestExportersAreObjectsThatKubectlShows(t *testing.T) {
	diagnose(t)
	end := begin(t, "--exporters", "12", "--rate", "200", "--duration", "120s")
	sending := func() error {
		out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "flowexporters", "-o", "json")
		if err != nil {
			return err
		}
		var list v1alpha1.FlowExporterList
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		ready, others := 0, []string(nil)
		for i := range list.Items {
			e := &list.Items[i]
			if !slices.ContainsFunc(e.Spec.Addresses, func(a v1alpha1.ExporterAddress) bool { return strings.HasPrefix(string(a), "10.78.128.") }) {
				continue
			}
			if meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReady) && e.Status.RecordsPerSecond != nil && *e.Status.RecordsPerSecond > 0 {
				ready++
			} else {
				others = append(others, fmt.Sprintf("%s: %+v", e.Name, e.Status.Conditions))
			}
		}
		if ready < 12 {
			return fmt.Errorf("%d of 12 exporters are ready: %s", ready, strings.Join(others, "\n"))
		}
		return nil
	}
	must(t, rig.Await(t.Context(), 110*time.Second, sending))
	out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "fexp", "-o", "wide")
	must(t, err)
	t.Logf("\n%s", out)
	complete(t, end())
}
