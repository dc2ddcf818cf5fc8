package plan_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

func TestAddressesDoNotCollide(t *testing.T) {
	networks := []netip.Prefix{plan.LAN, plan.Exporters, plan.BGPPool, plan.Pods, plan.Services}
	for i, network := range networks {
		for _, other := range networks[i+1:] {
			if network.Overlaps(other) {
				t.Errorf("%s overlaps %s", network, other)
			}
		}
	}
	first, last, _ := strings.Cut(plan.L2Pool, "-")
	from, to := netip.MustParseAddr(first), netip.MustParseAddr(last)
	seen := map[netip.Addr]bool{plan.API: true, plan.Router: true}
	for number := 1; number <= plan.MaxNodes; number++ {
		address := plan.NodeAddress(number)
		if seen[address] || !plan.LAN.Contains(address) || (address.Compare(from) >= 0 && address.Compare(to) <= 0) {
			t.Errorf("address %s of node %d", address, number)
		}
		seen[address] = true
		if pods := plan.NodePods(number); !plan.Pods.Overlaps(pods) || pods != pods.Masked() {
			t.Errorf("pods %s of node %d", pods, number)
		}
	}
	if !plan.Exporters.Contains(plan.Exporter) || plan.MoreExporters.Contains(plan.Exporter) || plan.MoreExporters.Contains(plan.ExportersRouter) {
		t.Error("exporters' addresses")
	}
	if !plan.Services.Contains(plan.DNS) || !plan.Services.Contains(plan.KubernetesService) {
		t.Error("Services' addresses")
	}
}

func TestPlanIsReadAsItWasWritten(t *testing.T) {
	written := plan.Plan{Name: "x", Directory: t.TempDir(), Store: "/s", Binaries: "/s/b", Nodes: 3, ProxyMode: "nftables",
		Balancer: "bgp", Cgroups: []string{"/a", "/b"}}
	if err := written.Write(); err != nil {
		t.Fatal(err)
	}
	read, err := plan.Read(written.Directory)
	if err != nil || !reflect.DeepEqual(written, read) {
		t.Errorf("got %+v, %v", read, err)
	}
}
