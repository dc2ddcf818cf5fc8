package e2e

import (
	"testing"
	"time"
)

func TestRollingUpdateUnderLoadLosesNothing(t *testing.T) {
	diagnose(t)
	for _, flows := range []string{"12", "200"} {
		t.Run(flows+" exporters", func(t *testing.T) {
			end := begin(t, "--exporters", flows, "--rate", "5000", "--records", "4", "--duration", "60s")
			time.Sleep(5 * time.Second)
			_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
			must(t, err)
			began := time.Now()
			_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=2m")
			took := time.Since(began)
			report := end()
			must(t, err)
			t.Logf("the rollout took %s", took.Round(time.Second))
			complete(t, report)
		})
	}
}
