package controllers

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
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
