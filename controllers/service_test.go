package controllers

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// A node's first address is of the cluster's first family, which need not be the Service's.
func TestAddressesOfNodesAreOfTheServicesFamilies(t *testing.T) {
	w := newWorld(t) // its Services are of IPv4
	w.start()
	for name, test := range map[string]struct {
		change func(*v1alpha1.FlowCollector)
		reason string
		want   []string
	}{
		"node-port": {
			func(fc *v1alpha1.FlowCollector) { fc.Spec.Service.Type = v1alpha1.ServiceNodePort },
			judge.ReasonAddressAssigned, []string{"192.0.2.9", "192.0.2.10"},
		},
		"host-network": {
			func(fc *v1alpha1.FlowCollector) {
				fc.Spec.Service.Type, fc.Spec.Collector.HostNetwork = v1alpha1.ServiceNone, true
			},
			judge.ReasonHostNetwork, []string{"192.0.2.9", "192.0.2.10", "2001:db8::9", "2001:db8::10"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fc := w.create(name, test.change)
			w.readyPod(fc, "a", "2001:db8::10", "192.0.2.10")
			w.readyPod(fc, "b", "2001:db8::9", "192.0.2.9")
			w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionTrue, test.reason, strings.Join(test.want, ", ")+" (")
			var got []string
			for _, a := range fc.Status.Addresses {
				got = append(got, a.Address)
			}
			if !slices.Equal(got, test.want) || fc.Status.Address != test.want[0] {
				t.Errorf("exporters are to send to %s, of %q, not of %q", fc.Status.Address, got, test.want)
			}
		})
	}
}

// readyPod makes a collector's pod, as it is on a node with these addresses.
func (w *world) readyPod(fc *v1alpha1.FlowCollector, node string, addresses ...string) {
	w.Helper()
	set := w.daemonSet(fc)
	pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: set.Spec.Template.Spec}
	pod.Name, pod.Namespace, pod.Spec.NodeName = set.Name+"-"+node, w.namespace, node
	if err := w.c.Create(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: addresses[0],
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	for _, a := range addresses {
		pod.Status.HostIPs = append(pod.Status.HostIPs, corev1.HostIP{IP: a})
	}
	if err := w.c.Status().Update(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
}

// What a Service was made with, and what is taken away again, comes to rest: Kubernetes keeps, fills in and refuses some of it.
func TestKnobsOfTheServiceAreTurnedAndTurnedBack(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge")
	minutes, off, local := v1alpha1.Duration("10m"), false, corev1.ServiceInternalTrafficPolicyLocal
	var port int32
	for _, step := range []struct {
		about  string
		change func(*v1alpha1.Service)
		want   func(*corev1.ServiceSpec) bool
	}{
		{"nothing", func(*v1alpha1.Service) {}, func(s *corev1.ServiceSpec) bool {
			port = s.HealthCheckNodePort
			return *s.AllocateLoadBalancerNodePorts && s.Ports[0].NodePort != 0 && port != 0 && *s.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyCluster
		}},
		{"everything but a port", func(s *v1alpha1.Service) {
			s.SessionAffinity, s.SessionAffinityTimeout = corev1.ServiceAffinityClientIP, &minutes
			s.AllocateLoadBalancerNodePorts, s.InternalTrafficPolicy = &off, &local
		}, func(s *corev1.ServiceSpec) bool {
			return s.SessionAffinityConfig != nil && *s.SessionAffinityConfig.ClientIP.TimeoutSeconds == 600 && s.AllocateLoadBalancerNodePorts != nil && !*s.AllocateLoadBalancerNodePorts &&
				*s.InternalTrafficPolicy == local && s.Ports[0].NodePort != 0 // it keeps those that it has
		}},
		{"none of it", func(s *v1alpha1.Service) { *s = v1alpha1.Service{} }, func(s *corev1.ServiceSpec) bool {
			return s.SessionAffinity == corev1.ServiceAffinityNone && s.SessionAffinityConfig == nil && s.AllocateLoadBalancerNodePorts != nil && *s.AllocateLoadBalancerNodePorts &&
				*s.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyCluster && s.HealthCheckNodePort == port
		}},
		{"another type", func(s *v1alpha1.Service) { *s = v1alpha1.Service{Type: v1alpha1.ServiceClusterIP} }, func(s *corev1.ServiceSpec) bool {
			return s.HealthCheckNodePort == 0 && s.AllocateLoadBalancerNodePorts == nil
		}},
		{"without node ports from the beginning", func(s *v1alpha1.Service) {
			*s = v1alpha1.Service{AllocateLoadBalancerNodePorts: &off, HealthCheckNodePort: 30021}
		}, func(s *corev1.ServiceSpec) bool { return s.Ports[0].NodePort == 0 && s.HealthCheckNodePort == 30021 }},
		{"the port left to the cluster", func(s *v1alpha1.Service) {
			*s = v1alpha1.Service{AllocateLoadBalancerNodePorts: &off}
		}, func(s *corev1.ServiceSpec) bool { return s.Ports[0].NodePort == 0 && s.HealthCheckNodePort == 30021 }},
	} {
		change(w, fc, func(fc *v1alpha1.FlowCollector) { step.change(&fc.Spec.Service) })
		natstest.Eventually(t, step.about, func() bool {
			s := w.service(fc)
			return step.want(&s.Spec)
		})
		operator.settle(fc)
		before := operator.writes.count()
		operator.reconcile(fc)
		if wrote := operator.writes.since(before); len(wrote) > 0 {
			t.Errorf("%s: another look writes %q\n%s", step.about, wrote, conditionsOf(fc))
		}
	}
}
