package e2e

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// crowds are numbers of exporters: few flows that one node may get all of, and many.
var crowds = []int{12, 200}

// rollouts says how often each is tried: ROLLOUTS, else once.
func rollouts(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ROLLOUTS")
	if text == "" {
		return 1
	}
	number, err := strconv.Atoi(text)
	must(t, err)
	return number
}

func TestRollingUpdateUnderLoadLosesNothing(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	for _, exporters := range crowds {
		for run := range rollouts(t) {
			t.Run(fmt.Sprintf("%d exporters, run %d", exporters, run+1), func(t *testing.T) {
				complete(t, rollUnderLoad(t, "default", exporters))
			})
		}
	}
}

// That the test above can fail shows here: without time to drain, datagrams are lost. The figures stand in
// docs/rolling-updates.md beside those of the default.
func TestRollingUpdateWithoutTimeToDrainLosesSome(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	if os.Getenv("ROLLOUTS") == "" {
		t.Skip("a comparison, not a promise: set ROLLOUTS")
	}
	patch(t, `{"spec":{"collector":{"drainTime":"1s"}}}`)
	defer func() {
		patch(t, `{"spec":{"collector":{"drainTime":null}}}`)
		rolled(t)
	}()
	rolled(t)
	lost := 0
	for _, exporters := range crowds {
		report := rollUnderLoad(t, "drainTime: 1s", exporters)
		if report.Wrong != 0 || report.Again != 0 {
			t.Errorf("records were wrong, or came twice: %+v", report)
		}
		lost += report.LostDatagrams
	}
	if lost == 0 {
		t.Error("nothing was lost: does the load reach collectors that end?")
	}
}

// rolled waits until a changed spec has been rolled out, and the former collectors have ended.
func rolled(t *testing.T) {
	t.Helper()
	time.Sleep(3 * time.Second) // the operator changes the DaemonSet
	must(t, cluster.Ready(t.Context(), fleet))
	time.Sleep(20 * time.Second)
}

// load is how long a rolling update is under load at least: FLOWFLEET_E2E_LOAD, or a minute. It is never over before the rollout.
func load(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FLOWFLEET_E2E_LOAD")
	if text == "" {
		return time.Minute
	}
	duration, err := time.ParseDuration(text)
	must(t, err)
	return duration
}

// ended waits until the former collectors have ended: they read on for a while after the rollout is over.
func ended(t *testing.T) {
	t.Helper()
	endedOf(t, fleet)
}

func endedOf(t *testing.T, f rig.Fleet) {
	t.Helper()
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		out, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "pods", "-l", "app.kubernetes.io/instance="+f.Name, "-o",
			`jsonpath={range .items[*]}{.metadata.deletionTimestamp}{end}`)
		if err == nil && out != "" {
			err = fmt.Errorf("collectors are ending still: %s", out)
		}
		return err
	}))
}

// rollUnderLoad replaces all collectors in the midst of load, and logs the line of the table in
// docs/rolling-updates.md.
func rollUnderLoad(t *testing.T, rollout string, exporters int) check.Report {
	t.Helper()
	changes, err := cluster.RouteChanges(t.Context(), fleet)
	must(t, err)
	end := meanwhile(t, fleet, "--exporters", strconv.Itoa(exporters), "--rate", "5000", "--records", "4")
	enough := time.After(load(t))
	time.Sleep(5 * time.Second)
	began := time.Now()
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=5m")
	must(t, err)
	took := time.Since(began)
	ended(t)
	<-enough
	report := end()
	t.Logf("| %s | %s | %d | %d | %d | %d | %.0f s |", rollout, proxyMode(), exporters, report.Datagrams, report.LostDatagrams,
		report.Refused, took.Seconds())
	for _, change := range changes() {
		t.Logf("the route changed %.3f s after the traffic's start", change.Sub(report.Began).Seconds())
	}
	return report
}
