package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// staleCache is how long a cache may need to show what was written last.
const staleCache = 200 * time.Millisecond

// writeStatus writes the status where it differs, and tells of transitions in events and metrics.
func (p *pass) writeStatus(ctx context.Context) error {
	p.fc.Status.ObservedGeneration = p.fc.Generation
	p.keepTransitionTimes()
	p.conditions.show(p.before, p.fc)
	if equality.Semantic.DeepEqual(p.before.Status, p.fc.Status) {
		return nil
	}
	after := p.before.DeepCopy()
	after.Status = p.fc.Status
	// The resource version guards against a stale cache: conditions of the past would overwrite present ones.
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner)); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil // it was deleted meanwhile
		}
		if apierrors.IsConflict(err) {
			p.lookAgainIn(staleCache)
			return nil
		}
		return fmt.Errorf("writing the status of FlowCollector %s: %w", client.ObjectKeyFromObject(p.fc), err)
	}
	p.tell()
	return nil
}

// keepTransitionTimes undoes what a condition that was set twice in this pass, and came to what it was, has noted.
func (p *pass) keepTransitionTimes() {
	for i := range p.fc.Status.Conditions {
		c := &p.fc.Status.Conditions[i]
		if old := meta.FindStatusCondition(p.before.Status.Conditions, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
}

// tell makes an event of each condition that changed its status.
func (p *pass) tell() {
	for _, c := range p.fc.Status.Conditions {
		was := metav1.ConditionUnknown
		if old := meta.FindStatusCondition(p.before.Status.Conditions, c.Type); old != nil {
			was = old.Status
		}
		if was == c.Status || c.Status == metav1.ConditionUnknown || c.Type == v1alpha1.ConditionDegraded {
			continue
		}
		kind := corev1.EventTypeNormal
		if c.Status == metav1.ConditionFalse && !transient[c.Reason] && c.Type != v1alpha1.ConditionProgressing {
			kind = corev1.EventTypeWarning
		}
		p.event(kind, c.Reason, c.Type, c.Type+": "+c.Message)
	}
}

// event tells of something that happened to the FlowCollector; action is the condition, or what was done.
func (p *pass) event(kind, reason, action, message string) {
	const longest = 1024 // the API's bound
	p.Events.Eventf(p.fc, nil, kind, reason, action, "%s", cut(message, longest))
}
