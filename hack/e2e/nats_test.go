package e2e

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

func TestNATSServerThatIsKilledCostsNothing(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	complete(t, during(t, func() {
		leader := streamLeader(t)
		t.Logf("%s leads the stream", leader)
		signalNATS(t, syscall.SIGKILL, leader)
		time.Sleep(10 * time.Second)
		must(t, cluster.NATSReady(t.Context()))
		well(t)
	}, steady...))
}

func TestNATSServersThatAreAllKilledCostNothing(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	complete(t, during(t, func() {
		signalNATS(t, syscall.SIGKILL, rig.NATSServers...)
		time.Sleep(10 * time.Second)
		must(t, cluster.NATSReady(t.Context()))
		well(t)
	}, steady...))
}

func TestNATSServersThatAreRestartedInOrderCostNothing(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	complete(t, during(t, func() {
		_, err := cluster.Kubectl(t.Context(), "--namespace", rig.NATSNamespace, "rollout", "restart", "statefulset/nats")
		must(t, err)
		must(t, cluster.NATSReady(t.Context()))
		well(t)
	}, steady...))
}

// Collectors go on without NATS, and the conditions say what is away and what is not.
func TestNATSServersThatFallSilentAreToldByConditionsAndCostNothing(t *testing.T) {
	long(t)
	ownNodes(t)
	diagnose(t)
	complete(t, during(t, func() {
		signalNATS(t, syscall.SIGSTOP, rig.NATSServers...)
		restored := false
		defer func() {
			if !restored {
				signalNATS(t, syscall.SIGCONT, rig.NATSServers...)
			}
		}()
		for _, kind := range []string{"TemplateStoreReady", "StreamReady", "Ready"} {
			condition(t, kind, "False", "NATSUnreachable")
		}
		condition(t, "Degraded", "True", "NATSUnreachable")
		condition(t, "CollectorsAvailable", "True", "")
		condition(t, "ServiceReady", "True", "")
		signalNATS(t, syscall.SIGCONT, rig.NATSServers...)
		restored = true
		must(t, cluster.NATSReady(t.Context()))
		well(t)
	}, steady...))
}

// streamLeader returns the server that leads the fleet's stream.
func streamLeader(t *testing.T) string {
	t.Helper()
	js, disconnect, err := cluster.JetStream(t.Context(), rig.NATSServers[0])
	must(t, err)
	defer disconnect()
	stream, err := js.Stream(t.Context(), fleet.Stream())
	must(t, err)
	return stream.CachedInfo().Cluster.Leader
}

func signalNATS(t *testing.T, signal syscall.Signal, servers ...string) {
	t.Helper()
	for _, server := range servers {
		must(t, cluster.Signal(context.WithoutCancel(t.Context()), rig.NATSNamespace, server, "nats-server", signal))
	}
}
