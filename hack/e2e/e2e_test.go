// Package e2e holds the operator's promises on a real cluster: real nodes, a real balancer, exporters behind a router, and
// each record accounted for. "make e2e" runs it; RUN names a test, PROXY_MODE is nftables or iptables.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

var (
	cluster *rig.Rig
	fleet   rig.Fleet
)

func TestMain(m *testing.M) {
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
		context.AfterFunc(ctx, func() {
			tearDown()
			os.Exit(1)
		})
		status := m.Run()
		tearDown()
		return status
	}())
}

func setUp(ctx context.Context) (err error) {
	mode := os.Getenv("PROXY_MODE")
	if mode == "" {
		mode = "nftables"
	}
	if cluster, err = rig.Up(ctx, rig.Options{Name: "flowfleet-e2e", ProxyMode: mode, Balancer: "bgp", Progress: os.Stderr}); err != nil {
		return err
	}
	cluster.Say("applying a FlowCollector")
	if fleet, err = cluster.Fleet(ctx, "flows", "edge"); err == nil {
		err = cluster.NextHops(ctx, fleet, 3)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, cluster.Diagnose(ctx, fleet))
		tearDown()
		return err
	}
	cluster.Say("the fleet is Ready at %s", fleet.Address)
	return nil
}

func tearDown() {
	if err := cluster.Down(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// diagnose prints what happened when the test fails.
func diagnose(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cluster.Diagnose(context.Background(), fleet))
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// result is what flowgen found.
type result struct {
	report check.Report
	err    error
}

// begin sends and verifies while the test goes on.
func begin(t *testing.T, arguments ...string) (end func() check.Report) {
	t.Helper()
	results := make(chan result, 1)
	go func() {
		report, err := cluster.Traffic(t.Context(), fleet, arguments...)
		results <- result{report, err}
	}()
	return func() check.Report {
		t.Helper()
		r := <-results
		must(t, r.err)
		return r.report
	}
}

// complete fails the test unless each record arrived exactly once, as it was sent, from its exporter's address.
func complete(t *testing.T, report check.Report) {
	t.Helper()
	t.Logf("%d datagrams, %d records: %d once, %d again, %d lost, %d wrong, %d refused", report.Datagrams, report.Records,
		report.Once, report.Again, report.Lost, report.Wrong, report.Refused)
	if !report.Good() || report.Records == 0 || report.Sources != 0 {
		var text strings.Builder
		report.Print(&text)
		t.Errorf("not every record arrived exactly once:\n%s", &text)
	}
}

func TestFlowsCarryTheExportersAddress(t *testing.T) {
	diagnose(t)
	complete(t, begin(t, "--exporters", "40", "--rate", "500", "--duration", "5s")())
	condition(t, "SourceIPPreserved", "True", "")

	patch(t, `{"spec":{"service":{"externalTrafficPolicy":"Cluster"}}}`)
	defer func() {
		patch(t, `{"spec":{"service":null}}`)
		must(t, cluster.NextHops(t.Context(), fleet, 3))
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

// patch changes the fleet's spec.
func patch(t *testing.T, change string) {
	t.Helper()
	_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", fleet.Namespace, "patch", "flowcollector", fleet.Name, "--type=merge", "-p", change)
	must(t, err)
}

// condition waits a minute until the condition has the status, and its message the words.
func condition(t *testing.T, kind, want, words string) {
	t.Helper()
	must(t, rig.Await(context.WithoutCancel(t.Context()), time.Minute, func() error {
		status, why, err := cluster.Condition(context.WithoutCancel(t.Context()), fleet, kind)
		if err == nil && (status != want || !strings.Contains(why, words)) {
			err = fmt.Errorf("%s is %s, not %s: %s", kind, status, want, why)
		}
		return err
	}))
}

// Templates are sent once, at the beginning; then the router sends all to one node after the other, as when it hashes anew.
func TestAnyCollectorDecodesWhatAnyOtherLearned(t *testing.T) {
	diagnose(t)
	defer func() { must(t, cluster.Pin(context.WithoutCancel(t.Context()), fleet, "")) }()
	must(t, cluster.Pin(t.Context(), fleet, "n1"))
	end := begin(t, "--exporters", "20", "--domains", "2", "--rate", "1000", "--duration", "10s", "--template-interval", "0",
		"--protocols", "v9,ipfix")
	for _, node := range []string{"n2", "n3", "n1", "n3", "n2"} {
		time.Sleep(1500 * time.Millisecond)
		must(t, cluster.Pin(t.Context(), fleet, node))
	}
	complete(t, end())
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	for node, pod := range pods {
		metrics, err := cluster.Kubectl(t.Context(), "get", "--raw", "/api/v1/namespaces/"+fleet.Namespace+"/pods/"+pod+":8080/proxy/metrics")
		must(t, err)
		if decoded := metric(metrics, "flowfleet_collector_datagrams_decoded_total"); decoded < 500 {
			t.Errorf("%s decoded %.0f datagrams: the route did not change", node, decoded)
		}
	}
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

// Between the end of a collector and the moment its node is out of the route datagrams are lost, since nobody is there. What
// comes after is decoded, though templates were sent once, at the beginning.
func TestKilledCollectorCostsNoMoreThanTheBalancersGap(t *testing.T) {
	diagnose(t)
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "20s", "--template-interval", "0")
	time.Sleep(5 * time.Second)
	began := time.Now()
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "pod", pods["n2"], "--grace-period=0", "--force")
	must(t, err)
	gap(t, end(), 5*time.Second)
	must(t, cluster.Ready(t.Context(), fleet))
	t.Logf("a collector was on its node again %s later", time.Since(began).Round(time.Second))
	must(t, cluster.NextHops(t.Context(), fleet, 3))
}

func TestNodeThatIsLostCostsNoMoreThanTheBalancersGap(t *testing.T) {
	diagnose(t)
	// What a collector has not handed on yet goes with its node: first all of them are known to.
	complete(t, begin(t, "--exporters", "48", "--rate", "500", "--duration", "5s")())
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "25s", "--template-interval", "0",
		"--quiet", "60s") // a NATS server goes too: what collectors have waits until they have found another
	time.Sleep(5 * time.Second)
	_, err := cluster.Cluster(t.Context(), "node", "kill", "n3")
	must(t, err)
	defer func() {
		_, err := cluster.Cluster(context.WithoutCancel(t.Context()), "node", "start", "n3")
		must(t, err)
		must(t, cluster.NextHops(t.Context(), fleet, 3))
		must(t, cluster.Ready(t.Context(), fleet))
	}()
	must(t, cluster.NextHops(t.Context(), fleet, 2))
	gap(t, end(), 9*time.Second) // the router waits for 6 s
}

// gap fails the test unless all that is lost was sent within one stretch of time, and nothing came wrong or twice.
func gap(t *testing.T, report check.Report, limit time.Duration) {
	t.Helper()
	if report.Wrong != 0 || report.Again != 0 || report.Unsent != 0 {
		var text strings.Builder
		report.Print(&text)
		t.Errorf("records were wrong, or came twice:\n%s", &text)
	}
	if len(report.Gaps) == 0 {
		t.Logf("nothing of %d records was lost", report.Records)
		return
	}
	from, to := report.Gaps[0].From, report.Gaps[0].To
	for _, gap := range report.Gaps {
		from, to = min(from, gap.From), max(to, gap.To)
	}
	t.Logf("%d of %d datagrams were lost, all sent within %.2f s; %d refused", report.LostDatagrams, report.Datagrams, to-from, report.Refused)
	if to-from > limit.Seconds() {
		var text strings.Builder
		report.Print(&text)
		t.Errorf("the gap is longer than %s: from %.2f to %.2f s\n%s", limit, from, to, &text)
	}
}

// A node's first collector knows from the bucket what exporters told others long before. Until the node is settled all goes
// to another one: MetalLB announces a node about a tenth of a second before kube-proxy has its rules there.
func TestCollectorOfANewNodeDecodesFromItsFirstDatagram(t *testing.T) {
	diagnose(t)
	must(t, cluster.Pin(t.Context(), fleet, "n1"))
	pinned := true
	defer func() {
		if pinned {
			must(t, cluster.Pin(context.WithoutCancel(t.Context()), fleet, ""))
		}
	}()
	end := begin(t, "--exporters", "20", "--rate", "500", "--duration", "50s", "--template-interval", "0", "--protocols", "v9,ipfix")
	_, err := cluster.Cluster(t.Context(), "node", "start", "n4")
	must(t, err)
	must(t, cluster.NextHops(t.Context(), fleet, 4))
	time.Sleep(3 * time.Second)
	must(t, cluster.Pin(t.Context(), fleet, "n4"))
	time.Sleep(3 * time.Second)
	must(t, cluster.Pin(t.Context(), fleet, ""))
	pinned = false
	complete(t, end())
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	metrics, err := cluster.Kubectl(t.Context(), "get", "--raw", "/api/v1/namespaces/"+fleet.Namespace+"/pods/"+pods["n4"]+":8080/proxy/metrics")
	must(t, err)
	if decoded := metric(metrics, "flowfleet_collector_datagrams_decoded_total"); decoded < 500 {
		t.Errorf("n4 decoded %.0f datagrams", decoded)
	}
}

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

// Uninstalling comes last: nothing works after it. With the default deletion policies bucket and stream stay.
func TestUninstallLeavesNothingButWhatIsToBeKept(t *testing.T) {
	diagnose(t)
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "flowcollector", fleet.Name, "--timeout=60s")
	must(t, err)
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		left, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get",
			"daemonsets,pods,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies", "-o", "name")
		if err != nil {
			return err
		}
		for name := range strings.Lines(left) {
			if !strings.Contains(name, "kube-root-ca") && !strings.Contains(name, "serviceaccount/default") {
				return errors.New("left: " + left)
			}
		}
		return nil
	}))
	_, err = cluster.Helm(t.Context(), "uninstall", "flowfleet", "--namespace", rig.OperatorNamespace, "--wait")
	must(t, err)
	left, err := cluster.Kubectl(t.Context(), "get", "clusterroles,clusterrolebindings,customresourcedefinitions", "-o", "name")
	must(t, err)
	for name := range strings.Lines(left) {
		if strings.Contains(name, "flowfleet") && !strings.Contains(name, "customresourcedefinition") { // kept: crds.keep
			t.Errorf("left: %s", name)
		}
	}
	if !strings.Contains(left, "flowcollectors.flowfleet.io") {
		t.Error("the CustomResourceDefinition is gone, though crds.keep says that it stays")
	}
}
