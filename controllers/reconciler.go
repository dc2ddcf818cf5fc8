package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/observation"
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
	// Namespace and ServiceAccount of the operator, and SecretReaderRole, the ClusterRole that lets it read Secrets where it is
	// bound: conditions name them in commands to type.
	Namespace, ServiceAccount, SecretReaderRole string
	// Allowed bounds what FlowCollectors can ask for.
	Allowed Allowed
	// Clock tells when to look again and when to give up; the machine's where none is set.
	Clock clock.PassiveClock

	conditions *conditionMetrics
	reader     *observation.Reader
	views      *views
}

// pass is one reconciliation of one FlowCollector.
type pass struct {
	*Reconciler
	log logr.Logger
	fc  *v1alpha1.FlowCollector // its status becomes the new one
	// before is the object as it was read.
	before *v1alpha1.FlowCollector
	fleet  *fleet.Fleet
	// secrets that the spec names.
	secrets secrets
	// invalid: the spec cannot be put to work, what runs is left alone.
	invalid bool
	// applied names the objects that this pass changed.
	applied []string
	view    *view
	// again is when to look again; 0 for when something changes.
	again time.Duration
}

// Reconcile looks at one FlowCollector. It returns an error for what only trying again heals; everything else is a condition, and
// so is such an error that does not heal.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	fc := &v1alpha1.FlowCollector{}
	if err := r.Client.Get(ctx, request.NamespacedName, fc); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("reading FlowCollector %s: %w", request.NamespacedName, err)
		}
		r.views.forget(request.NamespacedName)
		r.conditions.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	p := &pass{
		Reconciler: r,
		log:        ctrl.LoggerFrom(ctx),
		fc:         fc,
		before:     fc.DeepCopy(),
		view:       r.views.of(request.NamespacedName, fc.UID),
	}
	err := p.run(ctx)
	if errors.Is(err, errGone) {
		return ctrl.Result{}, nil
	}
	p.judgeFailures(err)
	if err = errors.Join(err, p.writeStatus(ctx)); err != nil {
		return ctrl.Result{}, err // the queue says when to try again
	}
	return ctrl.Result{RequeueAfter: p.again}, nil
}

// run takes the steps. A step that fails for a moment does not keep the later ones from saying how things are.
func (p *pass) run(ctx context.Context) error {
	if err := p.settleNames(ctx); err != nil {
		return err
	}
	switch {
	case !p.fc.DeletionTimestamp.IsZero():
		return p.delete(ctx)
	case p.fc.Spec.Suspend:
		p.suspended()
		return nil
	}
	if err := p.keepFinalizer(ctx); err != nil {
		return err
	}
	if err := p.readSecrets(ctx); err != nil {
		return err
	}
	p.configure()
	err := p.applyObjects(ctx)
	err = errors.Join(err, p.judgeCollectors(ctx))
	err = errors.Join(err, p.judgeService(ctx))
	err = errors.Join(err, p.look(ctx))
	p.judgeTemplateStore()
	p.judgeStream()
	p.judgeObservation()
	p.summarize()
	return err
}
