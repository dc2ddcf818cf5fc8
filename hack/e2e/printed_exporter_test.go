package e2e

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// exporterStates are what kubectl printed of FlowExporters in states that take a faulty device.
//
//go:embed exporter_states.md
var exporterStates string

// showExporter prints a FlowExporter that sends, and what it says once it is silent.
func showExporter(t *testing.T, page *strings.Builder) {
	t.Helper()
	const name, address = "declared", "10.78.128.5"
	must(t, cluster.Apply(t.Context(), fmt.Sprintf(`
apiVersion: flowfleet.io/v1alpha1
kind: FlowExporter
metadata: {namespace: %s, name: %s}
spec: {collector: %s, addresses: [%s], displayName: a router in a test, silentAfter: 30s}
`, fleet.Namespace, name, fleet.Name, address)))
	defer func() {
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", fleet.Namespace, "delete", "flowexporters", "--all")
		must(t, err)
	}()
	become := func(kind, status string) {
		t.Helper()
		must(t, rig.Await(t.Context(), 5*time.Minute, func() error {
			found, err := flowExporters(t.Context())
			if one := found[address]; err == nil && !one.is(kind, status) {
				err = fmt.Errorf("%s of %s is not %s: %+v", kind, name, status, one.Status)
			}
			return err
		}))
	}
	end := meanwhile(t, fleet, "--exporters", "12", "--rate", "1000", "--records", "4")
	become("Complete", "True")
	become("Ready", "True")
	page.WriteString("\n## An exporter\nOne that sends NetFlow v5, from the status on. [Exporters](exporters.md#conditions) says what to do about each reason.\n\n")
	show(t, page, fmt.Sprintf("kubectl describe fexp -n %s %s | sed -n '/^Status:/,$p'", fleet.Namespace, name))
	end()
	become("Sending", "False")
	page.WriteString("\nAfter it is cut off:\n\n")
	show(t, page, fmt.Sprintf("kubectl get fexp -n %s %s -o wide", fleet.Namespace, name))
	page.WriteString(exporterStates)
}
