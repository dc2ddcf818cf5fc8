package e2e

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// A collector that ends without a word (SIGKILL, as when memory is short) is started again in its pod by the kubelet. Datagrams are
// lost from its end until its node takes what the router sends there, and no others: templates were sent once, at the beginning.
func TestCollectorThatIsKilledCostsWhatItsNodeGetsUntilItIsBack(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	changes, err := cluster.RouteChanges(t.Context(), fleet)
	must(t, err)
	routes := countRoutes(t)
	end := meanwhile(t, fleet, "--exporters", "24", "--rate", "1000", "--template-interval", "0")
	time.Sleep(5 * time.Second)
	before := routes()
	killed := time.Now()
	must(t, cluster.Signal(t.Context(), fleet.Namespace, pods["n2"], "collector", syscall.SIGKILL))
	pod, err := cluster.CollectorReady(t.Context(), fleet, "n2", killed)
	must(t, err)
	back := time.Now()
	must(t, cluster.NextHops(t.Context(), fleet, 3))
	time.Sleep(5 * time.Second)
	report := end()
	after := routes()
	must(t, cluster.Settled(t.Context(), fleet, 3))

	how, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "pod", pod, "-o",
		"jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")
	must(t, err)
	if pod != pods["n2"] || how != "137" {
		t.Errorf("the collector was not killed: %s ended with %q, and %s is there", pods["n2"], how, pod)
	}
	for _, change := range changes() {
		if change.After(killed) {
			t.Logf("the route changed %s after the end of the collector", change.Sub(killed).Round(time.Millisecond))
		}
		if change.After(back) {
			back = change
		}
	}
	lostBetween(t, report, killed, back.Add(proxyRules))
	lostOn(t, report, before, after, "n2")
}

// proxyRules is how long after a node's announcement kube-proxy may have its rules, which it writes once a second.
const proxyRules = 1500 * time.Millisecond

// Where a collector's pod is removed at once, which ends it as SIGKILL does, another pod takes its place. Between the end of a
// collector and the moment its node is out of the route datagrams are lost, since nobody is there. What comes after is decoded,
// though templates were sent once, at the beginning.
func TestCollectorThatIsRemovedAtOnceCostsNoMoreThanTheBalancersGap(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "20s", "--template-interval", "0")
	time.Sleep(5 * time.Second)
	began := time.Now()
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "pod", pods["n2"], "--grace-period=0", "--force")
	must(t, err)
	gap(t, end(), 5*time.Second)
	_, err = cluster.CollectorReady(t.Context(), fleet, "n2", began)
	must(t, err)
	must(t, cluster.Settled(t.Context(), fleet, 3))
}

// A collector that is told to end reads on, and is ready, until the next one is there: its node stays in the route.
func TestDeletedCollectorCostsNothing(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "40s", "--template-interval", "0")
	time.Sleep(5 * time.Second)
	began := time.Now()
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "pod", pods["n2"])
	must(t, err)
	_, err = cluster.CollectorReady(t.Context(), fleet, "n2", began)
	must(t, err)
	complete(t, end())
}

// A node without power says no goodbye: the router sends to it until BGP's hold time is over. Lost is what it sends there, and
// what the collector had not handed on: nothing of a flow that goes to another node.
func TestNodeThatIsLostCostsNoMoreThanTheBalancersGap(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	changes, err := cluster.RouteChanges(t.Context(), fleet)
	must(t, err)
	routes := countRoutes(t)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "30s", "--template-interval", "0",
		"--quiet", "60s") // a NATS server goes too: what collectors have waits until they have found another
	time.Sleep(5 * time.Second)
	before := routes()
	killed := time.Now()
	_, err = cluster.Cluster(t.Context(), "node", "kill", "n3")
	must(t, err)
	must(t, cluster.NextHops(t.Context(), fleet, 2))
	report, left := end(), time.Time{}
	after := routes()
	for _, change := range changes() {
		if left.IsZero() && change.After(killed) {
			left = change
		}
	}
	_, err = cluster.Cluster(t.Context(), "node", "start", "n3")
	must(t, err)
	_, err = cluster.CollectorReady(t.Context(), fleet, "n3", killed)
	must(t, err)
	must(t, cluster.Settled(t.Context(), fleet, 3))
	settle(t)
	lostBetween(t, report, killed, left)
	lostOn(t, report, before, after, "n3")
	if waited := left.Sub(killed); waited > 7*time.Second {
		t.Errorf("the router sent to the node for %s", waited)
	}
}

// excluded is what MetalLB and other balancers do not send to. Labels of nodes are the administrator's: docs/rolling-updates.md.
const excluded = "node.kubernetes.io/exclude-from-external-load-balancers"

func label(ctx context.Context, node, change string) error {
	_, err := cluster.Kubectl(ctx, "label", "node", node, change)
	return err
}

// A node's first collector knows from the bucket what exporters told others long before. Balancers are let to it when all is
// ready there.
func TestCollectorOfANewNodeDecodesFromItsFirstDatagram(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	end := begin(t, "--exporters", "20", "--rate", "500", "--duration", "60s", "--template-interval", "0", "--protocols", "v9,ipfix")
	_, err := cluster.Cluster(t.Context(), "node", "start", "n4")
	must(t, err)
	defer remove(t, "n4")
	must(t, rig.Await(t.Context(), time.Minute, func() error { return label(t.Context(), "n4", excluded+"=") }))
	pod, err := cluster.CollectorReady(t.Context(), fleet, "n4", time.Time{})
	must(t, err)
	time.Sleep(3 * time.Second)
	must(t, label(t.Context(), "n4", excluded+"-"))
	must(t, cluster.NextHops(t.Context(), fleet, 4))
	complete(t, end())
	if decoded := decodedBy(t, pod); decoded < 500 {
		t.Errorf("n4 decoded %.0f datagrams", decoded)
	}
}

// remove takes a node that was added away.
func remove(t *testing.T, node string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	_, err := cluster.Cluster(ctx, "node", "kill", node)
	_, deleting := cluster.Kubectl(ctx, "delete", "node", node)
	must(t, errors.Join(err, deleting, cluster.Settled(ctx, fleet, 3)))
}

func drain(t *testing.T, node string) {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=5m")
	must(t, err)
	if !strings.Contains(out, "pod/nats-") {
		t.Errorf("no NATS server was evicted:\n%s", out)
	}
}

// settle waits until all that was evicted runs again: the operator elsewhere, NATS on its node.
func settle(t *testing.T) {
	t.Helper()
	_, err := cluster.Kubectl(t.Context(), "--namespace", rig.OperatorNamespace, "rollout", "status", rig.Operator, "--timeout=5m")
	must(t, err)
	must(t, cluster.NATSReady(t.Context()))
	must(t, cluster.Ready(t.Context(), fleet))
}

// A drain evicts what can run elsewhere: here the NATS server that leads the stream, whose store goes with it. The collector, a
// DaemonSet's, stays and reads on: the node needs no label as long as it is not switched off.
func TestNodeThatIsDrainedGoesOnCollecting(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	leader := streamLeader(t)
	node, err := cluster.Kubectl(t.Context(), "--namespace", rig.NATSNamespace, "get", "pod", leader, "-o", "jsonpath={.spec.nodeName}")
	must(t, err)
	former, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	routes := countRoutes(t)
	before, after := rig.Routes{}, rig.Routes{}
	report := during(t, func() {
		before = routes()
		defer func() {
			_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "uncordon", node)
			must(t, err)
		}()
		drain(t, node)
		time.Sleep(20 * time.Second)
		after = routes()
	}, steady...)
	complete(t, report)
	settle(t)
	if now, err := cluster.Collectors(t.Context(), fleet); err != nil || now[node] != former[node] {
		t.Errorf("%s was on %s before, now %s (%v)", former[node], node, now[node], err)
	}
	sent := sentTo(node, before, after)
	t.Logf("%s, with %s, was drained, and the router sent it %d datagrams meanwhile", node, leader, sent)
	if sent == 0 {
		t.Errorf("%s got nothing: that nothing was lost says nothing", node)
	}
}

// What docs/rolling-updates.md says to do with a node that has to go for a while.
func TestNodeThatIsTakenOutAndBackInOrderLosesNothing(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	routes := countRoutes(t)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "90s", "--template-interval", "0", "--quiet", "60s")
	step := func(what string) { t.Log(time.Now().UTC().Format("15:04:05.000"), what) }
	time.Sleep(5 * time.Second)
	step("n2 is excluded")
	must(t, label(t.Context(), "n2", excluded+"="))
	must(t, cluster.NextHops(t.Context(), fleet, 2))
	step("it is out of the route; it is drained")
	out := routes()
	drain(t, "n2")
	off := time.Now()
	step("it is switched off")
	_, err := cluster.Cluster(t.Context(), "node", "kill", "n2")
	must(t, err)
	time.Sleep(5 * time.Second)
	step("it is switched on")
	_, err = cluster.Cluster(t.Context(), "node", "start", "n2")
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "uncordon", "n2")
	must(t, err)
	pod, err := cluster.CollectorReady(t.Context(), fleet, "n2", off)
	must(t, err)
	step("its collector is ready")
	time.Sleep(3 * time.Second)
	back := routes()
	step("it is excluded no more")
	must(t, label(t.Context(), "n2", excluded+"-"))
	must(t, cluster.NextHops(t.Context(), fleet, 3))
	step("it is in the route")
	complete(t, end())
	if sent := sentTo("n2", out, back); sent != 0 {
		t.Errorf("the router sent n2 %d datagrams while it was excluded", sent)
	}
	if decoded := decodedBy(t, pod); decoded < 500 {
		t.Errorf("back on n2, the collector has decoded %.0f datagrams", decoded)
	}
	settle(t)
}
