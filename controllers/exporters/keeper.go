package exporters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

const (
	// interval between two looks at a fleet, and how much longer it is for each collector: a thousand are asked in half a minute.
	interval     = 10 * time.Second
	eachInterval = 20 * time.Millisecond
	// findInterval is how often it is seen which fleets there are.
	findInterval = 5 * time.Second
	// orphansEvery is in each how many of these it is seen which FlowExporters have no fleet: that goes through all of them.
	orphansEvery = 6
)

// Keeper keeps the FlowExporters of all fleets. Each fleet is looked at by a goroutine of its own, so that collectors that do not
// answer hold up their own fleet only.
type Keeper struct {
	// Client reads what is watched, and writes.
	Client client.Client
	// Reader asks the API server.
	Reader client.Reader
	// Exporters of a fleet.
	Exporters *Lister
	Events    events.EventRecorder
	Clock     clock.PassiveClock
	// Server is what the API server's clock shows at a time of Clock: that itself where it is nil.
	Server func(time.Time) time.Time
	// Collectors of a fleet that run and have an address.
	Collectors func(context.Context, *v1alpha1.FlowCollector) ([]observation.Pod, error)
	// Configuration of a fleet's collectors, as its ConfigMap has it, and the version of that; empty where there is none.
	Configuration func(context.Context, *v1alpha1.FlowCollector) (file, version string, err error)
	// Files are the ConfigMaps of spec.interfacesFrom; nil reads none.
	Files *Files
	// Changed is told of a fleet for which a ConfigMap of spec.interfacesFrom may say something else than before; it may be nil.
	Changed func(types.NamespacedName)
	// Failed is told of a fleet whose FlowExporters cannot be kept, and why, where that is new; it may be nil.
	Failed func(context.Context, types.NamespacedName, error)
	// Mine reports whether this operator looks after an object.
	Mine func(*v1alpha1.FlowCollector) bool
	// Interval between two looks at a fleet of one collector; 10 s where it is 0.
	Interval time.Duration

	http    *http.Client
	looks   chan struct{} // has room for as many looks as may be at a time
	budget  *budget
	metrics *metrics
}

// New returns k, ready to Start. Figures of its own go to the registerer.
func New(k Keeper, registerer registerer) (*Keeper, error) {
	k.Interval = cmp.Or(k.Interval, interval)
	if k.Server == nil {
		k.Server = func(own time.Time) time.Time { return own }
	}
	k.http, k.looks, k.budget = observation.NewClient(), make(chan struct{}, looksAtOnce), newBudget()
	var err error
	if k.metrics, err = newMetrics(registerer); err != nil {
		return nil, fmt.Errorf("registering the metrics of FlowExporters: %w", err)
	}
	return &k, nil
}

// Start implements manager.Runnable: it looks at all fleets until ctx ends.
func (k *Keeper) Start(ctx context.Context) error {
	var loops sync.WaitGroup
	defer loops.Wait()
	log := ctrl.LoggerFrom(ctx).WithName("exporters")
	following := make(map[types.NamespacedName]context.CancelFunc)
	said := ""
	for round := 0; ; round++ {
		list := &v1alpha1.FlowCollectorList{}
		if err := k.Client.List(ctx, list); err == nil { // otherwise the cache is not there yet
			there := make(map[types.NamespacedName]bool, len(list.Items))
			for i := range list.Items {
				name := client.ObjectKeyFromObject(&list.Items[i])
				there[name] = true
				if following[name] == nil {
					fleet, cancel := context.WithCancel(ctx)
					following[name] = cancel
					loops.Go(func() { k.follow(fleet, name) })
				}
			}
			for name, cancel := range following {
				if !there[name] {
					cancel()
					delete(following, name)
				}
			}
			if round%orphansEvery == 0 {
				said = tell(ctx, log, said, k.orphans(ctx, there))
			}
		}
		if !sleep(ctx, min(findInterval, k.Interval)) {
			return nil
		}
	}
}

// follow looks at one fleet until ctx ends.
func (k *Keeper) follow(ctx context.Context, name types.NamespacedName) {
	m := newMemory()
	defer k.metrics.forget(name)
	defer func() { k.budget.leave(name, k.Clock.Now()) }()
	log := ctrl.LoggerFrom(ctx).WithName("exporters").WithValues("fleet", name.String())
	said := ""
	for {
		err, before := k.pass(ctx, name, m), said
		if said = tell(ctx, log, said, err); said != "" && said != before && k.Failed != nil {
			k.Failed(ctx, name, err)
		}
		wait := k.Interval + time.Duration(m.look.Collectors)*eachInterval
		if !sleep(ctx, wait+rand.N(wait/8)) {
			return
		}
	}
}

// tell logs an error where it is not the one of the pass before, and returns its text.
func tell(ctx context.Context, log logr.Logger, said string, err error) string {
	if err == nil || ctx.Err() != nil {
		return ""
	}
	if text := err.Error(); text != said {
		log.Info("FlowExporters cannot be kept", "error", text)
	}
	return err.Error()
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func newMemory() *memory { return &memory{senders: make(map[netip.Addr]*sender)} }

// pass looks at one fleet once.
func (k *Keeper) pass(ctx context.Context, name types.NamespacedName, m *memory) error {
	fc := &v1alpha1.FlowCollector{}
	if err := k.Client.Get(ctx, name, fc); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !k.Mine(fc) {
		*m = *newMemory()
		k.metrics.forget(name)
		return nil
	}
	objects, err := k.Exporters.List(ctx, client.ObjectKeyFromObject(fc))
	if err != nil {
		return err
	}
	if why := idleOf(fc); why != (idle{}) {
		*m = *newMemory()
		return k.rest(ctx, fc, objects, why)
	}
	pods, err := k.Collectors(ctx, fc)
	if err != nil {
		return err
	}
	m.declared = declaredAddresses(objects)
	if !k.gather(ctx, pods, m) {
		return nil
	}
	most := 0
	if fc.Spec.Exporters.Objects != v1alpha1.ObjectsDeclared {
		most = int(fc.Spec.Exporters.MaxObjects)
	}
	if err := k.lookAtSettings(ctx, fc, m, objects); err != nil {
		return err
	}
	c := choose(objects, m.senders, most, m.look, k.Clock.Now())
	k.metrics.show(name, objects, c)
	if fc.Spec.Suspend {
		return k.writeAll(ctx, name, m, objects)
	}
	return errors.Join(k.apply(ctx, fc, c), k.writeAll(ctx, name, m, objects))
}

// idle says why nobody looks at exporters; its zero value, that somebody does.
type idle struct{ reason, message string }

// idleOf says why nobody looks at a fleet's exporters.
func idleOf(fc *v1alpha1.FlowCollector) (why idle) {
	switch {
	case !fc.DeletionTimestamp.IsZero():
		return idle{ReasonNotLookedAfter, fmt.Sprintf("the FlowCollector %s is being deleted", fc.Name)}
	case fc.Spec.Exporters.Objects == v1alpha1.ObjectsOff:
		return idle{ReasonNotLookedAfter, fmt.Sprintf("exporters.objects of the FlowCollector %s is Off", fc.Name)}
	}
	return why
}
