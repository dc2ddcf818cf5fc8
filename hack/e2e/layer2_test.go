package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// MetalLB in L2 mode announces an address from one node at a time. The fleet works, and says what is the matter.
func TestBalancerThatSendsAllToOneNodeIsTold(t *testing.T) {
	ownNodes(t) // and the balancer's pools
	t.Parallel()
	diagnose(t)
	f, discard := another(t, fleet.Namespace, "lan", `service: {annotations: {metallb.io/address-pool: l2}}`)
	defer discard()
	if !plan.LAN.Contains(netip.MustParseAddr(f.Address)) {
		t.Fatalf("%s is no address of the pool l2", f.Address)
	}
	must(t, cluster.Reachable(t.Context(), f))
	// What is judged are the datagrams between two looks, of which there is one each 30 s.
	const looks = 2 * time.Minute
	began := time.Now()
	end := meanwhile(t, f, "--exporters", "40", "--rate", "500", "--records", "4")
	conditionOf(t, f, looks, "LoadDistributed", "False", "use BGP mode with ECMP, or several addresses")
	t.Logf("LoadDistributed was False after %s", time.Since(began).Round(time.Second))
	conditionOf(t, f, looks, "Degraded", "True", "receives everything")
	conditionOf(t, f, looks, "Ready", "True", "") // flows arrive all the same
	complete(t, end())

	// MetalLB leaves an address as it is until another pool is named.
	patchOf(t, f, `{"spec":{"service":{"annotations":{"metallb.io/address-pool":"bgp"}}}}`)
	must(t, rig.Await(t.Context(), time.Minute, func() (err error) {
		if f.Address, err = cluster.Address(t.Context(), f); err == nil && !plan.BGPPool.Contains(netip.MustParseAddr(f.Address)) {
			err = fmt.Errorf("the address is %s still", f.Address)
		}
		return err
	}))
	pods, err := cluster.Collectors(t.Context(), f)
	must(t, err)
	must(t, cluster.NextHops(t.Context(), f, len(pods)))
	must(t, cluster.Reachable(t.Context(), f))
	end = meanwhile(t, f, "--exporters", "40", "--rate", "500", "--records", "4")
	conditionOf(t, f, looks, "LoadDistributed", "True", "")
	conditionOf(t, f, looks, "Degraded", "False", "")
	complete(t, end())
}
