package controllers

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// What is outside Kubernetes sends no events: it is looked at from time to time, not at each reconciliation.
const (
	// viewInterval is between two looks that went well. It bounds how often counts in the status change.
	viewInterval = 30 * time.Second
	// shortestRetry and longestRetry bound the time after a look that failed, which doubles.
	shortestRetry = 2 * time.Second
	longestRetry  = time.Minute
	// lookTimeout bounds one look at NATS.
	lookTimeout = 10 * time.Second
)

// view is what was seen of one fleet outside Kubernetes at the last look.
type view struct {
	uid        types.UID
	at         time.Time
	generation int64
	secrets    string
	// failures are looks in a row that went wrong.
	failures int
	// failedPasses are passes in a row that returned an error.
	failedPasses int

	// servers are those of the last pass that could read all Secrets: for deleting in NATS when the Secrets have gone first.
	servers *natsServers

	bucket    jetstream.Bucket
	bucketErr error
	stream    jetstream.Stream
	streamErr error

	collectors   []observation.Collector
	nodes        []netip.Addr
	distribution observation.Distribution
}

// wait is the time from one look to the next.
func (v *view) wait() time.Duration {
	if v.failures == 0 {
		return viewInterval
	}
	return min(shortestRetry<<min(v.failures-1, 10), longestRetry)
}

// views of all fleets.
type views struct {
	mu  sync.Mutex
	all map[types.NamespacedName]*view
}

func newViews() *views { return &views{all: make(map[types.NamespacedName]*view)} }

// of returns the view of one object. Only one reconciliation of an object runs at a time, so it needs no lock of its own.
func (v *views) of(name types.NamespacedName, uid types.UID) *view {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all[name] == nil || v.all[name].uid != uid {
		v.all[name] = &view{uid: uid}
	}
	return v.all[name]
}

func (v *views) forget(name types.NamespacedName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, name)
}

// lookAgainIn makes the next pass come no later.
func (p *pass) lookAgainIn(wait time.Duration) {
	if wait < time.Millisecond {
		wait = time.Millisecond
	}
	if p.again == 0 || wait < p.again {
		p.again = wait
	}
}

// look looks at NATS and at the collectors where that is due: the time has come, or spec or Secrets have changed.
func (p *pass) look(ctx context.Context) error {
	v := p.view
	due := v.at.Add(v.wait())
	if v.generation == p.fc.Generation && v.secrets == p.secrets.versions && p.Clock.Now().Before(due) {
		p.lookAgainIn(due.Sub(p.Clock.Now()))
		return nil
	}
	pods, err := p.pods(ctx)
	if err != nil {
		return err
	}
	p.lookAtNATS(ctx)
	p.lookAtCollectors(ctx, pods)
	v.at, v.generation, v.secrets = p.Clock.Now(), p.fc.Generation, p.secrets.versions
	if v.bucketErr != nil || v.streamErr != nil {
		v.failures++
	} else {
		v.failures = 0
	}
	p.lookAgainIn(v.wait())
	return nil
}
