package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// lookAtCollectors reads what the collectors said when they were asked last.
func (p *pass) lookAtCollectors(pods []corev1.Pod) {
	var ask []observation.Pod
	p.view.nodes = nil
	for i := range pods {
		s := &pods[i].Status
		p.view.nodes = append(p.view.nodes, hostAddresses(&pods[i])...)
		if s.Phase == corev1.PodRunning && s.PodIP != "" && pods[i].DeletionTimestamp.IsZero() {
			ask = append(ask, observation.Pod{Name: pods[i].Name, Node: pods[i].Spec.NodeName, Address: s.PodIP,
				Port: p.fc.Spec.Collector.MetricsPort})
		}
	}
	key := observation.Key{Namespace: p.fc.Namespace, Name: p.fc.Name}
	p.observer.Watch(key, ask)
	found := p.observer.Finding(key)
	p.view.distribution = found.Distribution
	p.view.collectors = slices.DeleteFunc(found.Reports, func(r observation.Report) bool { return !r.Answers() })
}

// loaded is how many collectors have read the bucket.
func (v *view) loaded() (n int) {
	for _, c := range v.collectors {
		if c.Now.Bucket != nil && c.Now.Bucket.Loaded {
			n++
		}
	}
	return n
}

// publishing is how many collectors can use the stream.
func (v *view) publishing() (n int) {
	for _, c := range v.collectors {
		if c.Now.Output.StreamReady {
			n++
		}
	}
	return n
}

// judgeObservation says what only collectors see: who sends, how the load is spread, what is known.
func (p *pass) judgeObservation() {
	p.judgeSources()
	p.judgeDistribution()
	p.fc.Status.Exporters, p.fc.Status.Templates = nil, nil
	// All collectors know the same, but for a moment after a change: the one that knows most speaks for all.
	for _, c := range p.view.collectors {
		p.fc.Status.Exporters = larger(p.fc.Status.Exporters, int64(c.Now.Known.Exporters))
		p.fc.Status.Templates = larger(p.fc.Status.Templates, int64(c.Now.Known.Templates))
	}
}

func larger(have *int64, n int64) *int64 {
	if have == nil || n > *have {
		return &n
	}
	return have
}

// judgeSources says in SourceIPPreserved whether flows can be attributed to their exporters.
func (p *pass) judgeSources() {
	const kind = v1alpha1.ConditionSourceIPPreserved
	s := &p.fc.Spec.Service
	senders, rewritten := p.senders()
	seen := ""
	if len(rewritten) > 0 {
		seen = fmt.Sprintf(" (collectors see %s)", addressList(rewritten))
	}
	const remedy = "all exporters behind one look like one, and their templates and sampling rates are mixed up"
	switch outside := s.Type == v1alpha1.ServiceLoadBalancer || s.Type == v1alpha1.ServiceNodePort; {
	case outside && s.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyCluster:
		p.set(kind, metav1.ConditionFalse, reasonClusterTraffic, "service.externalTrafficPolicy Cluster replaces exporters' addresses by "+
			"those of nodes%s: %s; set it to Local", seen, remedy)
	case outside && len(rewritten) > 0 && len(rewritten) == senders:
		p.set(kind, metav1.ConditionFalse, reasonAddressesRewritten, "every sender has an address of the cluster%s: %s; look for a "+
			"load balancer or network plug-in that replaces addresses on the way", seen, remedy)
	case outside:
		p.set(kind, metav1.ConditionTrue, reasonLocalTrafficPolicy, "service.externalTrafficPolicy Local keeps exporters' addresses")
	case p.fc.Spec.Collector.HostNetwork:
		p.set(kind, metav1.ConditionTrue, reasonHostNetwork, "exporters send to the nodes themselves")
	default:
		p.set(kind, metav1.ConditionTrue, reasonInsideCluster, "exporters send from inside the cluster")
	}
}

// senders are how many addresses the collectors have had flows from, and which of them belong to the cluster's network.
func (p *pass) senders() (int, []netip.Addr) {
	var pods []netip.Addr
	all := make(map[netip.Addr]bool)
	for _, c := range p.view.collectors {
		for _, a := range c.Senders() {
			all[a] = true
		}
		if a, err := netip.ParseAddr(c.Pod.Address); err == nil && !p.fc.Spec.Collector.HostNetwork {
			pods = append(pods, a)
		}
	}
	return len(all), observation.Rewritten(p.view.collectors, p.view.nodes, pods)
}

// maxListed bounds the addresses in a message.
const maxListed = 5

func addressList(addresses []netip.Addr) string {
	slices.SortFunc(addresses, netip.Addr.Compare)
	var out []string
	for _, a := range addresses[:min(len(addresses), maxListed)] {
		out = append(out, a.String())
	}
	if more := len(addresses) - maxListed; more > 0 {
		out = append(out, fmt.Sprintf("and %d others", more))
	}
	return strings.Join(out, ", ")
}

// What makes a judgement on the spread of load worth anything.
const (
	enoughDatagrams = 100
	enoughExporters = 3
)

// judgeDistribution says in LoadDistributed whether one collector gets everything.
func (p *pass) judgeDistribution() {
	const kind = v1alpha1.ConditionLoadDistributed
	d := &p.view.distribution
	switch {
	case p.fc.Status.Collectors.Desired == 1:
		p.set(kind, metav1.ConditionTrue, reasonDistributed, "the fleet has one collector, which receives everything")
	case d.Busy > 1:
		p.set(kind, metav1.ConditionTrue, reasonDistributed, "several collectors receive datagrams")
	case d.Collectors > 1 && d.Busy == 1 && d.Datagrams >= enoughDatagrams && d.Senders >= enoughExporters:
		p.set(kind, metav1.ConditionFalse, reasonSingleCollector, "the collector on node %s receives everything, the others nothing: a load "+
			"balancer that announces an address from one node at a time (MetalLB in L2 mode, for one) sends all there; use BGP mode with "+
			"ECMP, or several addresses", d.Only.Node)
	case p.condition(kind) == nil:
		p.set(kind, metav1.ConditionUnknown, reasonTooLittleTraffic, "too little arrives to tell how it is spread over the collectors")
	}
}
