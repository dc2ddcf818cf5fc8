package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/exporters"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

// fieldOwner is the one name under which the operator applies.
const fieldOwner = "flowfleet"

// Reconciler keeps fleets as their FlowCollectors say.
type Reconciler struct {
	// Client writes, and reads what is watched.
	Client client.Client
	// Reader reads what is not: Secrets, and objects of others.
	Reader client.Reader
	Events events.EventRecorder
	// Image of collectors whose FlowCollector names none.
	Image string
	// Concurrency is how many objects are worked on at a time; 8 where it is 0.
	Concurrency int
	// Namespace and ServiceAccount of the operator, and SecretReaderRole, the ClusterRole that lets it read Secrets where it is
	// bound: conditions name them in commands to type.
	Namespace, ServiceAccount, SecretReaderRole string
	// Identity tells this operator from others, and is the same after a restart and for all its replicas. Namespace where it is empty.
	Identity string
	// Lease that this operator or another of its replicas holds while it works, as namespace/name; empty without leader election.
	Lease string
	// Allowed bounds what FlowCollectors can ask for.
	Allowed Allowed
	// Rollouts bounds how many fleets take up a change of the operator's own making at a time; its zero value does not.
	Rollouts wave.Rules
	// RolloutDelay is how long a fleet has to run well with such a change before the next one takes it up.
	RolloutDelay time.Duration
	// Watches are those of the manager's cache; nil where nobody notes them.
	Watches *Watches
	// Clock tells when to look again and when to give up; the machine's where none is set.
	Clock clock.PassiveClock

	conditions *conditionMetrics
	consumers  consumerMetrics
	memories   *memories
	behind     behind
	rivals     *rivals
	shares     shares
	waves      *waves
	prober     *jetstream.Prober
	observer   *observation.Observer
	registry   prometheus.Registerer // for what is made in setup
	// devices is nil until the kind FlowExporter is installed.
	devices atomic.Pointer[devices]
	// kindInterval is how often a kind is looked for that is not installed; the usual where it is 0.
	kindInterval time.Duration

	// looks says how often NATS is looked at, and by which clock that ages; as usual where it is empty.
	looks jetstream.ProberOptions
	// exportersInterval is how often collectors are asked for exporters; the default where it is 0.
	exportersInterval time.Duration

	// passes are held for reading while a pass runs; none runs once the operator has ended.
	passes sync.RWMutex
	ended  bool
}

// Reconcile brings one FlowCollector's fleet to what its spec says, and says how it is. It waits for the API server only: what is
// known of NATS and of the collectors was found before, and by others. It returns an error for what only trying again heals;
// everything else is a condition, and so is such an error that does not heal.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	r.passes.RLock()
	defer r.passes.RUnlock()
	defer func() {
		if err != nil {
			r.waves.missed(objectKey(request.NamespacedName))
		}
	}()
	if r.ended {
		return ctrl.Result{}, nil
	}
	fc := &v1alpha1.FlowCollector{}
	if err := readThrough(ctx, &r.behind, r.Client, r.Reader, request.NamespacedName, fc); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("reading FlowCollector %s: %w", request.NamespacedName, err)
		}
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	unseen, blind := ofFleets(r.devices.Load() != nil).unseen(ctx, r.Watches, r.Client, fc.Namespace)
	if blind {
		return r.tellBlind(ctx, fc, unseen)
	}
	if wait := r.shares.wait(fc.Namespace, r.Clock.Now()); wait > 0 && fc.DeletionTimestamp.IsZero() && !r.waves.holds(key(fc)) {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	mine, err := r.claim(ctx, fc)
	r.tellUnwritten(fc, err)
	if err != nil || !mine {
		if err == nil {
			r.leave(request.NamespacedName)
		}
		return ctrl.Result{RequeueAfter: claimInterval}, err
	}
	m := r.memories.of(request.NamespacedName, fc.UID)
	wishes := r.devices.Load().of(ctx, fc)
	if m.waits(errors.Is(wishes.err, exporters.ErrReading), r.Clock.Now()) { // before the pass begins: others wait for it
		return ctrl.Result{RequeueAfter: readAgain}, nil
	}
	m.asked(fc, r.Clock.Now(), func() {
		r.prober.LookNow(jetstream.Key(key(fc)))
		r.observer.LookNow(observation.Key(key(fc)))
	})
	now := r.Clock.Now()
	facts := &judge.Facts{
		Now: now, Server: r.Watches.serverTime(now), Collector: fc, Before: m.judgement, Unseen: unseen, Image: cmp.Or(fc.Spec.Collector.Image, r.Image),
		Operator: judge.Operator{Identity: r.Identity, Namespace: r.Namespace, ServiceAccount: r.ServiceAccount, SecretReaderRole: r.SecretReaderRole},
	}
	gone := false
	if err = r.settleNames(ctx, fc, m); err != nil {
		return ctrl.Result{}, err
	}
	if fc.DeletionTimestamp.IsZero() {
		err = r.keep(ctx, facts, m, &wishes)
	} else {
		if gone, err = r.delete(ctx, facts, m); lacksRight(err) { // it stays so until somebody gives it
			facts.Deletion.Message, err = judge.LacksRights+err.Error(), nil
		}
	}
	if gone && len(fc.Finalizers) == 0 {
		return ctrl.Result{}, nil
	}
	if gone {
		r.awaitOthers(facts)
	}
	if facts.Deletion != nil {
		if gatherErr := r.gather(ctx, facts); gatherErr != nil {
			return ctrl.Result{}, joined(err, gatherErr)
		}
	}
	err = m.failed(facts, err, r.Watches.away())
	verdict := judge.Judge(facts)
	var turnAgain time.Duration
	var turnErr error
	if err == nil {
		turnAgain, turnErr = r.noteTurn(ctx, facts, &verdict)
	}
	again, writeErr := r.writeStatus(ctx, fc, m, &verdict)
	r.tellUnwritten(fc, writeErr)
	if err != nil || turnErr != nil || writeErr != nil {
		return ctrl.Result{}, joined(err, turnErr, writeErr) // the queue says when to try again
	}
	return ctrl.Result{RequeueAfter: soonest(again, turnAgain, verdict.Again, m.wait(r.Clock.Now()))}, nil
}

// keep takes the steps. A step that fails for a moment does not keep the later ones from saying how things are.
func (r *Reconciler) keep(ctx context.Context, f *judge.Facts, m *memory, w *wishes) error {
	err := r.bring(ctx, f, m, w)
	if gatherErr := r.gather(ctx, f); gatherErr != nil {
		return joined(err, gatherErr)
	}
	r.watchCollectors(f)
	r.readFindings(f)
	r.tellDeeds(ctx, f.Collector)
	return err
}

// bring brings the fleet to what the spec says.
func (r *Reconciler) bring(ctx context.Context, f *judge.Facts, m *memory, w *wishes) error {
	fc := f.Collector
	f.Unchecked = true
	// Of a fleet that is suspended, too: it is no part of it, and a deletion does not wait.
	if err := note(&f.Applied, r.keepFinalizer(ctx, fc)); err != nil {
		return err
	}
	servers, err := r.secrets(ctx, fc, m)
	if err != nil {
		return err
	}
	if err := r.gather(ctx, f); err != nil {
		return err
	}
	f.Secrets = servers.known
	if w.err != nil {
		return w.err
	}
	work := r.shares.begin(fc.Namespace)
	desired := fleet.New(fc, r.Image, r.Namespace, servers.startedOr(f.DaemonSet), w.devices)
	f.Image = desired.Image
	f.NotAllowed = r.Allowed.refusals(fc, r.Image)
	for _, problem := range desired.Filled().Check() {
		f.Invalid = append(f.Invalid, problem.String())
	}
	f.Invalid = append(f.Invalid, fleet.Problems(fc)...)
	f.Unchecked = false
	asked := askedOf(desired, w.asked)
	edited := m.edited(asked)
	work.end(edited, r.Clock.Now())
	connection := connectionOf(desired)
	r.wantOfNATS(f, desired, m, servers, connection)
	hold(f, connection)
	var objects []child
	if !f.Unusable() { // what cannot be applied is not made either: an error of it would keep the conditions from saying why
		work = r.shares.begin(fc.Namespace)
		objects, err = children(desired, connection, askedToNote(f, asked))
		work.end(edited, r.Clock.Now())
		if err != nil {
			return err
		}
		f.Configuration = fileVersion(desired, objects)
		if err := r.awaitTurn(ctx, f, m, objects, asked); err != nil {
			return err
		}
	}
	applyErr := r.apply(ctx, f, desired, m, objects)
	if applyErr == nil && f.Applied.Full() && len(f.Applied.Changed) == 0 {
		m.letPass = ""
	}
	return applyErr
}

// fileVersion is that of the configuration that collectors are to have.
func fileVersion(d *fleet.Fleet, objects []child) string {
	for _, c := range objects {
		if m, ok := c.wanted.(*coreac.ConfigMapApplyConfiguration); ok && c.name == fleet.ObjectName(d.Collector) {
			return config.FileVersion([]byte(m.Data[fleet.ConfigurationFile]))
		}
	}
	return ""
}

// forget what was known of an object that is gone.
func (r *Reconciler) forget(name client.ObjectKey) {
	r.forgetKnown(name)
	r.waves.forget(objectKey(name))
}

// leave an object to the operator that looks after it: what this one knows of it is of the past. It would show that in its metrics, and keep in
// NATS what the spec of then said, beside the one that keeps what it says now.
func (r *Reconciler) leave(name client.ObjectKey) {
	r.forgetKnown(name)
	r.waves.idle(objectKey(name))
}

func (r *Reconciler) forgetKnown(name client.ObjectKey) {
	r.memories.forget(name)
	r.conditions.forget(name)
	r.consumers.forget(name)
	r.prober.Forget(jetstream.Key{Namespace: name.Namespace, Name: name.Name})
	r.observer.Forget(observation.Key{Namespace: name.Namespace, Name: name.Name})
}

type objectKey struct{ Namespace, Name string }

func key(fc *v1alpha1.FlowCollector) objectKey { return objectKey{fc.Namespace, fc.Name} }

// soonest of the times given that are not 0; 0 where all are.
func soonest(times ...time.Duration) (out time.Duration) {
	for _, t := range times {
		if t > 0 && (out == 0 || t < out) {
			out = t
		}
	}
	return out
}
