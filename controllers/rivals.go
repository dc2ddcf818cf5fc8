package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

const (
	// leaseDuration is how long a lease lasts without a sign, where it says nothing longer: client-go's usual one.
	leaseDuration = 15 * time.Second
	// longestLease bounds what a lease says of itself.
	longestLease = claimLasts / 2
	// leaseFresh is for how long what was read of a lease serves all objects.
	leaseFresh = leaseDuration / 2
	// maxRivals bounds the leases that are known at a time. There is one a rival: more are no rivals.
	maxRivals = 256
)

// A life is what is known of another operator.
type life int

const (
	lifeUnknown life = iota // it shows no lease, or one that may not be read
	lifeWatched             // not yet: its lease was not watched for long enough
	lifeGoesOn
	lifeEnded
)

// rivals judges by their leases whether other operators live. The one that works renews its lease every few seconds. Where nobody did for
// twice as long as the lease lasts, the operator, its other replicas and one that was started anew had their turn and are away; client-go
// has ended the work of one that is cut off by then. As client-go does, it compares what it read and measures by its own clock:
// the clock of the other machine counts for nothing.
type rivals struct {
	reader client.Reader
	clock  clock.PassiveClock

	mu   sync.Mutex
	seen map[string]*rival // by lease
}

// rival is one lease, as it was read last.
type rival struct {
	spec          coordinationv1.LeaseSpec // empty where there is no such lease
	since, looked time.Time                // when it was first, and last, seen as it is
	forbidden     bool
	renewed       bool // in the time that it was watched
}

// of returns what becomes of the operator that made a claim, at a time of the clock of claims. One that gave no sign for so long is away. A sign of the future says no more
// than that clocks differ, or that one was put back: would it count as old, two operators would take over from each other in turn.
func (r *rivals) of(ctx context.Context, held *v1alpha1.OperatorClaim, now time.Time) (life, error) {
	if now.Sub(held.RenewTime.Time) >= claimLasts {
		return lifeEnded, nil
	}
	return r.look(ctx, held.Lease)
}

// look returns what becomes of the operator that shows its life by a lease, named namespace/name.
func (r *rivals) look(ctx context.Context, lease string) (life, error) {
	namespace, name, ok := strings.Cut(lease, "/")
	if !ok {
		return lifeUnknown, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	known := r.seen[lease]
	if known == nil || now.Sub(known.looked) >= leaseFresh {
		read := &coordinationv1.Lease{}
		err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, read)
		forbidden := apierrors.IsForbidden(err)
		if err != nil && !forbidden && !apierrors.IsNotFound(err) {
			return lifeUnknown, fmt.Errorf("reading the lease %s of another operator: %w", lease, err)
		}
		next := &rival{spec: read.Spec, since: now, looked: now, forbidden: forbidden, renewed: known != nil}
		if known != nil && equality.Semantic.DeepEqual(known.spec, next.spec) {
			next.since, next.renewed = known.since, known.renewed
		}
		if r.seen == nil || len(r.seen) >= maxRivals && known == nil {
			r.seen = make(map[string]*rival)
		}
		r.seen[lease], known = next, next
	}
	switch {
	case known.forbidden:
		return lifeUnknown, nil
	case known.looked.Sub(known.since) >= known.patience():
		return lifeEnded, nil
	case known.renewed:
		return lifeGoesOn, nil
	}
	return lifeWatched, nil
}

// patience is how long a lease may stay as it is before its operator is held to be away.
func (r *rival) patience() time.Duration {
	lasts := leaseDuration
	if seconds := r.spec.LeaseDurationSeconds; seconds != nil {
		lasts = min(max(lasts, time.Duration(*seconds)*time.Second), longestLease)
	}
	return 2 * lasts
}
