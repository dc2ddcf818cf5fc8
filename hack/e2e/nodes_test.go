package e2e

import (
	"context"
	"testing"
	"time"
)

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
