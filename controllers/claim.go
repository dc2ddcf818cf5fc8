package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// renewClaim is how often an operator says that it still looks after an object, and claimLasts after how long without that another
	// one takes over.
	renewClaim = 10 * time.Minute
	claimLasts = 30 * time.Minute
	// claimInterval is how often an operator looks whether another one has gone.
	claimInterval = time.Minute
)

// claim reports whether this operator is the one to look after an object. Where another one does, two that apply each its own would
// replace each other's pods for ever: the second leaves the object alone, and says so on it.
func (r *Reconciler) claim(ctx context.Context, fc *v1alpha1.FlowCollector) (bool, error) {
	now := r.Clock.Now()
	held := fc.Status.Operator
	after := fc.DeepCopy()
	switch {
	case held != nil && held.Identity == r.Identity && now.Sub(held.RenewTime.Time) < renewClaim:
		return true, nil
	case held == nil, held.Identity == r.Identity, now.Sub(held.RenewTime.Time) >= claimLasts:
		after.Status.Operator = &v1alpha1.OperatorClaim{Identity: r.Identity, RenewTime: metav1.NewTime(now.Truncate(time.Second))}
		meta.RemoveStatusCondition(&after.Status.Conditions, v1alpha1.ConditionOperatorConflict)
	default:
		message := fmt.Sprintf("the operator %s leaves this object alone, because the operator %s looks after it, and did so at %s: let each "+
			"have namespaces of its own (--watch-namespaces), or remove one; when the one is stopped, the other takes over, or %s after its last sign",
			r.Identity, held.Identity, held.RenewTime.UTC().Format(time.RFC3339), claimLasts)
		if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionOperatorConflict); c != nil {
			return false, nil
		}
		meta.SetStatusCondition(&after.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionOperatorConflict,
			Status: metav1.ConditionTrue, Reason: judge.ReasonOtherOperator, Message: message})
		ctrl.LoggerFrom(ctx).Info("another operator looks after the object", "other", held.Identity)
		r.event(fc, corev1.EventTypeWarning, judge.ReasonOtherOperator, v1alpha1.ConditionOperatorConflict, message)
		return false, r.patchClaim(ctx, fc, after)
	}
	if err := r.patchClaim(ctx, fc, after); err != nil {
		return false, err
	}
	*fc = *after
	return true, nil
}

func (r *Reconciler) patchClaim(ctx context.Context, fc, after *v1alpha1.FlowCollector) error {
	patch := client.MergeFromWithOptions(fc, client.MergeFromWithOptimisticLock{})
	err := r.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("claiming FlowCollector %s: %w", client.ObjectKeyFromObject(fc), err)
	}
	return err
}
