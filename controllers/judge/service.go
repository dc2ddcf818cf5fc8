package judge

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// service is what exporters can send to.
type service struct {
	said      said
	addresses []v1alpha1.Address
	// more of them there are, for which a status is no place.
	more int
}

// judgeService says what exporters can send to, and gives up waiting for an address at the deadline.
func (j *judgement) judgeService() service {
	s := j.findAddresses()
	j.noteGeneration()
	if s.said.reason != ReasonAddressPending {
		j.memory.AddressMissing = time.Time{}
		return s
	}
	since := &j.memory.AddressMissing
	if since.IsZero() {
		*since = j.addressMissingBefore()
	}
	if due := since.Add(j.Deadline()); j.Now.Before(due) {
		j.lookAgainAt(due)
		s.said.passing = true
	} else {
		s.said = isFalse(ReasonAddressMissing, "for %s %s", j.Deadline(), s.said.message)
	}
	return s
}

// noteGeneration notes since when the spec is what it is.
func (j *judgement) noteGeneration() {
	m, generation := &j.memory, j.Collector.Generation
	if m.Generation == generation {
		return
	}
	restarted := m.Generation == 0
	m.Generation, m.Asked = generation, j.Now
	if restarted { // it is as old as its last edit
		m.Asked = j.here(earliest(lastWritten(&j.Collector.ObjectMeta), j.server()))
	}
}

// lastWritten is when an object was made, or somebody last changed something who has a part of its spec. Who writes annotations and labels only
// changes no spec.
func lastWritten(o *metav1.ObjectMeta) time.Time {
	last := o.CreationTimestamp.Time
	for _, m := range o.ManagedFields {
		ofSpec := m.FieldsV1 == nil || strings.Contains(m.FieldsV1.GetRawString(), `"f:spec"`)
		if m.Time != nil && m.Subresource == "" && ofSpec && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	return last
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// hadItsTime reports whether the present spec was there for the deadline.
func (j *judgement) hadItsTime() bool {
	due := j.memory.Asked.Add(j.Deadline())
	if j.Now.Before(due) {
		j.lookAgainAt(due)
	}
	return !j.Now.Before(due)
}

// addressMissingBefore is since when there is no address, by the operator's clock, as far as the status tells what was before it was restarted.
// Times of the future are of a clock that was put back since: they say nothing, but that what was called missing is no less so.
func (j *judgement) addressMissingBefore() time.Time {
	c := j.condition(v1alpha1.ConditionServiceReady)
	since := j.Now
	if c != nil && (c.Reason == ReasonAddressPending || c.Reason == ReasonAddressMissing) && c.LastTransitionTime.Time.Before(j.server()) {
		since = j.here(c.LastTransitionTime.Time)
	}
	if due := j.Now.Add(-j.Deadline()); c != nil && c.Reason == ReasonAddressMissing && since.After(due) {
		since = due
	}
	return since
}

func (j *judgement) findAddresses() service {
	spec := &j.Collector.Spec
	if u, ok := j.Unseen["Service"]; ok && spec.Service.Type != v1alpha1.ServiceNone {
		return service{said: isUnknown(u.Reason(), "the operator %s see the Service: %s", u.Cannot(), u.Words)}
	}
	live := j.Service
	if spec.Service.Type == v1alpha1.ServiceNone && (live == nil || !spec.Suspend) {
		return j.nodesThemselves()
	}
	if live == nil {
		when := "is being made"
		switch {
		case j.Collector.Spec.Suspend:
			when = "is not made while spec.suspend is set"
		case j.Unusable(), len(j.Applied.Taken)+len(j.Applied.Refused)+len(j.Applied.Denied) > 0:
			when = "is not made until ConfigurationValid is True"
		case len(j.Applied.Forbidden) > 0, j.Failures >= failuresTold:
			when = "is not made yet: see Progressing"
		}
		return service{said: isFalse(ReasonPending, "the Service %s", when).yet()}
	}
	if !live.DeletionTimestamp.IsZero() { // a load balancer lets go of it at once
		return service{said: isFalse(ReasonPending, "the Service %s is being deleted: see Progressing", live.Name)}
	}
	kind, _ := j.exposed()
	if kind != spec.Service.Type && slices.Contains(j.Applied.Changed, "Service") { // what was seen of it is of before
		return service{said: isFalse(ReasonPending, "the Service %s is being changed", live.Name).yet()}
	}
	var s service
	refused := ""
	switch kind {
	case v1alpha1.ServiceLoadBalancer:
		refused = refusedPorts(live)
		var hosts []string
		for _, i := range live.Status.LoadBalancer.Ingress {
			if host := cmp.Or(i.IP, i.Hostname); host != "" {
				hosts = append(hosts, host)
			}
		}
		if len(hosts) == 0 && refused == "" {
			return service{said: isFalse(ReasonAddressPending, "the Service %s has no address yet: the cluster needs a load balancer (such as "+
				"MetalLB) with a free address; see kubectl describe service %s -n %s, or choose the service.type NodePort",
				live.Name, live.Name, live.Namespace)}
		}
		s.more = max(len(hosts)-2*maxAddresses, 0)
		s.add(hosts[:len(hosts)-s.more], func(port corev1.ServicePort) int32 { return port.Port }, live)
	case v1alpha1.ServiceNodePort:
		s.add(j.nodeAddresses(live.Spec.IPFamilies), func(port corev1.ServicePort) int32 { return port.NodePort }, live)
	default:
		s.add(slices.DeleteFunc(slices.Clone(live.Spec.ClusterIPs), func(ip string) bool { return ip == corev1.ClusterIPNone }),
			func(port corev1.ServicePort) int32 { return port.Port }, live)
		if len(s.addresses) == 0 {
			return service{said: isFalse(ReasonAddressPending, "the Service %s has no address of its own (type %s, clusterIP %q)", live.Name, kind, live.Spec.ClusterIP)}
		}
	}
	if refused != "" { // the other ports work
		s.said = isFalse(ReasonPortsRefused, "the load balancer does not take all ports of the Service %s (%s): choose other ports of listeners, or "+
			"another load balancer (service.loadBalancerClass)", live.Name, refused)
		return s
	}
	if len(s.addresses) == 0 {
		return service{said: isFalse(ReasonAddressPending, "no collector runs whose node exporters could send to%s", j.troubles())}
	}
	s.said = isTrue(ReasonAddressAssigned, "exporters can send to %s", s.sendTo())
	return s
}

// exposed is how exporters reach the collectors now: as the Service is, also where the spec asks for something else that is not applied yet, or that
// Kubernetes does not take.
func (f *Facts) exposed() (v1alpha1.ServiceType, corev1.ServiceExternalTrafficPolicy) {
	spec, live := &f.Collector.Spec.Service, f.Service
	gone := spec.Type == v1alpha1.ServiceNone && !f.Collector.Spec.Suspend // as soon as the cache shows it
	if live == nil || live.Spec.Type == "" || gone {
		return spec.Type, spec.ExternalTrafficPolicy
	}
	return v1alpha1.ServiceType(live.Spec.Type), live.Spec.ExternalTrafficPolicy
}

// refusedPorts is what a load balancer says of ports of the Service that it does not take; empty where it says nothing. Exporters that send there
// reach nobody.
func refusedPorts(live *corev1.Service) string {
	var out []string
	for _, i := range live.Status.LoadBalancer.Ingress {
		for _, p := range i.Ports {
			has := func(of corev1.ServicePort) bool {
				return of.Port == p.Port && cmp.Or(of.Protocol, corev1.ProtocolTCP) == p.Protocol
			}
			if p.Error != nil && *p.Error != "" && slices.ContainsFunc(live.Spec.Ports, has) {
				out = append(out, fmt.Sprintf("%d/%s: %s", p.Port, p.Protocol, *p.Error))
			}
		}
	}
	for _, c := range live.Status.Conditions {
		if c.Type == corev1.LoadBalancerPortsError && c.Status == metav1.ConditionTrue {
			out = append(out, cmp.Or(c.Message, c.Reason))
		}
	}
	return some(slices.Compact(sorted(out)))
}

// nodesThemselves is for a fleet without a Service.
func (j *judgement) nodesThemselves() service {
	if !j.Collector.Spec.Collector.HostNetwork {
		return service{said: isTrue(ReasonNoService, "service.type is None: the collectors are reached by their pods' addresses only, or by "+
			"a Service that somebody else makes")}
	}
	var s service
	for _, n := range j.nodeAddresses([]corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}) {
		address := v1alpha1.Address{Address: n}
		for _, l := range j.Collector.Spec.Listeners {
			address.Ports = append(address.Ports, v1alpha1.AddressPort{Name: l.Name, Port: l.Port})
		}
		s.addresses = append(s.addresses, address)
	}
	if len(s.addresses) == 0 {
		return service{said: isFalse(ReasonAddressPending, "no collector runs%s", j.troubles())}
	}
	s.said = isTrue(ReasonHostNetwork, "exporters can send to %s", s.sendTo())
	return s
}

func (s *service) add(hosts []string, port func(corev1.ServicePort) int32, live *corev1.Service) {
	for _, host := range hosts {
		address := v1alpha1.Address{Address: host}
		for _, p := range live.Spec.Ports {
			address.Ports = append(address.Ports, v1alpha1.AddressPort{Name: p.Name, Port: port(p)})
		}
		s.addresses = append(s.addresses, address)
	}
}

// sendTo is such as "192.0.2.10 (netflow 2055, ipfix 4739)".
func (s *service) sendTo() string {
	var hosts, ports []string
	for _, a := range s.addresses {
		hosts = append(hosts, a.Address)
	}
	for _, port := range s.addresses[0].Ports {
		ports = append(ports, fmt.Sprintf("%s %d", port.Name, port.Port))
	}
	more := ""
	if s.more > 0 {
		more = fmt.Sprintf(" and %d more", s.more)
	}
	return fmt.Sprintf("%s%s (%s)", strings.Join(hosts, ", "), more, strings.Join(ports, ", "))
}

// maxAddresses bounds the addresses in a status, of each family.
const maxAddresses = 16

// nodeAddresses are those of the nodes whose collectors are ready, in the order of the families given. A Service of one family
// listens on no address of the other, and the first address of a node need not be of the Service's.
func (f *Facts) nodeAddresses(families []corev1.IPFamily) []string {
	byFamily := make(map[corev1.IPFamily][]netip.Addr)
	for i := range f.Pods {
		if !fleet.IsReady(&f.Pods[i]) {
			continue
		}
		for _, a := range hostAddresses(&f.Pods[i]) {
			family := corev1.IPv6Protocol
			if a.Is4() {
				family = corev1.IPv4Protocol
			}
			byFamily[family] = append(byFamily[family], a)
		}
	}
	var out []string
	for _, family := range families {
		addresses := byFamily[family]
		slices.SortFunc(addresses, netip.Addr.Compare)
		addresses = slices.Compact(addresses)
		for _, a := range addresses[:min(len(addresses), maxAddresses)] {
			out = append(out, a.String())
		}
	}
	return out
}

// hostAddresses are those of a pod's node, of each family.
func hostAddresses(pod *corev1.Pod) (out []netip.Addr) {
	for _, h := range pod.Status.HostIPs {
		if a, err := netip.ParseAddr(h.IP); err == nil {
			out = append(out, a.Unmap())
		}
	}
	return out
}
