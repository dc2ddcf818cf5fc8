package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// child is an object of a fleet that is to exist, or, without a wanted state, not to.
type child struct {
	kind, name string
	// wanted is nil for an object that is not to exist.
	wanted runtime.ApplyConfiguration
	// live is an empty object to read into.
	live client.Object
	// owned extracts from the live object what the operator has applied.
	owned func(client.Object) (any, error)
	// rolls: collectors take up what it says, at once or by being replaced.
	rolls bool
}

// id tells it from the other ones of a fleet.
func (c *child) id() string { return c.kind + "/" + c.name }

// extracted adapts the Extract functions of client-go.
func extracted[L client.Object, A any](extract func(L, string) (A, error)) func(client.Object) (any, error) {
	return func(o client.Object) (any, error) { return extract(o.(L), fieldOwner) }
}

// wanted is nil for a nil pointer.
func wanted[A any, P interface {
	*A
	runtime.ApplyConfiguration
}](p P) runtime.ApplyConfiguration {
	if p == nil {
		return nil
	}
	return p
}

// children of a fleet in the order in which they are applied: a pod never waits for what comes later.
func children(d *fleet.Fleet, connection, asked string) ([]child, error) {
	name := fleet.ObjectName(d.Collector)
	configMap, err := d.ConfigMap()
	if err != nil {
		return nil, err
	}
	daemonSet, err := d.DaemonSet()
	if err != nil {
		return nil, err
	}
	daemonSet.WithAnnotations(map[string]string{annotationConnection: connection, annotationAsked: asked})
	children := []child{
		{"ServiceAccount", name, d.ServiceAccount(), &corev1.ServiceAccount{}, extracted(coreac.ExtractServiceAccount), false},
		{"ConfigMap", name, configMap, &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), true},
		{"NetworkPolicy", name, wanted(d.NetworkPolicy()), &networkingv1.NetworkPolicy{}, extracted(networkingac.ExtractNetworkPolicy), false},
		{"DaemonSet", name, daemonSet, &appsv1.DaemonSet{}, extracted(appsac.ExtractDaemonSet), true},
		{"PodDisruptionBudget", name, wanted(d.DisruptionBudget()), &policyv1.PodDisruptionBudget{}, extracted(policyac.ExtractPodDisruptionBudget), false},
		{"Service", name, wanted(d.Service()), &corev1.Service{}, extracted(coreac.ExtractService), false},
		{"Service", fleet.MetricsName(d.Collector), d.MetricsService(), &corev1.Service{}, extracted(coreac.ExtractService), false},
		{"ConfigMap", fleet.DashboardName(d.Collector), wanted(d.Dashboard()), &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap), false},
	}
	var beside []any
	for _, c := range children {
		if c.kind == "DaemonSet" {
			continue // last, for it says what there is beside it
		}
		applied, err := stamped(c)
		if err != nil {
			return nil, err
		}
		beside = append(beside, c.kind, c.name, applied)
	}
	daemonSet.WithAnnotations(map[string]string{annotationBeside: hashOf(beside...)})
	for _, c := range children {
		if c.kind == "DaemonSet" {
			_, err = stamped(c)
		}
	}
	return children, err
}

// stamped stamps what is wanted, and returns the hash, which is empty for an object that is not to exist.
func stamped(c child) (string, error) {
	if c.wanted == nil {
		return "", nil
	}
	if err := stamp(c.wanted); err != nil {
		return "", fmt.Errorf("%s %s: %w", c.kind, c.name, err)
	}
	want, err := plain(c.wanted)
	return appliedHash(want), err
}

// nameTakenError is for an object that somebody else made under a name of ours.
type nameTakenError struct {
	kind, name string
	of         string // kind of the object that would own it
}

func (e *nameTakenError) Error() string {
	return fmt.Sprintf("there is a %s %s that does not belong to this %[3]s: delete or rename it, or choose another name "+
		"for the %[3]s", e.kind, e.name, e.of)
}

// apply makes the fleet's objects as the spec says: what is missing or differs is applied, what is not wanted any more is deleted,
// what is as it should be is not written. It notes what became of them, and returns what only trying again heals. Of a fleet that is
// suspended it notes what would be written.
func (r *Reconciler) apply(ctx context.Context, f *judge.Facts, d *fleet.Fleet, m *memory, children []child) error {
	if f.Unusable() {
		return nil
	}
	var errs []error
	unsure := false // what the configuration says: with another's, collectors would send the fleet's Secrets to servers of its author's
	for _, c := range children {
		if c.rolls && (f.Held != "" || f.Trying || unsure) {
			continue
		}
		a := applier{r, f, m, ctrl.LoggerFrom(ctx)}
		if err := a.child(ctx, c); err != nil {
			if unsure = unsure || c.rolls; errors.Is(err, errRests) {
				continue // which contested tells of
			}
			errs = append(errs, note(&f.Applied, fmt.Errorf("%s %s/%s: %w", c.kind, f.Collector.Namespace, c.name, err)))
		}
	}
	if !f.Collector.Spec.Suspend {
		f.Applied.Contested = m.fights.contested(children, f.Now)
	}
	return joined(append(errs, r.applyMonitoring(ctx, f, d, m)...)...)
}

// note sorts an error of applying: what the API server would say again is a fact, what it may not is returned.
func note(a *judge.Applied, err error) error { return noteOf(a, "flowcollectors", err) }

// noteOf is note for the objects that those of a resource own.
func noteOf(a *judge.Applied, owners string, err error) error {
	var taken *nameTakenError
	switch {
	case err == nil:
	case errors.As(err, &taken):
		a.Taken = append(a.Taken, taken.Error())
	case lacksFinalizers(err): // whose words name neither user nor right
		a.Forbidden = append(a.Forbidden, fmt.Sprintf("%s; it cannot update resource %q", err, owners+"/finalizers"))
	case lacksRight(err):
		a.Forbidden = append(a.Forbidden, err.Error())
	case apierrors.IsForbidden(err):
		a.Denied = append(a.Denied, err.Error())
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		a.Refused = append(a.Refused, err.Error())
	default:
		return err
	}
	return nil
}

// lacksRight tells the API server's own authorization from quotas and admission policies, which say Forbidden too: it names the user. Of a path, as
// of those that say which kinds there are, it names no object.
func lacksRight(err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	says := err.Error()
	return strings.Contains(says, ` is forbidden: User "`) && strings.Contains(says, " cannot ") ||
		strings.Contains(says, `forbidden: User "`) && strings.Contains(says, ` cannot get path "`) || lacksFinalizers(err)
}

// lacksFinalizers reports that the operator may not name an owner, which needs the right to update its finalizers where the admission plugin
// OwnerReferencesPermissionEnforcement is on, as in OpenShift.
func lacksFinalizers(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "you can't set finalizers on")
}

// applier applies the objects of one fleet.
type applier struct {
	*Reconciler
	facts  *judge.Facts
	memory *memory
	log    logr.Logger
}

// child applies one object, unless the last attempt was of the same and came to nothing.
func (a *applier) child(ctx context.Context, c child) error {
	fc := a.facts.Collector
	found, err := a.find(ctx, fc, c)
	if err != nil {
		return err
	}
	if found && belongs(c.live, fc) && !c.live.GetDeletionTimestamp().IsZero() {
		switch {
		case c.wanted == nil:
			return nil
		case fc.Spec.Suspend:
			a.facts.Applied.Waiting = append(a.facts.Applied.Waiting, c.kind+" "+c.name)
			return nil
		}
		// It is kept as it should be all the same: collectors go on to read a ConfigMap, which anybody may have changed who keeps it from going.
		a.facts.Applied.Going = append(a.facts.Applied.Going, going(c.kind, c.live).Error())
	}
	var reasons []string // for replacing pods
	switch {
	case found && !belongs(c.live, fc):
		if c.wanted == nil {
			return nil
		}
		return &nameTakenError{c.kind, c.name, "FlowCollector"}
	case c.wanted == nil && !found:
		return nil
	case found && a.facts.Waits != "" && changedByOperator(c):
		return nil // what is missing is made all the same: a fleet without it would lose flows until its turn
	case found && c.wanted != nil:
		if !fc.Spec.Suspend && !controlled(c.live, fc) {
			wanted := hashOf(c.wanted)
			if a.memory.fights.rests(c, wanted, a.facts.Now) {
				return errRests
			}
			if err := a.adopt(ctx, fc, c.kind, c.live); err != nil {
				return err
			}
			a.memory.fights.applied(c, true, wanted, c.live.GetResourceVersion(), a.facts.Now)
		}
		same, err := asApplied(c)
		if err != nil || same && controlled(c.live, fc) {
			return err
		}
		if reasons, err = replacement(c); err != nil {
			return err
		}
	}
	if fc.Spec.Suspend {
		a.facts.Applied.Waiting = append(a.facts.Applied.Waiting, c.kind+" "+c.name)
		return nil
	}
	if c.wanted == nil {
		a.log.Info("deleting what is not wanted any more", "kind", c.kind, "object", c.name)
		return deleteSame(ctx, a.Client, c.live)
	}
	now := attempt{wanted: hashOf(c.wanted)}
	if found {
		now.version = c.live.GetResourceVersion()
	}
	if last, ok := a.memory.tried[c.id()]; ok && last.wanted == now.wanted && last.version == now.version {
		return last.err
	}
	if a.memory.fights.rests(c, now.wanted, a.facts.Now) {
		return errRests
	}
	version, err := a.write(ctx, c, found)
	changed := err == nil && (!found || version != now.version)
	if now.err = err; !changed && note(&judge.Applied{}, err) == nil {
		a.memory.tried[c.id()] = now
	}
	if changed {
		a.memory.fights.applied(c, found, now.wanted, version, a.facts.Now)
		a.log.Info("applied", "kind", c.kind, "object", c.name)
		a.facts.Applied.Changed = append(a.facts.Applied.Changed, c.kind)
		if len(reasons) > 0 { // whoever sees pods end asks why
			a.event(fc, corev1.EventTypeNormal, judge.ReasonRolling, "ReplaceCollectors", "collectors are replaced: "+strings.Join(reasons, "; "))
		}
	}
	return err
}

// deleteSame deletes an object that was read, and no other one that somebody has made under its name since.
func deleteSame(ctx context.Context, c client.Client, o client.Object) error {
	uid := o.GetUID()
	err := c.Delete(ctx, o, client.Preconditions{UID: &uid})
	if apierrors.IsConflict(err) {
		return nil // it is gone, and the other one is looked at once it is seen
	}
	return client.IgnoreNotFound(err)
}

// goingError is for an object that somebody deletes, and that is not gone yet.
type goingError struct {
	kind, name string
	finalizers []string
}

// going tells of an object that may become another one after that.
func going(kind string, live client.Object) *goingError {
	return &goingError{kind, live.GetName(), live.GetFinalizers()}
}

func (e *goingError) Error() string {
	waits := "for its own time to end"
	if len(e.finalizers) > 0 {
		waits = "for those whose finalizers it has: " + strings.Join(e.finalizers, ", ")
	}
	return fmt.Sprintf("%s %s is being deleted, waits %s, and is made again once it is gone", e.kind, e.name, waits)
}

// write applies an object and returns the version that it has then. That may be the one of before: what differs may have been written by an admission
// webhook, which has done so again.
func (a *applier) write(ctx context.Context, c child, found bool) (string, error) {
	err := a.Client.Apply(ctx, c.wanted, client.FieldOwner(fieldOwner), client.ForceOwnership)
	if found && apierrors.IsInvalid(err) {
		err = a.replace(ctx, c)
	}
	if err != nil {
		return "", applying(err, c)
	}
	return resourceVersion(c.wanted)
}

// applying is an error of it. What Kubernetes lets nobody change, such as a selector or that a Service is headless, an object can only have from its beginning.
func applying(err error, c child) error {
	kept := func(words string) bool { return strings.Contains(err.Error(), words) }
	if apierrors.IsInvalid(err) && c.live.GetUID() != "" && (kept("field is immutable") || kept("may not change once set") || kept("may not be set to 'None'")) {
		return fmt.Errorf("applying: %w: to have it made anew, which ends what it does meanwhile: kubectl delete %s %s -n %s", err,
			strings.ToLower(c.kind), c.name, c.live.GetNamespace())
	}
	return fmt.Errorf("applying: %w", err)
}

// resourceVersion of an object that was applied: it has become what the API server answered.
func resourceVersion(applied runtime.ApplyConfiguration) (string, error) {
	o, err := plain(applied)
	if err != nil {
		return "", err
	}
	version, _, err := unstructured.NestedString(o, "metadata", "resourceVersion")
	return version, err
}

// replace is for an object that somebody changed so that applying cannot mend it: a port whose number was edited is one of
// theirs, beside which ours, of the same name, is refused. Lists become ours as a whole, then are applied as ever.
func (a *applier) replace(ctx context.Context, c child) error {
	want, err := plain(c.wanted)
	if err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"spec": want["spec"]})
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", c.kind, c.name, err)
	}
	if err := a.Client.Patch(ctx, c.live, client.RawPatch(types.MergePatchType, b), client.FieldOwner(fieldOwner)); err != nil {
		return err
	}
	return a.Client.Apply(ctx, c.wanted, client.FieldOwner(fieldOwner), client.ForceOwnership)
}

// find reads the live object. What the cache does not have may still exist without the operator's labels: before anything is
// made, the API server is asked.
func (a *applier) find(ctx context.Context, fc *v1alpha1.FlowCollector, c child) (bool, error) {
	key := client.ObjectKey{Namespace: fc.Namespace, Name: c.name}
	err := a.Client.Get(ctx, key, c.live)
	if apierrors.IsNotFound(err) && c.wanted != nil {
		if last, ok := a.memory.tried[c.id()]; ok && last.version == "" && last.wanted == hashOf(c.wanted) {
			return false, nil // it was asked, and there was none
		}
		err = a.Reader.Get(ctx, key, c.live)
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading: %w", err)
	}
	return true, nil
}

// asApplied reports whether the live object has all that is wanted and is owned by the operator, and nothing owned that is not
// wanted any more: see settled. Fields of others do not matter.
func asApplied(c child) (bool, error) {
	owned, err := c.owned(c.live)
	if err != nil {
		return false, fmt.Errorf("extracting what was applied: %w", err)
	}
	have, err := plain(owned)
	if err != nil {
		return false, err
	}
	want, err := plain(c.wanted)
	if err != nil {
		return false, err
	}
	return settled(have, want), nil
}

// plain is a value as JSON has it.
func plain(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing %T: %w", v, err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("reading %T: %w", v, err)
	}
	return out, nil
}
