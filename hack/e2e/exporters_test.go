package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// seen is what a test reads of a FlowExporter.
type seen struct {
	Metadata struct{ Name string }
	Spec     struct{ Addresses []string }
	Status   struct {
		RecordsPerSecond int64
		Loss             string
		Restarts         int64
		Sampling         struct{ Rates []int64 }
		Conditions       []struct{ Type, Status, Reason, Message string }
	}
}

func (s *seen) is(kind, status string) bool {
	for _, c := range s.Status.Conditions {
		if c.Type == kind {
			return c.Status == status
		}
	}
	return false
}

// flowExporters are those of the exporters' network, by address.
func flowExporters(ctx context.Context) (map[string]seen, error) {
	out, err := cluster.Kubectl(ctx, "--namespace", fleet.Namespace, "get", "flowexporters", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []seen }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("reading FlowExporters: %w", err)
	}
	found := make(map[string]seen)
	for _, one := range list.Items {
		if a := one.Spec.Addresses[0]; strings.HasPrefix(a, "10.78.128.") {
			found[a] = one
		}
	}
	return found, nil
}

// Each exporter that sends has an object that is Ready with its records a second; a rolling update turns no condition False; and
// one that is cut off is told as silent.
func TestEachExporterHasAnObjectThatFollowsIt(t *testing.T) {
	ownNodes(t) // elsewhere all exporters have one address
	diagnose(t)
	const exporters, declared = 12, "10.78.128.5"
	must(t, cluster.Apply(t.Context(), fmt.Sprintf(`
apiVersion: flowfleet.io/v1alpha1
kind: FlowExporter
metadata: {namespace: %s, name: declared}
spec: {collector: %s, addresses: [%s], displayName: a router in a test, silentAfter: 30s}
`, fleet.Namespace, fleet.Name, declared)))
	t.Cleanup(func() {
		_, err := cluster.Kubectl(context.Background(), "--namespace", fleet.Namespace, "delete", "flowexporters", "--all")
		if err != nil {
			t.Error(err)
		}
	})
	forgetEvents(t)
	end := meanwhile(t, fleet, "--exporters", fmt.Sprint(exporters), "--rate", "1000", "--records", "4")
	ready := func() error {
		found, err := flowExporters(t.Context())
		if err != nil {
			return err
		}
		n := 0
		for _, one := range found {
			if one.is("Ready", "True") && one.Status.RecordsPerSecond > 0 {
				n++
			}
		}
		if n < exporters {
			return fmt.Errorf("%d of %d exporters are Ready with records: %+v", n, exporters, found)
		}
		return nil
	}
	must(t, rig.Await(t.Context(), 5*time.Minute, ready))
	describe(t, "declared")

	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=5m")
	must(t, err)
	ended(t)
	must(t, rig.Await(t.Context(), 5*time.Minute, ready))
	said := exporterEvents(t)
	own := map[string]bool{"declared": true} // others may fall silent meanwhile, of tests before
	for i := range exporters {
		own[fmt.Sprintf("%s-10.78.128.%d", fleet.Name, 1+i)] = true
	}
	for line := range strings.Lines(said) {
		if name, _, _ := strings.Cut(line, " "); own[name] {
			t.Errorf("a condition turned during a rolling update: %s", line)
		}
	}

	end()
	must(t, rig.Await(t.Context(), 5*time.Minute, func() error {
		found, err := flowExporters(t.Context())
		if one := found[declared]; err == nil && !one.is("Sending", "False") {
			err = fmt.Errorf("one that was cut off: %+v", one.Status)
		}
		return err
	}))
	describe(t, "declared")
}

// forgetEvents deletes what was told of FlowExporters in other tests.
func forgetEvents(t *testing.T) {
	t.Helper()
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "events", "--field-selector", "involvedObject.kind=FlowExporter")
	must(t, err)
}

// exporterEvents are those of FlowExporters, one a line: name, type, reason, directly behind it how often it happened again, message.
func exporterEvents(t *testing.T) string {
	t.Helper()
	said, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "events", "--field-selector", "involvedObject.kind=FlowExporter", "-o",
		`jsonpath={range .items[*]}{.involvedObject.name}{" "}{.type}{" "}{.reason}{.series.count}{" "}{.message}{"\n"}{end}`)
	must(t, err)
	return said
}

// describe logs what kubectl describe prints of a FlowExporter.
func describe(t *testing.T, name string) {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "describe", "flowexporter", name)
	must(t, err)
	t.Logf("kubectl describe fexp %s:\n%s", name, out)
}
