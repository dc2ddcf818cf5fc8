package supervise

import (
	"errors"
	"net/netip"

	"github.com/flowfleet/flowfleet/hack/cluster/network"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// connect makes the network but for the nodes:
//
//	control plane --- lan0 (10.77.0.0/24) --- router --- exporters0 (10.78.0.0/16) --- exporter
//	                    |
//	                  nodes
func (s *supervisor) connect() (err error) {
	if s.lan, err = network.Own(LAN); err != nil {
		return err
	}
	if s.router, err = network.Create(Router); err != nil {
		return err
	}
	if s.exporter, err = network.Create(Exporter); err != nil {
		return err
	}
	anywhere := netip.Prefix{}
	return errors.Join(
		s.lan.Bridge(lanBridge),
		s.lan.Bridge(exporterBridge),
		s.lan.Address(lanBridge, netip.PrefixFrom(plan.API, plan.LAN.Bits())),
		s.lan.Route(anywhere, plan.Router),

		s.lan.Plug(lanBridge, "router", s.router, nic),
		s.lan.Plug(exporterBridge, "router-x", s.router, "eth1"),
		s.router.Address(nic, netip.PrefixFrom(plan.Router, plan.LAN.Bits())),
		s.router.Address("eth1", netip.PrefixFrom(plan.ExportersRouter, plan.Exporters.Bits())),
		s.router.Sysctl("ipv4.ip_forward", "1"),
		s.router.Sysctl("ipv4.conf.all.send_redirects", "0"),
		s.router.Sysctl("ipv4.conf.eth0.send_redirects", "0"),
		// One flow keeps to one node: the hash takes the ports too, as routers of the field do.
		s.router.Sysctl("ipv4.fib_multipath_hash_policy", "1"),

		s.lan.Plug(exporterBridge, "exporter", s.exporter, nic),
		s.exporter.Address(nic, netip.PrefixFrom(plan.Exporter, plan.Exporters.Bits())),
		s.exporter.Claim(plan.MoreExporters),
		s.exporter.Route(anywhere, plan.ExportersRouter),
	)
}
