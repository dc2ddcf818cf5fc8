package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// many ports or observation domains behind one address are several exporters, or one with many line cards.
const many = 8

// senders are the addresses that the collectors have had flows from. Of many, each collector lists those that sent most.
type senders struct {
	all, inside map[netip.Addr]bool
	// total is how many there are: where collectors list only some, as many more as each counts, if as few of these as of the listed ones send to
	// several collectors.
	total   int
	crowded map[netip.Addr]string // with how many ports and domains
}

// sourceIPPreserved says whether flows can be attributed to their exporters. It is Unknown until that is known.
func (j *judgement) sourceIPPreserved() said {
	const remedy = "all exporters behind one look like one, and their templates and sampling rates are mixed up"
	spec := &j.Collector.Spec
	s := &j.senders
	seen := ""
	if len(s.inside) > 0 {
		seen = " (collectors see " + addressList(s.inside) + ")"
	}
	kind, policy := j.exposed()
	outside := kind == v1alpha1.ServiceLoadBalancer || kind == v1alpha1.ServiceNodePort
	switch {
	case outside && policy == corev1.ServiceExternalTrafficPolicyCluster:
		return isFalse(ReasonClusterTraffic, "service.externalTrafficPolicy Cluster replaces exporters' addresses by those of nodes%s: %s; set it to Local", seen, remedy)
	case !outside && spec.Collector.HostNetwork:
		return isTrue(ReasonHostNetwork, "exporters send to the nodes themselves")
	case kind == v1alpha1.ServiceClusterIP:
		return isTrue(ReasonInsideCluster, "exporters send from inside the cluster")
	}
	if u := j.unreachable(); u != nil && len(s.all) == 0 {
		return *u
	}
	var crowdedInside, crowded []string
	for _, a := range slices.SortedFunc(keys(s.crowded), netip.Addr.Compare) {
		crowded = append(crowded, s.crowded[a])
		if s.inside[a] {
			crowdedInside = append(crowdedInside, s.crowded[a])
		}
	}
	switch others := len(s.all) - len(s.inside); {
	case len(s.all) == 0:
		return isUnknown(ReasonNobodySends, "no flows have reached the present collectors yet")
	case len(crowdedInside) > 0:
		return isFalse(ReasonAddressesRewritten, "several exporters have the address of a node (%s): %s; look for a load balancer or network "+
			"plug-in that replaces addresses on the way", some(crowdedInside), remedy)
	case len(s.inside) >= others && len(s.inside) > 0:
		return isUnknown(ReasonMaybeRewritten, "%d of %d senders have addresses of the cluster itself%s: right where its nodes export flows "+
			"themselves; else something replaces addresses on the way, and %s", len(s.inside), len(s.all), seen, remedy)
	case len(crowded) == len(s.all):
		return isUnknown(ReasonMaybeRewritten, "all senders have many ports or observation domains (%s): right for exporters with many line "+
			"cards; else a proxy replaces addresses on the way, and %s", some(crowded), remedy)
	case len(s.all) == 1:
		return isUnknown(ReasonOneSender, "all flows come from %s: right where there is one exporter; else a proxy replaces addresses on the "+
			"way, and %s", addressList(s.all), remedy)
	}
	which := "%d senders"
	if s.total > len(s.all) {
		which = "the %d senders that send most"
	}
	return isTrue(ReasonAddressesKept, which+" have addresses of their own, outside of the cluster", len(s.all)-len(s.inside))
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (j *judgement) judgeSenders() senders {
	s := senders{all: make(map[netip.Addr]bool), inside: make(map[netip.Addr]bool), crowded: make(map[netip.Addr]string)}
	ends := j.clusterAddresses()
	listed, counted := 0, 0
	for _, c := range j.answering() {
		listed += len(c.Now.Senders)
		counted += max(len(c.Now.Senders), c.Now.SendersTotal)
		for _, sender := range c.Now.Senders {
			a, err := netip.ParseAddr(sender.Address)
			if err != nil {
				continue
			}
			a = a.Unmap()
			s.all[a] = true
			if ends[a] {
				s.inside[a] = true
			}
			if sender.Ports >= many || sender.Domains >= many {
				s.crowded[a] = fmt.Sprintf("%s with %d ports and %d domains", a, sender.Ports, sender.Domains)
			}
		}
	}
	if s.total = len(s.all); counted > listed && listed > 0 {
		s.total = counted * len(s.all) / listed
	}
	return s
}

// clusterAddresses are those that exporters' addresses are replaced by where they do not survive: of nodes, whether they have a
// collector or not, and of the pod network's end on a node. A pod network gives each node a range; its first two addresses are those
// that kube-proxy's masquerading picks (the bridge of the node itself, the tunnel of another one). Where a node does not tell its
// range, it is taken to be a /24, or a /64 of IPv6, as is usual.
func (j *judgement) clusterAddresses() map[netip.Addr]bool {
	out := make(map[netip.Addr]bool)
	ends := func(p netip.Prefix) {
		first := p.Masked().Addr()
		out[first], out[first.Next()] = true, true
	}
	for _, n := range j.Nodes {
		for _, a := range n.Addresses {
			out[a.Unmap()] = true
		}
		for _, p := range n.Pods {
			ends(p)
		}
	}
	for i := range j.Pods {
		for _, a := range hostAddresses(&j.Pods[i]) {
			out[a] = true
		}
		if a, err := netip.ParseAddr(j.Pods[i].Status.PodIP); err == nil && !j.Collector.Spec.Collector.HostNetwork {
			bits := 24
			if a = a.Unmap(); a.Is6() {
				bits = 64
			}
			ends(netip.PrefixFrom(a, bits))
		}
	}
	return out
}

// maxListed bounds the addresses in a message.
const maxListed = 5

func addressList(addresses map[netip.Addr]bool) string {
	list := slices.SortedFunc(keys(addresses), netip.Addr.Compare)
	var out []string
	for _, a := range list[:min(len(list), maxListed)] {
		out = append(out, a.String())
	}
	if more := len(list) - maxListed; more > 0 {
		out = append(out, fmt.Sprintf("and %d others", more))
	}
	return strings.Join(out, ", ")
}
