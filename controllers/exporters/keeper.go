package exporters

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
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
	// writesPerSecond and writesAtOnce bound what is written of all FlowExporters; what finds no room waits for the next look.
	writesPerSecond = 5
	writesAtOnce    = 50
)

// Keeper keeps the FlowExporters of all fleets. Each fleet is looked at by a goroutine of its own, so that collectors that do not
// answer hold up their own fleet only.
type Keeper struct {
	// Client reads what is watched, and writes.
	Client client.Client
	Events events.EventRecorder
	Clock  clock.PassiveClock
	// Collectors of a fleet that run and have an address.
	Collectors func(context.Context, *v1alpha1.FlowCollector) ([]observation.Pod, error)
	// Mine reports whether this operator looks after an object.
	Mine func(*v1alpha1.FlowCollector) bool
	// Interval between two looks at a fleet of one collector; 10 s where it is 0.
	Interval time.Duration

	http    *http.Client
	slots   chan struct{}
	limiter *rate.Limiter
	metrics *metrics
}

// New returns k, ready to Start. Figures of its own go to the registerer.
func New(k Keeper, registerer registerer) (*Keeper, error) {
	k.Interval = cmp.Or(k.Interval, interval)
	k.http, k.slots = observation.NewClient(), make(chan struct{}, askedAtOnce)
	k.limiter = rate.NewLimiter(writesPerSecond, writesAtOnce)
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
	following := make(map[types.NamespacedName]context.CancelFunc)
	for {
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
	said := ""
	for {
		err := k.pass(ctx, name, m)
		text := ""
		if err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != said && text != "" {
			ctrl.LoggerFrom(ctx).WithName("exporters").Info("FlowExporters cannot be kept", "fleet", name.String(), "error", text)
		}
		said = text
		wait := k.Interval + time.Duration(m.look.Collectors)*eachInterval
		if !sleep(ctx, wait+rand.N(wait/8)) {
			return
		}
	}
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
		return nil
	}
	objects, err := k.objects(ctx, fc)
	if err != nil {
		return err
	}
	if idle := idle(fc); idle != "" {
		*m = *newMemory()
		return k.rest(ctx, fc, objects, idle)
	}
	pods, err := k.Collectors(ctx, fc)
	if err != nil {
		return err
	}
	k.gather(ctx, pods, m)
	most := 0
	if fc.Spec.Exporters.Objects != v1alpha1.ObjectsDeclared {
		most = int(fc.Spec.Exporters.MaxObjects)
	}
	c := choose(objects, m.senders, most, k.Clock.Now())
	if !fc.Spec.Suspend {
		if err := k.apply(ctx, fc, c); err != nil {
			return err
		}
	}
	k.metrics.show(name, objects, c)
	return k.writeAll(ctx, m, objects)
}

// objects of a fleet.
func (k *Keeper) objects(ctx context.Context, fc *v1alpha1.FlowCollector) ([]v1alpha1.FlowExporter, error) {
	list := &v1alpha1.FlowExporterList{}
	if err := k.Client.List(ctx, list, client.InNamespace(fc.Namespace)); err != nil {
		return nil, fmt.Errorf("listing FlowExporters: %w", err)
	}
	var out []v1alpha1.FlowExporter
	for i := range list.Items {
		o := &list.Items[i]
		if o.Spec.Collector == fc.Name && o.DeletionTimestamp.IsZero() && len(o.Spec.Addresses) > 0 {
			out = append(out, *o)
		}
	}
	return out, nil
}

// idle says why nobody looks at a fleet's exporters.
func idle(fc *v1alpha1.FlowCollector) string {
	switch {
	case !fc.DeletionTimestamp.IsZero():
		return fmt.Sprintf("the FlowCollector %s is being deleted", fc.Name)
	case fc.Spec.Exporters.Objects == v1alpha1.ObjectsOff:
		return fmt.Sprintf("exporters.objects of the FlowCollector %s is Off", fc.Name)
	}
	return ""
}
