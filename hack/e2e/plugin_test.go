package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/exporters"
)

// A user who has the role for viewers, and no other right, sees by the plugin who sends, that nothing is lost, and each collector.
func TestPluginShowsAFleetToItsViewers(t *testing.T) {
	diagnose(t)
	must(t, cluster.Apply(t.Context(), `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewers, namespace: `+fleet.Namespace+`}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flowfleet-fleet-viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
`))
	plugin := func(arguments ...string) string {
		t.Helper()
		out, err := cluster.Plugin(t.Context(), append([]string{"--as", "viewer", "--namespace", fleet.Namespace}, arguments...)...)
		if err != nil {
			t.Errorf("kubectl flowfleet %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
		return out
	}
	end := begin(t, "--exporters", "12", "--rate", "200", "--duration", "30s")
	var rows []exporters.Row
	must(t, rig.Await(t.Context(), 20*time.Second, func() error {
		rows = nil
		return json.Unmarshal([]byte(plugin("exporters", fleet.Name, "-o", "json", "--within", "10.78.128.0/24")), &rows)
	}))
	if len(rows) < 12 {
		t.Errorf("%d exporters of at least 12: %+v", len(rows), rows)
	}
	sending := 0
	for _, r := range rows {
		if r.RecordsPerSecond != nil && *r.RecordsPerSecond > 0 {
			sending++
		}
	}
	if sending < 12 {
		t.Errorf("%d exporters send, not 12: %+v", sending, rows)
	}
	check := plugin("check", fleet.Name)
	if strings.Contains(check, "NOT OK") || strings.Count(check, "  ok  ") < 4 {
		t.Errorf("the check of a fleet that is well:\n%s", check)
	}
	t.Logf("\n%s\n%s\n%s", plugin("status"), plugin("exporters"), check)
	complete(t, end())
	if books := plugin("ledger"); !strings.Contains(books, "MISSED") {
		t.Errorf("no books:\n%s", books)
	}
	if one := plugin("exporters", "describe", rows[0].Address, "--interval", "0s"); !strings.Contains(one, "FlowExporter") || !strings.Contains(one, "SETS LOST") {
		t.Errorf("one exporter:\n%s", one)
	}
	if out, err := cluster.Plugin(t.Context(), "--as", "viewer", "--namespace", fleet.Namespace, "templates"); err == nil || !strings.Contains(err.Error()+out, "pods/exec") {
		t.Errorf("a viewer runs programs in pods: %v\n%s", err, out)
	}
	if out, err := cluster.Plugin(t.Context(), "--namespace", fleet.Namespace, "top", fleet.Name, "--by", "exporter", "--network", "0.0.0.0/0"); err != nil ||
		!strings.Contains(out, "10.78.128.") || !strings.Contains(out, "BIT/S") {
		t.Errorf("top: %v\n%s", err, out)
	} else {
		t.Logf("\n%s", out)
	}
	if names := plugin("__complete", "status", ""); !strings.HasPrefix(names, fleet.Name+"\n") {
		t.Errorf("a shell completes a fleet's name by %q", names)
	}
	archive := filepath.Join(t.TempDir(), "report.tar.gz")
	if out, err := cluster.Plugin(t.Context(), "--namespace", fleet.Namespace, "report", fleet.Name, "--file", archive); err != nil || strings.Contains(out, "missing") {
		t.Errorf("the report of a fleet that is well: %v\n%s", err, out)
	}
	out, err := cluster.Plugin(t.Context(), "--namespace", fleet.Namespace, "templates", fleet.Name)
	if must(t, err); !strings.Contains(out, "netflow9") {
		t.Errorf("no templates:\n%s", out)
	}
}
