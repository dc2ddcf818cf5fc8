package controllers

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// blindAfter is how long an operator that starts may be refused a watch before its objects say so, and how often that is looked at.
const blindAfter = 10 * time.Second

// sayBlind says on the objects what keeps an operator from beginning its work: a kind that it may neither list nor watch. No object is looked
// at until all kinds are known. The libraries wait for two minutes, then the operator ends and is started again; meanwhile the objects would
// go on saying what was.
func (r *Reconciler) sayBlind(ctx context.Context, known cache.Cache) {
	tick := time.NewTicker(blindAfter)
	defer tick.Stop()
	for !r.begun.Load() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if unseen := r.Watches.Refused(); len(unseen) > 0 && !synced(ctx, known) && !r.begun.Load() {
			if err := r.tellBlind(ctx, unseen); err != nil && ctx.Err() == nil {
				ctrl.LoggerFrom(ctx).Error(err, "cannot say on FlowCollectors that the operator may not watch what it looks after")
			}
		}
	}
}

// synced reports whether all that is watched is known.
func synced(ctx context.Context, known cache.Cache) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return known.WaitForCacheSync(ctx)
}

func (r *Reconciler) tellBlind(ctx context.Context, unseen map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, blindAfter) // what lists FlowCollectors waits for them
	defer cancel()
	list := &v1alpha1.FlowCollectorList{}
	if err := r.Client.List(ctx, list); err != nil {
		return err
	}
	var errs []error
	for i := range list.Items {
		fc := &list.Items[i]
		if o := fc.Status.Operator; o != nil && o.Identity != r.Identity {
			continue
		}
		verdict := judge.Judge(&judge.Facts{Now: r.Clock.Now(), Collector: fc, Unchecked: true, Blind: true, Unseen: unseen})
		_, err := r.writeStatus(ctx, fc, &memory{}, &verdict)
		r.tellUnwritten(fc, err)
		errs = append(errs, err)
	}
	return joined(errs...)
}
