package controllers

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// gather reads what is watched of a fleet: DaemonSet, Service, pods and nodes. What somebody else made under their names is not the fleet's, and
// says nothing of it.
func (r *Reconciler) gather(ctx context.Context, f *judge.Facts) error {
	name := client.ObjectKey{Namespace: f.Collector.Namespace, Name: fleet.ObjectName(f.Collector)}
	f.DaemonSet, f.Service = &appsv1.DaemonSet{}, &corev1.Service{}
	if err := r.Client.Get(ctx, name, f.DaemonSet); err != nil {
		f.DaemonSet = nil
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading DaemonSet %s: %w", name, err)
		}
	} else if !belongs(f.DaemonSet, f.Collector) {
		f.DaemonSet = nil
	}
	if err := r.Client.Get(ctx, name, f.Service); err != nil {
		f.Service = nil
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Service %s: %w", name, err)
		}
	} else if !belongs(f.Service, f.Collector) {
		f.Service = nil
	}
	pods, err := r.pods(ctx, f.Collector)
	if err != nil {
		return err
	}
	f.Pods = pods
	return r.gatherNodes(ctx, f)
}

// pods of a fleet, by name. Labels are on any pod that wants them: one that somebody else's controller made is no collector, whatever it says. One without a
// controller is an orphan of the DaemonSet, which takes it over.
func (r *Reconciler) pods(ctx context.Context, fc *v1alpha1.FlowCollector) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	if err := r.Client.List(ctx, list, client.InNamespace(fc.Namespace), client.MatchingLabels(fleet.Selector(fc))); err != nil {
		return nil, fmt.Errorf("listing the collectors of FlowCollector %s: %w", client.ObjectKeyFromObject(fc), err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return metav1.GetControllerOf(&p) != nil && !ofDaemonSet(fc, &p) })
	sortPods(pods)
	return pods, nil
}

// sortPods by name: a cache lists them in another order each time, which would be news of them, and another message.
func sortPods(pods []corev1.Pod) {
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
}

func (r *Reconciler) gatherNodes(ctx context.Context, f *judge.Facts) error {
	list := &corev1.NodeList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	f.Nodes = make(map[string]judge.Node, len(list.Items))
	for i := range list.Items {
		n := &list.Items[i]
		node := judge.Node{Cordoned: n.Spec.Unschedulable, Created: n.CreationTimestamp.Time, Taints: n.Spec.Taints}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				node.Ready = c.Status == corev1.ConditionTrue
			}
		}
		for _, a := range n.Status.Addresses {
			if parsed, err := netip.ParseAddr(a.Address); err == nil {
				node.Addresses = append(node.Addresses, parsed)
			}
		}
		for _, c := range n.Spec.PodCIDRs {
			if parsed, err := netip.ParsePrefix(c); err == nil {
				node.Pods = append(node.Pods, parsed)
			}
		}
		f.Nodes[n.Name] = node
	}
	return nil
}

// watchCollectors hands over which pods are to be asked how they are.
func (r *Reconciler) watchCollectors(f *judge.Facts) {
	r.observer.Watch(observation.Key(key(f.Collector)), askable(f.Collector, f.Pods))
}

// askable are the pods that the fleet's DaemonSet made, that run and have an address. What others answer is not to be kept: there is no bound on
// how many they are.
func askable(fc *v1alpha1.FlowCollector, pods []corev1.Pod) (ask []observation.Pod) {
	for i := range pods {
		s := &pods[i].Status
		if ofDaemonSet(fc, &pods[i]) && s.Phase == corev1.PodRunning && s.PodIP != "" && pods[i].DeletionTimestamp.IsZero() {
			ask = append(ask, observation.Pod{Name: pods[i].Name, Node: pods[i].Spec.NodeName, Address: s.PodIP,
				Port: fleet.MetricsPort(fc, &pods[i])})
		}
	}
	return ask
}

// readFindings takes what was found outside of Kubernetes, and tells what was done there.
func (r *Reconciler) readFindings(f *judge.Facts) {
	f.NATS = r.prober.Finding(jetstream.Key(key(f.Collector)))
	f.Collectors = r.observer.Finding(observation.Key(key(f.Collector)))
}
