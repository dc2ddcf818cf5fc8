package exporters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// fieldOwner is the one name under which the operator writes.
const fieldOwner = "flowfleet"

// apply makes and removes objects, as many as may be written now. One that cannot be written keeps none of the others from it.
func (k *Keeper) apply(ctx context.Context, fc *v1alpha1.FlowCollector, c choice) (failures error) {
	fleet := client.ObjectKeyFromObject(fc)
	for _, o := range c.remove {
		if !k.mayWrite(fleet) {
			return failures
		}
		if err := k.Client.Delete(ctx, o, client.Preconditions{UID: &o.UID}); err != nil && !apierrors.IsConflict(err) && client.IgnoreNotFound(err) != nil {
			failures = errors.Join(failures, fmt.Errorf("removing FlowExporter %s: %w", client.ObjectKeyFromObject(o), err))
		}
	}
	for _, address := range c.make {
		if !k.mayWrite(fleet) {
			return failures
		}
		o := object(fc, address)
		err := k.Client.Create(ctx, o, client.FieldOwner(fieldOwner))
		if apierrors.IsAlreadyExists(err) {
			err = k.taken(ctx, o)
		}
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("making FlowExporter %s: %w", client.ObjectKeyFromObject(o), err))
		}
	}
	return failures
}

// taken is an error where the object that has the name of another is not the same: nobody would ever hear of the address. One that is about
// to go, or that the cache does not have yet, is none.
func (k *Keeper) taken(ctx context.Context, o *v1alpha1.FlowExporter) error {
	there := &v1alpha1.FlowExporter{}
	if err := k.Client.Get(ctx, client.ObjectKeyFromObject(o), there); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !there.DeletionTimestamp.IsZero() || there.Spec.Collector == o.Spec.Collector && slices.Equal(there.Spec.Addresses, o.Spec.Addresses) {
		return nil
	}
	return fmt.Errorf("somebody made one of this name for other addresses (%s of FlowCollector %s): rename it, or add %s to it",
		addresses(&there.Spec), there.Spec.Collector, o.Spec.Addresses[0])
}

// object of an exporter that was heard.
func object(fc *v1alpha1.FlowCollector, address netip.Addr) *v1alpha1.FlowExporter {
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{
		Namespace: fc.Namespace, Name: ObjectName(fc.Name, address), Labels: map[string]string{v1alpha1.LabelDiscovered: "true"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(fc, v1alpha1.SchemeGroupVersion.WithKind("FlowCollector"))},
	}}
	o.Spec.Collector = fc.Name
	o.Spec.Addresses = []v1alpha1.ExporterAddress{v1alpha1.ExporterAddress(address.String())}
	return o
}

// mayWrite takes one of the writes that a fleet is allowed.
func (k *Keeper) mayWrite(fleet types.NamespacedName) bool {
	ok := k.budget.take(fleet, k.Clock.Now())
	if !ok {
		k.metrics.deferred.Inc()
	}
	return ok
}

// write is a status that is to be written.
type write struct {
	before  *v1alpha1.FlowExporter
	status  v1alpha1.FlowExporterStatus
	urgency urgency
}

// writeAll judges all objects, and writes what is worth it: judgements first, then what was written longest ago.
func (k *Keeper) writeAll(ctx context.Context, fleet types.NamespacedName, m *memory, objects []*v1alpha1.FlowExporter) (failures error) {
	var writes []write
	for _, o := range objects {
		now := k.Clock.Now()
		after := Judge(m.facts(o, now, k.Server(now)))
		if u := weigh(&o.Status, &after); u > nothing {
			writes = append(writes, write{o, after, u})
		}
	}
	slices.SortStableFunc(writes, func(a, b write) int {
		return cmp.Or(cmp.Compare(b.urgency, a.urgency), lastHeard(a.before).Compare(lastHeard(b.before).Time))
	})
	for _, w := range writes {
		if !k.mayWrite(fleet) {
			return failures
		}
		failures = errors.Join(failures, k.writeStatus(ctx, w))
	}
	return failures
}

func lastHeard(o *v1alpha1.FlowExporter) metav1.Time {
	if o.Status.LastHeard == nil {
		return metav1.Time{}
	}
	return *o.Status.LastHeard
}

// rest says of all objects that nobody looks at them, and removes those that the operator made.
func (k *Keeper) rest(ctx context.Context, fc *v1alpha1.FlowCollector, objects []*v1alpha1.FlowExporter, why idle) (failures error) {
	var c choice
	for _, o := range objects {
		if discovered(o) {
			c.remove = append(c.remove, o)
		} else {
			failures = errors.Join(failures, k.leave(ctx, client.ObjectKeyFromObject(fc), o, why))
		}
	}
	if fc.Spec.Suspend {
		return failures
	}
	return errors.Join(failures, k.apply(ctx, fc, c))
}

// orphans says of objects whose FlowCollector is not there that nobody looks at them. Those that the operator made go with theirs. What is
// watched is what this operator looks after: whether there is a FlowCollector, only the API server knows.
func (k *Keeper) orphans(ctx context.Context, there map[types.NamespacedName]bool) (failures error) {
	list := &v1alpha1.FlowExporterList{}
	if err := k.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FlowExporters: %w", err)
	}
	gone := make(map[types.NamespacedName]bool)
	for i := range list.Items {
		o := &list.Items[i]
		fleet := types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.Collector}
		if there[fleet] || discovered(o) || !o.DeletionTimestamp.IsZero() || len(o.Spec.Addresses) == 0 {
			continue
		}
		w := k.left(o, idle{ReasonNoCollector, fmt.Sprintf(
			"there is no FlowCollector %s in this namespace: make it, or name another one in spec.collector", o.Spec.Collector)})
		if w.urgency == nothing {
			continue // it says so already, and costs no request
		}
		if _, known := gone[fleet]; !known {
			if len(gone) == orphansAsked {
				continue // in the next round
			}
			err := k.Reader.Get(ctx, fleet, &v1alpha1.FlowCollector{})
			gone[fleet] = apierrors.IsNotFound(err) // otherwise it is another operator's, or may not be seen
		}
		if gone[fleet] && k.mayWrite(types.NamespacedName{}) {
			failures = errors.Join(failures, k.writeStatus(ctx, w))
		}
	}
	return failures
}

// orphansAsked bounds the FlowCollectors that are asked for in one round of orphans.
const orphansAsked = 100

// leave says that nobody looks at an object.
func (k *Keeper) leave(ctx context.Context, fleet types.NamespacedName, o *v1alpha1.FlowExporter, why idle) error {
	w := k.left(o, why)
	if w.urgency == nothing || !k.mayWrite(fleet) {
		return nil
	}
	return k.writeStatus(ctx, w)
}

// left is the status of an object that nobody looks at.
func (k *Keeper) left(o *v1alpha1.FlowExporter, why idle) write {
	now := k.Clock.Now()
	after := Judge(&Facts{Now: now, Server: k.Server(now), Exporter: o, Idle: why})
	return write{o, after, weigh(&o.Status, &after)}
}

// writeStatus writes one status, and tells of conditions that turned.
func (k *Keeper) writeStatus(ctx context.Context, w write) error {
	after := w.before.DeepCopy()
	after.Status = *w.status.DeepCopy() // the answer is decoded into it, and what is judged shares memory with what is cached
	// The resource version guards against a stale cache: conditions of the past would overwrite present ones.
	patch := client.MergeFromWithOptions(w.before, client.MergeFromWithOptimisticLock{})
	if err := k.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner)); err != nil {
		if apierrors.IsConflict(err) || client.IgnoreNotFound(err) == nil {
			return nil // the next look sees it as it is
		}
		return fmt.Errorf("writing the status of FlowExporter %s: %w", client.ObjectKeyFromObject(w.before), err)
	}
	for _, c := range w.status.Conditions {
		b := meta.FindStatusCondition(w.before.Status.Conditions, c.Type)
		switch {
		case c.Type == v1alpha1.ConditionReady: // sums up the others
		case c.Status == metav1.ConditionFalse && (b == nil || b.Status != metav1.ConditionFalse):
			k.Events.Eventf(after, nil, corev1.EventTypeWarning, c.Reason, c.Type, "%s", c.Type+": "+c.Message)
		case c.Status == metav1.ConditionTrue && b != nil && b.Status == metav1.ConditionFalse:
			k.Events.Eventf(after, nil, corev1.EventTypeNormal, c.Reason, c.Type, "%s", c.Type+": "+c.Message)
		}
	}
	return nil
}

// facts of one object, at a time of the operator's clock and the same one by the API server's.
func (m *memory) facts(o *v1alpha1.FlowExporter, now, server time.Time) *Facts {
	f := &Facts{Now: now, Server: server, Exporter: o, Look: m.look, Nameless: m.nameless, Uptake: m.uptake}
	if a := m.settings.of[o.Name]; a != nil {
		f.Settings, f.InForce = *a, m.configured.has(a.device)
	}
	if o.Status.LastHeard != nil && !ofAnother(o) {
		f.LastHeard = f.here(o.Status.LastHeard.Time)
	}
	if f.LastHeard.After(now.Add(maxSkew)) { // the clock was ahead when that was written: it was before this look at the latest
		f.LastHeard = m.look.Since
	}
	for i, text := range o.Spec.Addresses {
		address, _ := parse(string(text))
		s := m.senders[address]
		if s == nil || slices.ContainsFunc(o.Spec.Addresses[:i], func(a v1alpha1.ExporterAddress) bool { return same(a, address) }) {
			continue
		}
		if s.heard.After(f.LastHeard) {
			f.LastHeard = s.heard
		}
		if f.Figures == nil {
			f.Figures = &Figures{}
		}
		f.Figures.add(s.figures)
		if w := s.window(); w != nil {
			if f.Window == nil {
				f.Window = &Window{}
			}
			f.Window.add(w)
		}
	}
	return f
}
