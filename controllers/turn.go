package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// annotationAsked, of the DaemonSet, is the hash of what others than the operator say of a fleet: its spec, FlowExporters, Secrets. An
	// object that is to change though this stays as it was changes because of the operator.
	annotationAsked = "flowfleet.io/asked"
	// annotationBeside, of the DaemonSet, is the hash of what is applied beside it. Others than the operator may write Services, and make
	// objects with the names of a fleet's: what these say is no proof that the operator changes something. A policy keeps the DaemonSet's
	// annotationApplied for the operator, which covers this one.
	annotationBeside = "flowfleet.io/beside"
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

// askedToNote is what the DaemonSet is to say in annotationAsked. While a fleet is suspended, that is what it says already: to set
// spec.suspend is a new generation, too, and would pass for a change of the DaemonSet that waits.
func askedToNote(f *judge.Facts, asked string) string {
	if f.Collector.Spec.Suspend && f.DaemonSet != nil {
		return f.DaemonSet.Annotations[annotationAsked]
	}
	return asked
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
	if asksOther(set, fc.Status.ObservedGeneration != fc.Generation, asked) {
		m.letPass = asked
		return nil
	}
	if !operatorChanges(set, children) {
		return nil
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
	return markTurn(ctx, r.Client, set, &turn)
}

// asksOther reports whether others than the operator ask for something else than what an object was made for. newSpec is whether the spec is
// one that was not applied yet.
func asksOther(o client.Object, newSpec bool, asked string) bool {
	was := o.GetAnnotations()[annotationAsked]
	if !strings.HasPrefix(was, askedForm) { // made by an operator that did not note it, or in another form
		return newSpec
	}
	return was != asked
}

// operatorChanges reports whether objects of a fleet are to change, where nobody else asks for that. The DaemonSet tells it of all
// (annotationBeside). One that says of nothing that it was applied is not the operator's work.
func operatorChanges(set client.Object, children []child) bool {
	i := slices.IndexFunc(children, func(c child) bool { return c.kind == "DaemonSet" })
	if i < 0 || set.GetAnnotations()[annotationApplied] == "" {
		return false
	}
	c := children[i]
	c.live = set
	return changedByOperator(c)
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
	p := progress{settled: v.Settled, well: well, stuck: v.Stuck, replaced: replacedIn(f), deadline: f.Deadline(), delay: r.RolloutDelay, holds: untold, now: f.Now}
	switch {
	case ready != nil && ready.Status != metav1.ConditionTrue:
		p.wrong = fmt.Sprintf("Ready is %s, %s", ready.Status, ready.Reason)
	case untold != "" && v.Settled:
		p.wrong = untold
	case v.Stuck:
		p.wrong = judge.ReasonProgressDeadlineExceeded
	}
	over, again := r.waves.goesOn(name, turn, p, fmt.Sprintf("kubectl annotate daemonset %s -n %s %s-", set.Name, set.Namespace, annotationTurn))
	if over {
		if err := markTurn(ctx, r.Client, set, nil); err != nil {
			return 0, err
		}
		r.waves.idle(name)
	}
	return again, nil
}

// unreadConfiguration says which collectors have not taken up their ConfigMap, empty for none. A change of it alone replaces no pod, so that
// the DaemonSet says nothing. Collectors do, but for those of former versions; one that cannot be asked does not hold the others. What one
// said long ago counts as little here as in a condition.
func unreadConfiguration(f *judge.Facts) string {
	if f.Configuration == "" {
		return ""
	}
	old := 0
	for i := range f.Collectors.Reports {
		switch r := &f.Collectors.Reports[i]; {
		case r.Error != "":
		case !f.Answers(r), r.Now.Configuration != "" && r.Now.Configuration != f.Configuration:
			old++
		}
	}
	if old == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d collectors are not known to have taken up their changed configuration", old, len(f.Collectors.Reports))
}

// replacedIn is how many collectors have been replaced; 0 where Kubernetes does not say so of the present DaemonSet.
func replacedIn(f *judge.Facts) int {
	if s := &f.DaemonSet.Status; len(f.Applied.Changed) == 0 && s.ObservedGeneration >= f.DaemonSet.Generation {
		return int(s.UpdatedNumberScheduled)
	}
	return 0
}

// markTurn writes annotationTurn, or removes it. It is none of what is applied: that a fleet has ended its turn replaces no object.
func markTurn(ctx context.Context, c client.Client, o client.Object, turn *string) error {
	_, there := o.GetAnnotations()[annotationTurn]
	if turn == nil && !there || turn != nil && there { // one that began keeps what it was before
		return nil
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationTurn: turn}}})
	if err != nil {
		return fmt.Errorf("writing the turn of %s: %w", o.GetName(), err)
	}
	err = c.Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, b), client.FieldOwner(fieldOwner+"-turn"))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("noting the turn of %T %s/%s: %w", o, o.GetNamespace(), o.GetName(), err)
	}
	return nil
}
