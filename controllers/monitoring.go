package controllers

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// monitoringOutcome is what a look at the kinds of monitoring came to.
type monitoringOutcome struct {
	missing []string
	// waiting is what differs and was not written, because the FlowCollector is suspended, and going what somebody deletes.
	waiting, going []string
	errs           []error
}

// applyMonitoring makes the objects of kinds that need not be there. They are not watched: they are looked at when that is due. It
// returns what only trying again heals.
func (r *Reconciler) applyMonitoring(ctx context.Context, f *judge.Facts, d *fleet.Fleet, m *memory) []error {
	spec := &f.Collector.Spec.Monitoring
	f.Applied.Monitoring = spec.PodMonitor.Enabled || spec.PrometheusRule.Enabled || spec.Dashboards.Enabled
	if m.due {
		m.monitoring = r.lookAtMonitoring(ctx, f, d)
	}
	f.Applied.MissingKinds = m.monitoring.missing
	f.Applied.Waiting = append(f.Applied.Waiting, m.monitoring.waiting...)
	f.Applied.Going = append(f.Applied.Going, m.monitoring.going...)
	var errs []error
	for _, err := range m.monitoring.errs {
		errs = append(errs, note(&f.Applied, err))
	}
	return errs
}

func (r *Reconciler) lookAtMonitoring(ctx context.Context, f *judge.Facts, d *fleet.Fleet) (out monitoringOutcome) {
	for _, o := range []struct {
		kind   schema.GroupVersionKind
		wanted *unstructured.Unstructured
	}{{fleet.PodMonitorKind, d.PodMonitor()}, {fleet.PrometheusRuleKind, d.PrometheusRule()}} {
		there, err := r.exists(o.kind)
		switch {
		case err != nil:
			out.errs = append(out.errs, err)
		case !there && o.wanted != nil:
			out.missing = append(out.missing, o.kind.Kind)
		case there:
			err := r.applyUntyped(ctx, f, o.kind, o.wanted)
			var goes *goingError
			switch {
			case errors.Is(err, errKindGone):
				out.missing = append(out.missing, o.kind.Kind)
			case errors.Is(err, errSuspended):
				out.waiting = append(out.waiting, o.kind.Kind+" "+fleet.ObjectName(f.Collector))
			case errors.As(err, &goes):
				out.going = append(out.going, goes.Error())
			case err != nil:
				out.errs = append(out.errs, fmt.Errorf("%s %s: %w", o.kind.Kind, fleet.ObjectName(f.Collector), err))
			}
		}
	}
	return out
}

// errSuspended is for an object that is not as the spec says, and stays so while the FlowCollector is suspended.
var errSuspended = errors.New("spec.suspend is set")

// errKindGone is for a kind that was removed from the cluster after it was found there.
var errKindGone = errors.New("the cluster does not have the kind any more")

// exists reports whether the cluster has a kind, or had it: that it is removed, the client does not notice.
func (r *Reconciler) exists(kind schema.GroupVersionKind) (bool, error) {
	_, err := r.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the kind %s: %w", kind.Kind, err)
	}
	return true, nil
}

func (r *Reconciler) applyUntyped(ctx context.Context, f *judge.Facts, kind schema.GroupVersionKind, wanted *unstructured.Unstructured) error {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kind)
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: f.Collector.Namespace, Name: fleet.ObjectName(f.Collector)}, live)
	found := err == nil
	// Whoever never asked for it need not hear of a right that is missing. Where it was asked for, one may be left.
	asked := wanted != nil || meta.FindStatusCondition(f.Collector.Status.Conditions, v1alpha1.ConditionMonitoringReady) != nil
	if client.IgnoreNotFound(err) != nil && (asked || !apierrors.IsForbidden(err)) {
		return fmt.Errorf("reading: %w", err)
	}
	switch {
	case found && !belongs(live, f.Collector):
		if wanted == nil {
			return nil
		}
		return &nameTakenError{kind.Kind, live.GetName(), "FlowCollector"}
	case wanted == nil && found && !live.GetDeletionTimestamp().IsZero():
		return nil
	case wanted == nil && found && f.Collector.Spec.Suspend:
		return errSuspended
	case wanted == nil && found:
		return deleteSame(ctx, r.Client, live)
	case wanted == nil:
		return nil
	}
	if err := stamp(wanted); err != nil {
		return err
	}
	ends := found && !live.GetDeletionTimestamp().IsZero()
	same := found && controlled(live, f.Collector) && settled(live.Object, wanted.Object)
	switch {
	case f.Collector.Spec.Suspend && (ends || !same):
		return errSuspended
	case ends:
		return going(kind.Kind, live)
	case same:
		return nil
	}
	if found {
		if err := r.adopt(ctx, f.Collector, kind.Kind, live); err != nil {
			return err
		}
	}
	if err := r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		if apierrors.IsNotFound(err) { // what is applied need not exist, but its kind must
			return errKindGone
		}
		return fmt.Errorf("applying: %w", err)
	}
	f.Applied.Changed = append(f.Applied.Changed, kind.Kind)
	return nil
}
