package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// another makes a fleet for one test.
func another(t *testing.T, namespace, name string, more ...string) (f rig.Fleet, discard func()) {
	t.Helper()
	f, err := cluster.Fleet(t.Context(), namespace, name, more...)
	discard = func() {
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", namespace, "delete", "flowcollector", name, "--ignore-not-found", "--timeout=1m")
		must(t, err)
	}
	if err != nil {
		discard()
		t.Fatal(err)
	}
	return f, discard
}

// The fleets' exporters have the same addresses, domains and template ids, and each fleet's change their templates at times of
// their own, under which they differ: whoever took a template from another fleet's bucket would decode wrong values. One fleet
// has the name of another, one its namespace.
func TestFleetsOnTheSameMachinesHaveNothingInCommon(t *testing.T) {
	// Not beside other tests: on a machine that stands still for seconds routes move to nodes that have not heard of a change yet, and what
	// is sent meanwhile is decoded by the former layout (docs/sharing.md). That is a limit, and none of the two fleets'.
	ownNodes(t) // exporters need addresses of their own
	diagnose(t)
	fleets := []rig.Fleet{fleet}
	for _, id := range [][2]string{{fleet.Namespace, "core"}, {"branch", fleet.Name}} {
		f, discard := another(t, id[0], id[1], "exporters: {templateScope: Address}")
		defer discard()
		fleets = append(fleets, f)
	}
	distinct := map[string]string{}
	for _, f := range fleets {
		pods, err := cluster.Collectors(t.Context(), f)
		must(t, err)
		must(t, cluster.NextHops(t.Context(), f, len(pods)))
		must(t, cluster.Reachable(t.Context(), f))
		if common, err := cluster.Collectors(t.Context(), fleet); err != nil || len(pods) != len(common) {
			t.Errorf("%s has collectors on %d nodes, %s on %d (%v)", f, len(pods), fleet, len(common), err)
		}
		for _, what := range []string{".status.address", ".status.bucket.name", ".status.stream.name"} {
			out, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "flowcollector", f.Name, "-o", "jsonpath={"+what+"}")
			must(t, err)
			if other, taken := distinct[out]; out == "" || taken {
				t.Errorf("%s of %s is %q, as that of %s", what, f, out, other)
			}
			distinct[out] = f.String()
		}
	}

	// Rates differ, so that a datagram of the wrong fleet is seen in numbers as well. Templates change every few seconds: how fast a change
	// is shared is none of this test's promises, and a slow disk of the NATS servers holds up what changes each second. The first fleet's
	// change back, since its exporters have the addresses of later tests.
	var ends []func() check.Report
	for i, f := range fleets {
		ends = append(ends, beginTo(t, f, "--exporters", "24", "--domains", "2", "--rate", fmt.Sprint(400*(i+1)), "--duration", "15s",
			"--redefine", fmt.Sprintf("%dms", 5900-900*i)))
	}
	for i, end := range ends {
		report := end()
		t.Logf("%s:", fleets[i])
		complete(t, report)
		if report.Foreign != 0 {
			t.Errorf("%s has %d records that were sent to others", fleets[i], report.Foreign)
		}
	}

	var before []string
	ends = nil
	for _, f := range []rig.Fleet{fleets[0], fleets[2]} {
		before = append(before, lives(t, f))
		ends = append(ends, meanwhile(t, f, "--exporters", "24", "--rate", "500"))
	}
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleets[1].Namespace, "delete", "flowcollector", fleets[1].Name, "--timeout=1m")
	must(t, err)
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		pods, err := cluster.Collectors(t.Context(), fleets[1])
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("collectors are left: %v", pods)
		}
		return err
	}))
	for i, f := range []rig.Fleet{fleets[0], fleets[2]} {
		complete(t, ends[i]())
		if now := lives(t, f); now != before[i] {
			t.Errorf("the end of %s reached %s; before, then after:\n%s\n%s", fleets[1], f, before[i], now)
		}
	}
}
