package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// Exporters send the tables of their interfaces to one node, once. Then all collectors are replaced while flows go to all nodes, and to one
// after the other: each flow has its names, though nobody sends them again.
func TestAnyCollectorNamesWhatAnyOtherWasTold(t *testing.T) {
	diagnose(t)
	defer func() { must(t, cluster.Pin(context.WithoutCancel(t.Context()), fleet, "")) }()
	exporters := []string{"--exporters", "20", "--domains", "2", "--rate", "1000", "--protocols", "v9,ipfix", "--template-interval", "0"}
	must(t, cluster.Pin(t.Context(), fleet, "n1"))
	named(t, begin(t, append(exporters, "--duration", "3s", "--names", "send")...)())
	must(t, cluster.Pin(t.Context(), fleet, ""))
	end := meanwhile(t, fleet, append(exporters, "--names", "known")...)
	time.Sleep(2 * time.Second)
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
	must(t, err)
	rolled(t)
	for _, node := range []string{"n3", "n2"} {
		must(t, cluster.Pin(t.Context(), fleet, node))
		time.Sleep(2 * time.Second)
	}
	named(t, end())
}

// named fails the test unless each record arrived exactly once, with the names of its interfaces.
func named(t *testing.T, report check.Report) {
	t.Helper()
	complete(t, report)
	if report.Unnamed != 0 {
		t.Errorf("%d of %d records came without their names:\n%s", report.Unnamed, report.Records, told(t, report))
	}
}
