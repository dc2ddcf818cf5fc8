package controllers

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/exporters"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// keepExporters adds what keeps FlowExporters, beside the reconciler: it asks collectors for more, and more often.
func (r *Reconciler) keepExporters(manager ctrl.Manager) error {
	if r.registry == nil {
		r.registry = prometheus.NewRegistry()
	}
	keeper, err := exporters.New(exporters.Keeper{
		Client: r.Client, Events: r.Events, Clock: r.Clock,
		Collectors: func(ctx context.Context, fc *v1alpha1.FlowCollector) ([]observation.Pod, error) {
			pods, err := r.pods(ctx, fc)
			return askable(fc, slices.DeleteFunc(pods, func(p corev1.Pod) bool { return !ofDaemonSet(fc, &p) })), err
		},
		Mine: func(fc *v1alpha1.FlowCollector) bool {
			return fc.Status.Operator != nil && fc.Status.Operator.Identity == r.Identity
		},
		Interval: r.exportersInterval,
	}, r.registry)
	if err != nil {
		return err
	}
	if err := manager.Add(keeper); err != nil {
		return fmt.Errorf("adding what keeps FlowExporters: %w", err)
	}
	return nil
}

// ofDaemonSet reports whether the fleet's DaemonSet made a pod: labels are on any pod that wants them.
func ofDaemonSet(fc *v1alpha1.FlowCollector, pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "DaemonSet" && owner.APIVersion == "apps/v1" && owner.Name == fleet.ObjectName(fc)
}
