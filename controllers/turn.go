package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

const (
	// annotationAsked, of the DaemonSet, is the hash of what others than the operator say of a fleet: its spec, FlowExporters, Secrets. An
	// object that is to change though this stays as it was changes because of the operator.
	annotationAsked = "flowfleet.io/asked"
	// annotationTurn, of the DaemonSet, is there while a fleet takes up a change of the operator's own making. It says whether the fleet was
	// Ready before. Whoever removes it lets the next fleet take the change up.
	annotationTurn = "flowfleet.io/turn"
	turnReady      = "Ready"
	turnNotReady   = "NotReady"

	// longestDeadline is what of a fleet's progressDeadline counts for how long it may hold the others.
	longestDeadline = time.Hour
)

// askedForm is what annotationAsked begins with. Whoever hashes something else changes it: what was noted in another form says nothing, and
// not that others ask for something else.
const askedForm = "v2-"

// askedOf is what annotationAsked says. The generation stands for the spec: what a new definition fills in does not change it, and is of the
// operator's making too. So is what the operator makes of FlowExporters: exporters.Asked is what they say.
func askedOf(d *fleet.Fleet, exporters []string) string {
	return askedForm + hashOf(d.Collector.UID, d.Collector.Generation, d.SecretVersions, exporters)
}

// awaitTurn lets a fleet take up a change of the operator's own making once it is its turn. It notes in the facts why it is not yet.
func (r *Reconciler) awaitTurn(ctx context.Context, f *judge.Facts, m *memory, children []child, asked string) error {
	fc, set := f.Collector, f.DaemonSet
	if r.Rollouts.AtOnce <= 0 || set == nil || fc.Spec.Suspend || f.Held != "" || f.Trying || !belongs(set, fc) {
		return nil
	}
	if m.letPass == asked { // the DaemonSet says so already, and what was not applied beside it is no less asked for
		return nil
	}
	if asksOther(f, asked) {
		m.letPass = asked
		return nil
	}
	if own, err := r.operatorChanges(ctx, f, children); err != nil || !own {
		return err
	}
	list := &v1alpha1.FlowCollectorList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FlowCollectors: %w", err)
	}
	all := make([]objectKey, len(list.Items))
	for i := range list.Items {
		all[i] = key(&list.Items[i])
	}
	turn := turnNotReady
	if meta.IsStatusConditionTrue(fc.Status.Conditions, v1alpha1.ConditionReady) {
		turn = turnReady
	}
	if f.Waits = r.waves.ask(key(fc), all, turn, set.Annotations[annotationTurn]); f.Waits != "" {
		return nil
	}
	// Before the change itself: an operator that is restarted between the two knows that the fleet rolls.
	turn = r.waves.turn(key(fc), set.Annotations[annotationTurn])
	return r.markTurn(ctx, f, &turn)
}

// asksOther reports whether others than the operator ask for something else than what the DaemonSet was made for.
func asksOther(f *judge.Facts, asked string) bool {
	was := f.DaemonSet.Annotations[annotationAsked]
	if !strings.HasPrefix(was, askedForm) { // made by an operator that did not note it, or in another form
		return f.Collector.Status.ObservedGeneration != f.Collector.Generation
	}
	return was != asked
}

// operatorChanges reports whether objects of the fleet are to change, where nobody else asks for that.
func (r *Reconciler) operatorChanges(ctx context.Context, f *judge.Facts, children []child) (bool, error) {
	fc := f.Collector
	for _, c := range children {
		c.live = c.live.DeepCopyObject().(client.Object)
		switch err := r.Client.Get(ctx, client.ObjectKey{Namespace: fc.Namespace, Name: c.name}, c.live); {
		case client.IgnoreNotFound(err) != nil:
			return false, fmt.Errorf("reading %s %s/%s: %w", c.kind, fc.Namespace, c.name, err)
		case err == nil && belongs(c.live, fc) && changedByOperator(c):
			return true, nil
		}
	}
	return false, nil
}

// changedByOperator reports whether an object that exists is to become another one than was applied, or to go. That it is not as it was
// applied is of others' making.
func changedByOperator(c child) bool {
	if c.wanted == nil {
		return true
	}
	want, err := plain(c.wanted)
	return err == nil && appliedHash(want) != c.live.GetAnnotations()[annotationApplied]
}

// noteTurn notes how the fleet does with the operator's change, and returns when to look again, 0 for not by itself.
func (r *Reconciler) noteTurn(ctx context.Context, f *judge.Facts, v *judge.Verdict) (time.Duration, error) {
	name, set := key(f.Collector), f.DaemonSet
	if f.Waits != "" {
		r.waves.passed(name)
		return 0, nil
	}
	turn := ""
	if set != nil {
		turn = r.waves.turn(name, set.Annotations[annotationTurn])
	}
	if turn == "" || f.Deletion != nil || f.Collector.Spec.Suspend {
		r.waves.idle(name)
		return 0, nil
	}
	ready := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionReady)
	untold := unreadConfiguration(f)
	well := v.Settled && len(f.Applied.Changed) == 0 && untold == "" && (turn == turnNotReady || ready != nil && ready.Status == metav1.ConditionTrue)
	phase := replacing
	switch {
	case well:
		phase = runsWell
	case v.Settled:
		phase = replaced
	}
	lasted := r.waves.lasts(name, phase, f.Now)
	left := r.patience(f) - r.waves.getsOn(name, replacedIn(f), f.Now)
	switch {
	case well && lasted >= r.RolloutDelay, turn == turnNotReady && (v.Stuck || left <= 0):
		if err := r.markTurn(ctx, f, nil); err != nil {
			return 0, err
		}
		r.waves.idle(name)
		return 0, nil
	case well && left > 0:
		r.waves.note(name, wave.Rolling, fmt.Sprintf("--rollout-delay of %s", r.RolloutDelay))
		return soonest(max(r.RolloutDelay-lasted, time.Millisecond), left), nil
	case v.Stuck, phase == replaced && lasted >= f.Deadline(), left <= 0:
		why := "it does not stay Ready"
		if ready != nil && ready.Status != metav1.ConditionTrue {
			why = fmt.Sprintf("Ready is %s, %s", ready.Status, ready.Reason)
		} else if untold != "" && v.Settled {
			why = untold
		} else if v.Stuck {
			why = judge.ReasonProgressDeadlineExceeded
		} else if phase == replacing {
			why = "no more of its collectors are replaced"
		}
		r.waves.note(name, wave.Failed, fmt.Sprintf("%s; mend or suspend it, or let the others go on: kubectl annotate daemonset %s -n %s %s-",
			why, set.Name, set.Namespace, annotationTurn))
		if well {
			return max(r.RolloutDelay-lasted, time.Millisecond), nil
		}
		return 0, nil
	}
	r.waves.note(name, wave.Rolling, untold)
	if phase == replaced {
		return soonest(max(f.Deadline()-lasted, time.Millisecond), left), nil
	}
	return left, nil
}

// unreadConfiguration says which collectors have not taken up their ConfigMap, empty for none. A change of it alone replaces no pod, so that
// the DaemonSet says nothing. Collectors do, but for those of former versions; one that cannot be asked does not hold the others.
func unreadConfiguration(f *judge.Facts) string {
	if f.Configuration == "" {
		return ""
	}
	old := 0
	for i := range f.Collectors.Reports {
		switch r := &f.Collectors.Reports[i]; {
		case r.Asked.IsZero(), r.Answers() && r.Now.Configuration != "" && r.Now.Configuration != f.Configuration:
			old++
		}
	}
	if old == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d collectors have not taken up their changed configuration", old, len(f.Collectors.Reports))
}

// patience is for how long a fleet may hold its turn without more collectors being replaced. The fleet's deadline is its owner's to choose,
// and begins anew where a fleet is well and not well by turns: neither is to hold the others for ever.
func (r *Reconciler) patience(f *judge.Facts) time.Duration {
	return 2*min(f.Deadline(), longestDeadline) + r.RolloutDelay
}

// replacedIn is how many collectors have been replaced; 0 where Kubernetes does not say so of the present DaemonSet.
func replacedIn(f *judge.Facts) int {
	if s := &f.DaemonSet.Status; len(f.Applied.Changed) == 0 && s.ObservedGeneration >= f.DaemonSet.Generation {
		return int(s.UpdatedNumberScheduled)
	}
	return 0
}

// markTurn writes annotationTurn, or removes it. It is none of what is applied: that a fleet has ended its turn replaces no object.
func (r *Reconciler) markTurn(ctx context.Context, f *judge.Facts, turn *string) error {
	_, there := f.DaemonSet.Annotations[annotationTurn]
	if turn == nil && !there || turn != nil && there { // one that began keeps what it was before
		return nil
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationTurn: turn}}})
	if err != nil {
		return fmt.Errorf("writing the turn of DaemonSet %s: %w", f.DaemonSet.Name, err)
	}
	err = r.Client.Patch(ctx, f.DaemonSet.DeepCopy(), client.RawPatch(types.MergePatchType, b), client.FieldOwner(fieldOwner+"-turn"))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("noting the turn of DaemonSet %s/%s: %w", f.DaemonSet.Namespace, f.DaemonSet.Name, err)
	}
	return nil
}
