package controllers

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// judgeService says in ServiceReady and in the addresses what exporters can send to.
func (p *pass) judgeService(ctx context.Context) error {
	p.fc.Status.Address, p.fc.Status.Addresses = "", nil
	if p.fc.Spec.Service.Type == v1alpha1.ServiceNone {
		return p.judgeNodes(ctx)
	}
	service := &corev1.Service{}
	key := client.ObjectKey{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}
	if err := p.Client.Get(ctx, key, service); apierrors.IsNotFound(err) {
		when := "is being made"
		if p.invalid {
			when = "is not made until ConfigurationValid is True"
		}
		p.set(v1alpha1.ConditionServiceReady, metav1.ConditionFalse, reasonPending, "the Service %s %s", key.Name, when)
		return nil
	} else if err != nil {
		return fmt.Errorf("reading Service %s: %w", key, err)
	}
	switch p.fc.Spec.Service.Type {
	case v1alpha1.ServiceLoadBalancer:
		var hosts []string
		for _, i := range service.Status.LoadBalancer.Ingress {
			hosts = append(hosts, cmp.Or(i.IP, i.Hostname))
		}
		if len(hosts) == 0 {
			p.set(v1alpha1.ConditionServiceReady, metav1.ConditionFalse, reasonAddressPending, "the Service %s has no address yet: the "+
				"cluster needs a load balancer (such as MetalLB) with a free address; see kubectl describe service %s -n %s, or "+
				"choose the service.type NodePort", key.Name, key.Name, key.Namespace)
			return nil
		}
		p.addresses(hosts, func(port corev1.ServicePort) int32 { return port.Port }, service)
	case v1alpha1.ServiceNodePort:
		nodes, err := p.nodes(ctx, service.Spec.IPFamilies)
		if err != nil {
			return err
		}
		p.addresses(nodes, func(port corev1.ServicePort) int32 { return port.NodePort }, service)
	default:
		p.addresses(service.Spec.ClusterIPs, func(port corev1.ServicePort) int32 { return port.Port }, service)
	}
	if p.fc.Status.Address == "" {
		p.set(v1alpha1.ConditionServiceReady, metav1.ConditionFalse, reasonAddressPending, "no collector runs whose node exporters could send to")
		return nil
	}
	p.set(v1alpha1.ConditionServiceReady, metav1.ConditionTrue, reasonAddressAssigned, "exporters can send to %s", p.sendTo())
	return nil
}

// judgeNodes is for a fleet without a Service: exporters send to its nodes.
func (p *pass) judgeNodes(ctx context.Context) error {
	if !p.fc.Spec.Collector.HostNetwork {
		p.set(v1alpha1.ConditionServiceReady, metav1.ConditionTrue, reasonNoService,
			"service.type is None: the collectors are reached by their pods' addresses only, or by a Service that somebody else makes")
		return nil
	}
	nodes, err := p.nodes(ctx, []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol})
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		p.set(v1alpha1.ConditionServiceReady, metav1.ConditionFalse, reasonAddressPending, "no collector runs yet")
		return nil
	}
	for _, n := range nodes {
		address := v1alpha1.Address{Address: n}
		for _, l := range p.fc.Spec.Listeners {
			address.Ports = append(address.Ports, v1alpha1.AddressPort{Name: l.Name, Port: l.Port})
		}
		p.fc.Status.Addresses = append(p.fc.Status.Addresses, address)
	}
	p.fc.Status.Address = nodes[0]
	p.set(v1alpha1.ConditionServiceReady, metav1.ConditionTrue, reasonHostNetwork, "exporters can send to %s", p.sendTo())
	return nil
}

// maxAddresses bounds the addresses of nodes in a status, of each family.
const maxAddresses = 16

// nodes are the addresses of the nodes whose collectors are ready, in the order of the families given. A Service of one family
// listens on no address of the other, and the first address of a node need not be of the Service's.
func (p *pass) nodes(ctx context.Context, families []corev1.IPFamily) ([]string, error) {
	pods, err := p.pods(ctx)
	if err != nil {
		return nil, err
	}
	byFamily := make(map[corev1.IPFamily][]netip.Addr)
	for i := range pods {
		if !isReady(&pods[i]) {
			continue
		}
		for _, a := range hostAddresses(&pods[i]) {
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
	return out, nil
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

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func (p *pass) addresses(hosts []string, port func(corev1.ServicePort) int32, service *corev1.Service) {
	for _, host := range hosts {
		address := v1alpha1.Address{Address: host}
		for _, s := range service.Spec.Ports {
			address.Ports = append(address.Ports, v1alpha1.AddressPort{Name: s.Name, Port: port(s)})
		}
		p.fc.Status.Addresses = append(p.fc.Status.Addresses, address)
	}
	if len(hosts) > 0 {
		p.fc.Status.Address = hosts[0]
	}
}

// sendTo is such as "192.0.2.10 (netflow 2055, ipfix 4739)".
func (p *pass) sendTo() string {
	var hosts, ports []string
	for _, a := range p.fc.Status.Addresses {
		hosts = append(hosts, a.Address)
	}
	for _, port := range p.fc.Status.Addresses[0].Ports {
		ports = append(ports, fmt.Sprintf("%s %d", port.Name, port.Port))
	}
	return fmt.Sprintf("%s (%s)", strings.Join(hosts, ", "), strings.Join(ports, ", "))
}
