package e2e

import (
	"testing"
	"time"
)

func TestFlowsCarryTheExportersAddress(t *testing.T) {
	diagnose(t)
	complete(t, begin(t, "--exporters", "40", "--rate", "500", "--duration", "5s")())
	condition(t, "SourceIPPreserved", "True", "")

	patch(t, `{"spec":{"service":{"externalTrafficPolicy":"Cluster"}}}`)
	defer func() {
		patch(t, `{"spec":{"service":null}}`)
		must(t, cluster.Settled(t.Context(), fleet, 3))
		// By chance a collector has heard many ports of one node, and remembers them for some minutes: others begin anew.
		_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
		must(t, err)
		rolled(t)
		complete(t, begin(t, "--exporters", "40", "--rate", "500", "--duration", "5s")())
		condition(t, "SourceIPPreserved", "True", "")
	}()
	began := time.Now()
	condition(t, "SourceIPPreserved", "False", "")
	report := begin(t, "--exporters", "40", "--rate", "500", "--duration", "5s", "--protocols", "v9")()
	if report.Sources == 0 {
		t.Errorf("with the policy Cluster addresses are kept nevertheless: %+v", report)
	}
	t.Logf("SourceIPPreserved was False %s after the change; %d of %d records had another address, such as %+v",
		time.Since(began).Round(time.Second), report.Sources, report.Records, report.Addresses[:min(1, len(report.Addresses))])
}
