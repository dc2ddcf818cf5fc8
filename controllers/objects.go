package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
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
}

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
func (p *pass) children() ([]child, error) {
	name := fleet.ObjectName(p.fc)
	configMap, err := p.fleet.ConfigMap()
	if err != nil {
		return nil, err
	}
	daemonSet, err := p.fleet.DaemonSet()
	if err != nil {
		return nil, err
	}
	children := []child{
		{"ServiceAccount", name, p.fleet.ServiceAccount(), &corev1.ServiceAccount{}, extracted(coreac.ExtractServiceAccount)},
		{"ConfigMap", name, configMap, &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap)},
		{"NetworkPolicy", name, wanted(p.fleet.NetworkPolicy()), &networkingv1.NetworkPolicy{}, extracted(networkingac.ExtractNetworkPolicy)},
		{"DaemonSet", name, daemonSet, &appsv1.DaemonSet{}, extracted(appsac.ExtractDaemonSet)},
		{"PodDisruptionBudget", name, wanted(p.fleet.DisruptionBudget()), &policyv1.PodDisruptionBudget{}, extracted(policyac.ExtractPodDisruptionBudget)},
		{"Service", name, wanted(p.fleet.Service()), &corev1.Service{}, extracted(coreac.ExtractService)},
		{"Service", fleet.MetricsName(p.fc), p.fleet.MetricsService(), &corev1.Service{}, extracted(coreac.ExtractService)},
		{"ConfigMap", fleet.DashboardName(p.fc), wanted(p.fleet.Dashboard()), &corev1.ConfigMap{}, extracted(coreac.ExtractConfigMap)},
	}
	for _, c := range children {
		if c.wanted == nil {
			continue
		}
		if err := stamp(c.wanted); err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.kind, c.name, err)
		}
	}
	return children, nil
}

// nameTakenError is for an object that somebody else made under a name of ours.
type nameTakenError struct {
	kind, name string
}

func (e *nameTakenError) Error() string {
	return fmt.Sprintf("there is a %s %s that does not belong to this FlowCollector: delete or rename it, or choose another name "+
		"for the FlowCollector", e.kind, e.name)
}

// applyObjects makes the fleet's objects as the spec says: what is missing or differs is applied, what is not wanted any more is
// deleted, what is as it should be is not written.
func (p *pass) applyObjects(ctx context.Context) error {
	if p.invalid {
		return nil
	}
	children, err := p.children()
	if err != nil {
		return err
	}
	var failures []error
	for _, c := range children {
		if err := p.applyChild(ctx, c); err != nil {
			failures = append(failures, fmt.Errorf("%s %s/%s: %w", c.kind, p.fc.Namespace, c.name, err))
		}
	}
	failures = append(failures, p.applyMonitoring(ctx)...)
	var errs []error
	var taken, refused []string
	for _, err := range failures {
		var nameTaken *nameTakenError
		switch {
		case errors.As(err, &nameTaken):
			taken = append(taken, nameTaken.Error())
		case isRefusal(err):
			refused = append(refused, err.Error())
		default:
			errs = append(errs, err)
		}
	}
	if len(refused) > 0 {
		p.set(v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, reasonRefused, "Kubernetes refuses what comes of the spec: %s",
			strings.Join(refused, "; "))
	}
	if len(taken) > 0 {
		p.set(v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, reasonNameTaken, "%s", strings.Join(taken, "; "))
	}
	if len(refused)+len(taken) > 0 {
		p.lookAgainIn(viewInterval)
	}
	return errors.Join(errs...)
}

// isRefusal reports whether the API server would say the same again: a field that it does not take, a quota, an admission
// policy, a right that the operator has not got. Trying faster does not help; somebody has to change something.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
}

func (p *pass) applyChild(ctx context.Context, c child) error {
	found, err := p.find(ctx, c)
	if err != nil {
		return err
	}
	var reasons []string // for replacing pods
	switch {
	case found && !belongs(c.live, p.fc):
		if c.wanted == nil {
			return nil
		}
		return &nameTakenError{c.kind, c.name}
	case c.wanted == nil && found:
		p.log.Info("deleting what is not wanted any more", "kind", c.kind, "name", c.name)
		uid := c.live.GetUID()
		err := p.Client.Delete(ctx, c.live, client.Preconditions{UID: &uid})
		return client.IgnoreNotFound(err)
	case c.wanted == nil:
		return nil
	case found:
		if err := p.adopt(ctx, c.kind, c.live); err != nil {
			return err
		}
		same, err := asApplied(c)
		if err != nil {
			return err
		}
		if same {
			return nil
		}
		if reasons, err = replacement(c); err != nil {
			return err
		}
	}
	err = p.Client.Apply(ctx, c.wanted, client.FieldOwner(fieldOwner), client.ForceOwnership)
	if found && apierrors.IsInvalid(err) {
		err = p.replace(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("applying: %w", err)
	}
	version, err := resourceVersion(c.wanted)
	if err != nil {
		return err
	}
	if found && version == c.live.GetResourceVersion() {
		return nil // what differs was written by an admission webhook, which has done so again
	}
	p.log.Info("applied", "kind", c.kind, "name", c.name)
	p.applied = append(p.applied, c.kind)
	p.tellReplacement(reasons)
	return nil
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
func (p *pass) replace(ctx context.Context, c child) error {
	want, err := plain(c.wanted)
	if err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"spec": want["spec"]})
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", c.kind, c.name, err)
	}
	if err := p.Client.Patch(ctx, c.live, client.RawPatch(types.MergePatchType, b), client.FieldOwner(fieldOwner)); err != nil {
		return err
	}
	return p.Client.Apply(ctx, c.wanted, client.FieldOwner(fieldOwner), client.ForceOwnership)
}

// find reads the live object. What the cache does not have may still exist without the operator's labels: before anything is
// made, the API server is asked.
func (p *pass) find(ctx context.Context, c child) (bool, error) {
	key := client.ObjectKey{Namespace: p.fc.Namespace, Name: c.name}
	err := p.Client.Get(ctx, key, c.live)
	if apierrors.IsNotFound(err) && c.wanted != nil {
		err = p.Reader.Get(ctx, key, c.live)
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
