package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// applyMonitoring makes the objects of kinds that need not be there, and says in MonitoringReady which could not be made. It
// returns what went wrong, as *nameTakenError where somebody else has the name.
func (p *pass) applyMonitoring(ctx context.Context) []error {
	m := &p.fc.Spec.Monitoring
	var missing []string
	var errs []error
	for _, o := range []struct {
		kind   schema.GroupVersionKind
		wanted *unstructured.Unstructured
	}{{fleet.PodMonitorKind, p.fleet.PodMonitor()}, {fleet.PrometheusRuleKind, p.fleet.PrometheusRule()}} {
		there, err := p.exists(o.kind)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !there && o.wanted != nil:
			missing = append(missing, o.kind.Kind)
		case there:
			err := p.applyUntyped(ctx, o.kind, o.wanted)
			switch {
			case errors.Is(err, errKindGone):
				missing = append(missing, o.kind.Kind)
			case err != nil:
				errs = append(errs, fmt.Errorf("%s %s: %w", o.kind.Kind, fleet.ObjectName(p.fc), err))
			}
		}
	}
	switch {
	case len(missing) > 0:
		p.set(v1alpha1.ConditionMonitoringReady, metav1.ConditionFalse, reasonKindMissing,
			"the cluster does not have the kinds %s of monitoring.coreos.com/v1: install the Prometheus operator, or disable them in "+
				"spec.monitoring", strings.Join(missing, ", "))
		p.lookAgainIn(viewInterval)
	case m.PodMonitor.Enabled || m.PrometheusRule.Enabled || m.Dashboards.Enabled:
		p.set(v1alpha1.ConditionMonitoringReady, metav1.ConditionTrue, reasonMonitored, "what spec.monitoring asks for was made")
	default:
		meta.RemoveStatusCondition(&p.fc.Status.Conditions, v1alpha1.ConditionMonitoringReady)
	}
	return errs
}

// errKindGone is for a kind that was removed from the cluster after it was found there.
var errKindGone = errors.New("the cluster does not have the kind any more")

// exists reports whether the cluster has a kind, or had it: that it is removed, the client does not notice.
func (p *pass) exists(kind schema.GroupVersionKind) (bool, error) {
	_, err := p.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the kind %s: %w", kind.Kind, err)
	}
	return true, nil
}

func (p *pass) applyUntyped(ctx context.Context, kind schema.GroupVersionKind, wanted *unstructured.Unstructured) error {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kind)
	err := p.Reader.Get(ctx, client.ObjectKey{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}, live)
	found := err == nil
	if client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("reading: %w", err)
	}
	switch {
	case found && !belongs(live, p.fc):
		if wanted == nil {
			return nil
		}
		return &nameTakenError{kind.Kind, live.GetName()}
	case wanted == nil && found:
		return client.IgnoreNotFound(p.Client.Delete(ctx, live))
	case wanted == nil:
		return nil
	}
	if err := stamp(wanted); err != nil {
		return err
	}
	if found && controlled(live, p.fc) && settled(live.Object, wanted.Object) {
		return nil
	}
	if found {
		if err := p.adopt(ctx, kind.Kind, live); err != nil {
			return err
		}
	}
	if err := p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		if apierrors.IsNotFound(err) { // what is applied need not exist, but its kind must
			return errKindGone
		}
		return fmt.Errorf("applying: %w", err)
	}
	p.applied = append(p.applied, kind.Kind)
	return nil
}
