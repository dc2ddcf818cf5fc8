package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// releaseTime bounds how long an operator that ends gives up what it looks after. The manager waits longer.
const releaseTime = 15 * time.Second

// releaseClaims waits for the operator's end and then gives up what it looks after: one that comes instead, under another name or in another
// namespace, need not wait until the claims are old or the lease is. Only the operator that works does so, and before another one is elected.
func (r *Reconciler) releaseClaims(ctx context.Context) {
	<-ctx.Done()
	r.passes.Lock() // those that run end first
	r.ended = true
	r.passes.Unlock()
	log := ctrl.LoggerFrom(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	list := &v1alpha1.FlowCollectorList{}
	if err := r.Client.List(ctx, list); err != nil {
		log.Error(err, "cannot give up what is looked after: an operator of another name waits before it takes over")
		return
	}
	for i := range list.Items {
		if err := r.releaseClaim(ctx, &list.Items[i]); err != nil {
			log.Error(err, "cannot give up a FlowCollector: an operator of another name waits before it takes over",
				"namespace", list.Items[i].Namespace, "name", list.Items[i].Name)
		}
	}
}

func (r *Reconciler) releaseClaim(ctx context.Context, fc *v1alpha1.FlowCollector) error {
	err := retry.OnError(retry.DefaultRetry, apierrors.IsConflict, func() error {
		if held := fc.Status.Operator; held == nil || held.Identity != r.Identity {
			return nil
		}
		after := fc.DeepCopy()
		after.Status.Operator = nil
		err := r.patchClaim(ctx, fc, after)
		if apierrors.IsConflict(err) { // what is watched was not seen yet
			return joined(err, r.Reader.Get(ctx, client.ObjectKeyFromObject(fc), fc))
		}
		return err
	})
	return client.IgnoreNotFound(err)
}
