package controllers

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/exporters"
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
			return askable(fc, pods), err
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
