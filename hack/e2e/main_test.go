// Package e2e holds the operator's promises on a real cluster: real nodes, a real balancer, exporters behind a router, and
// each record accounted for. "make e2e" runs it; RUN names a test, PROXY_MODE is nftables or iptables, ROLLOUTS the number of
// rolling updates that are tried of each kind. Tests do not depend on their order: each leaves the fleet as it found it.
package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

var (
	cluster *rig.Rig
	fleet   rig.Fleet
)

func TestMain(m *testing.M) {
	clickhousetest.ServeIfAsked()
	if os.Getenv("FLOWFLEET_E2E") == "" {
		fmt.Println("end-to-end tests bring up a whole cluster, as root: run \"make e2e\"")
		return
	}
	// go test kills a test that is interrupted; the cluster goes first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	os.Exit(func() int {
		defer stop()
		if err := setUp(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		forget := context.AfterFunc(ctx, func() {
			tearDown()
			os.Exit(1)
		})
		defer forget() // before stop, which ends the context too
		status := m.Run()
		tearDown()
		return status
	}())
}

func setUp(ctx context.Context) (err error) {
	options := rig.FromEnvironment()
	options.Name, options.Progress = "flowfleet-e2e", os.Stderr
	options.ProxyMode = proxyMode()
	if cluster, err = rig.Up(ctx, options); err != nil {
		return err
	}
	cluster.Say("applying a FlowCollector")
	if err = applyFleet(ctx); err != nil {
		fmt.Fprintln(os.Stderr, cluster.Diagnose(ctx, fleet))
		tearDown()
		return err
	}
	cluster.Say("the fleet is Ready at %s", fleet.Address)
	return nil
}

// proxyMode is kube-proxy's.
func proxyMode() string { return cmp.Or(os.Getenv("PROXY_MODE"), "nftables") }

// applyFleet makes the fleet that tests have in common, and waits until it is Ready on each of three nodes.
func applyFleet(ctx context.Context) (err error) {
	if fleet, err = cluster.Fleet(ctx, rig.FleetNamespace, "edge"); err != nil {
		return err
	}
	return cluster.Settled(ctx, fleet, 3)
}

func tearDown() {
	if err := cluster.Down(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// diagnose prints what happened when the test fails. In no test the operator asks for what it may not.
func diagnose(t *testing.T) {
	t.Cleanup(func() {
		unforbidden(t)
		if t.Failed() {
			t.Log(cluster.Diagnose(context.Background(), fleet))
			if report, ok := reports.Load(t.Name()); ok {
				t.Logf("what was lost, once more:\n%s", report)
			}
		}
	})
}

// long leaves a test out of "make e2e-short": it takes half a minute or more.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip(`is left out of the short form: run "make e2e"`)
	}
}

// ownNodes skips a test that switches nodes off, changes routes or gives images to nodes where these are somebody else's.
func ownNodes(t *testing.T) {
	t.Helper()
	if !cluster.OwnsNodes() {
		t.Skip("needs the cluster's nodes and router to itself: run it without CLUSTER")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patch changes the fleet's spec.
func patch(t *testing.T, change string) {
	t.Helper()
	patchOf(t, fleet, change)
}

func patchOf(t *testing.T, f rig.Fleet, change string) {
	t.Helper()
	_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", f.Namespace, "patch", "flowcollector", f.Name, "--type=merge", "-p", change)
	must(t, err)
}

// condition waits a minute until the condition has the status, and its message the words.
func condition(t *testing.T, kind, want, words string) {
	t.Helper()
	conditionOf(t, fleet, time.Minute, kind, want, words)
}

func conditionOf(t *testing.T, f rig.Fleet, limit time.Duration, kind, want, words string) {
	t.Helper()
	must(t, rig.Await(context.WithoutCancel(t.Context()), limit, func() error {
		status, why, err := cluster.Condition(context.WithoutCancel(t.Context()), f, kind)
		if err == nil && (status != want || !strings.Contains(why, words)) {
			err = fmt.Errorf("%s is %s, not %s: %s", kind, status, want, why)
		}
		return err
	}))
}

// metrics returns a collector's.
func metrics(t *testing.T, pod string) string {
	t.Helper()
	text, err := cluster.Kubectl(t.Context(), "get", "--raw", "/api/v1/namespaces/"+fleet.Namespace+"/pods/"+pod+":8080/proxy/metrics")
	must(t, err)
	return text
}

// decodedBy returns how many datagrams a collector has decoded.
func decodedBy(t *testing.T, pod string) float64 {
	t.Helper()
	return metric(metrics(t, pod), "flowfleet_collector_datagrams_decoded_total")
}

// metric adds up a metric's series.
func metric(metrics, name string) (sum float64) {
	for line := range strings.Lines(metrics) {
		if series, value, found := strings.Cut(strings.TrimSpace(line), " "); found && strings.HasPrefix(series, name+"{") {
			number, err := strconv.ParseFloat(value, 64)
			if err == nil {
				sum += number
			}
		}
	}
	return sum
}
