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
	// one takes over that knows nothing better, as of a lease (rivals).
	renewClaim = 10 * time.Minute
	claimLasts = 30 * time.Minute
	// claimInterval is how often an operator looks whether another one has gone.
	claimInterval = 15 * time.Second
)

// claim reports whether this operator is the one to look after an object. Where another one does, two that apply each its own would
// replace each other's pods for ever: the second leaves the object alone, and says so on it.
func (r *Reconciler) claim(ctx context.Context, fc *v1alpha1.FlowCollector) (bool, error) {
	now := r.Watches.serverTime(r.Clock.Now()) // by which all operators tell how old a sign is
	held := fc.Status.Operator
	// A lease that is missing waits for the next sign: the API server may have a definition of before that has no such field.
	leased := held != nil && (held.Lease == r.Lease || held.Lease == "")
	// An own sign of the future is one of a clock that was put back since, and as old as it is ahead: it would not be renewed for hours else.
	if leased && held.Identity == r.Identity && now.Sub(held.RenewTime.Time).Abs() < renewClaim {
		return true, nil
	}
	if held != nil && held.Identity != r.Identity {
		life, err := r.rivals.of(ctx, held, now)
		switch {
		case err != nil, life == lifeWatched:
			return false, err
		case life == lifeGoesOn, life == lifeUnknown:
			return false, r.leaveAlone(ctx, fc, life, now)
		}
		ctrl.LoggerFrom(ctx).Info("takes over from an operator that is away", "other", held.Identity, "lease", held.Lease)
	}
	after := fc.DeepCopy()
	after.Status.Operator = &v1alpha1.OperatorClaim{Identity: r.Identity, Lease: r.Lease, RenewTime: metav1.NewTime(now.Truncate(time.Second))}
	meta.RemoveStatusCondition(&after.Status.Conditions, v1alpha1.ConditionOperatorConflict)
	if err := r.patchClaim(ctx, fc, after); err != nil {
		return false, err
	}
	*fc = *after
	return true, nil
}

// leaveAlone says on an object, once, that another operator looks after it.
func (r *Reconciler) leaveAlone(ctx context.Context, fc *v1alpha1.FlowCollector, life life, now time.Time) error {
	if meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionOperatorConflict) != nil {
		return nil
	}
	held, after := fc.Status.Operator, fc.DeepCopy()
	otherwise := fmt.Sprintf("within a minute after it was killed, which its lease %s shows, or, where it lives and does not look after "+
		"this namespace any more, %s after its last sign", held.Lease, claimLasts)
	if life == lifeUnknown {
		otherwise = fmt.Sprintf("%s after its last sign, because it shows no lease that this one may read", claimLasts)
	}
	message := fmt.Sprintf("the operator %s leaves this object alone, because the operator %s looks after it, and did so at %s: let each "+
		"have namespaces of its own (--watch-namespaces), or remove one; when the one is stopped, the other takes over, or %s",
		r.Identity, held.Identity, held.RenewTime.UTC().Format(time.RFC3339), otherwise)
	meta.SetStatusCondition(&after.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionOperatorConflict,
		Status: metav1.ConditionTrue, Reason: judge.ReasonOtherOperator, Message: message, LastTransitionTime: metav1.NewTime(now)})
	// The cache may lag behind a condition that is there already: the API server refuses it the second time, and no event is sent.
	if err := r.patchClaim(ctx, fc, after); err != nil {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("another operator looks after the object", "other", held.Identity)
	r.event(fc, corev1.EventTypeWarning, judge.ReasonOtherOperator, v1alpha1.ConditionOperatorConflict, message)
	return nil
}

func (r *Reconciler) patchClaim(ctx context.Context, fc, after *v1alpha1.FlowCollector) error {
	patch := client.MergeFromWithOptions(fc, client.MergeFromWithOptimisticLock{})
	err := r.behind.refused(fc, r.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner)))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("claiming FlowCollector %s: %w", client.ObjectKeyFromObject(fc), err)
	}
	return err
}
