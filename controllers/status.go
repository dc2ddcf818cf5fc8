package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// staleCache is how long a cache may need to show what was written last.
	staleCache = 200 * time.Millisecond
	// writeInterval is the least time between two writes of a status of which no condition changed its status or reason.
	writeInterval = time.Second
)

// writeStatus writes the status where it differs, and tells of transitions in events, the log and metrics. It returns when to try
// again, 0 for not at all.
func (r *Reconciler) writeStatus(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory, v *judge.Verdict) (time.Duration, error) {
	after := fc.DeepCopy()
	after.Status = v.Status
	r.conditions.show(client.ObjectKeyFromObject(fc), fc.Status.Conditions, after.Status.Conditions)
	r.consumers.show(fc, after)
	now := r.Clock.Now()
	if !equality.Semantic.DeepEqual(fc.Status, after.Status) {
		if wait := writeInterval - now.Sub(m.wrote); len(v.Transitions) == 0 && wait > 0 && !m.wrote.IsZero() &&
			fc.Status.ObservedGeneration == after.Status.ObservedGeneration {
			m.judgement = v.Memory
			return wait, nil
		}
		// The resource version guards against a stale cache: conditions of the past would overwrite present ones.
		patch := client.MergeFromWithOptions(fc, client.MergeFromWithOptimisticLock{})
		if err := r.behind.refused(fc, r.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner))); err != nil {
			switch {
			case client.IgnoreNotFound(err) == nil:
				return 0, nil // it was deleted meanwhile
			case apierrors.IsConflict(err):
				return staleCache, nil
			}
			return 0, fmt.Errorf("writing the status of FlowCollector %s: %w", client.ObjectKeyFromObject(fc), err)
		}
		m.wrote = now
	}
	m.judgement = v.Memory
	for _, t := range v.Transitions {
		ctrl.LoggerFrom(ctx).Info("condition changed", "type", t.Type, "from", string(t.From), "to", string(t.To), "reason", t.Reason, "message", judge.Cut(t.Message, 1024))
		if t.Event {
			r.event(fc, t.EventType(), t.Reason, t.Type, t.Type+": "+t.Message)
		}
	}
	return 0, nil
}

// tellUnwritten tells in an event that the operator lacks the right to write a status: what that says is then of the past, and an event is
// all that whoever describes the object sees of it.
func (r *Reconciler) tellUnwritten(fc *v1alpha1.FlowCollector, err error) {
	if lacksRight(err) {
		r.event(fc, corev1.EventTypeWarning, judge.ReasonOperatorForbidden, "WriteStatus", "the status is out of date: "+judge.LacksRights+err.Error())
	}
}

// event tells of something that happened to the FlowCollector; action is the condition, or what was done.
func (r *Reconciler) event(fc *v1alpha1.FlowCollector, kind, reason, action, message string) {
	const longest = 1024 // the API's bound
	r.Events.Eventf(fc, nil, kind, reason, action, "%s", judge.Cut(judge.Plain(message), longest))
}
