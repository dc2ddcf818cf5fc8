package observation

import "net/netip"

// Rewritten returns the addresses that collectors had flows from and that belong to nodes, or to the pod network's end on a
// node: what exporters' addresses are replaced by where they do not survive. nodes and pods are the addresses of the fleet's
// nodes and pods.
//
// A pod network gives each node a range; its first two addresses are those that kube-proxy's masquerading picks (the bridge
// of the node itself, the tunnel of another one). Ranges are taken to be a /24, or a /64 of IPv6, as is usual.
func Rewritten(reports []Report, nodes, pods []netip.Addr) []netip.Addr {
	suspicious := make(map[netip.Addr]bool)
	for _, a := range nodes {
		suspicious[a.Unmap()] = true
	}
	for _, a := range pods {
		a = a.Unmap()
		bits := 24
		if a.Is6() {
			bits = 64
		}
		first := netip.PrefixFrom(a, bits).Masked().Addr()
		suspicious[first], suspicious[first.Next()] = true, true
	}
	var out []netip.Addr
	for i := range reports {
		for _, a := range reports[i].Senders() {
			if suspicious[a] {
				suspicious[a] = false // once
				out = append(out, a)
			}
		}
	}
	return out
}
