package exporters

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// fieldOwner is the one name under which the operator writes.
const fieldOwner = "flowfleet"

// apply makes and removes objects, as many as may be written now.
func (k *Keeper) apply(ctx context.Context, fc *v1alpha1.FlowCollector, c choice) error {
	for _, o := range c.remove {
		if !k.mayWrite() {
			return nil
		}
		if err := k.Client.Delete(ctx, o, client.Preconditions{UID: &o.UID}); err != nil && !apierrors.IsConflict(err) && client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing FlowExporter %s: %w", client.ObjectKeyFromObject(o), err)
		}
	}
	for _, address := range c.make {
		if !k.mayWrite() {
			return nil
		}
		o := object(fc, address)
		if err := k.Client.Create(ctx, o, client.FieldOwner(fieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making FlowExporter %s: %w", client.ObjectKeyFromObject(o), err)
		}
	}
	return nil
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

// mayWrite takes one of the writes that are allowed.
func (k *Keeper) mayWrite() bool {
	ok := k.limiter.AllowN(k.Clock.Now(), 1)
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
func (k *Keeper) writeAll(ctx context.Context, m *memory, objects []v1alpha1.FlowExporter) error {
	var writes []write
	for i := range objects {
		o := &objects[i]
		after := Judge(m.facts(o, k.Clock.Now()))
		if u := weigh(&o.Status, &after); u > nothing {
			writes = append(writes, write{o, after, u})
		}
	}
	slices.SortStableFunc(writes, func(a, b write) int {
		return cmp.Or(cmp.Compare(b.urgency, a.urgency), lastHeard(a.before).Compare(lastHeard(b.before).Time))
	})
	for _, w := range writes {
		if !k.mayWrite() {
			return nil
		}
		if err := k.writeStatus(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func lastHeard(o *v1alpha1.FlowExporter) metav1.Time {
	if o.Status.LastHeard == nil {
		return metav1.Time{}
	}
	return *o.Status.LastHeard
}

// rest says of all objects that nobody looks at them, and removes those that the operator made.
func (k *Keeper) rest(ctx context.Context, fc *v1alpha1.FlowCollector, objects []v1alpha1.FlowExporter, why string) error {
	var c choice
	for i := range objects {
		o := &objects[i]
		if discovered(o) {
			c.remove = append(c.remove, o)
			continue
		}
		after := Judge(&Facts{Now: k.Clock.Now(), Exporter: o, Idle: why})
		if weigh(&o.Status, &after) > nothing && k.mayWrite() {
			if err := k.writeStatus(ctx, write{o, after, judgement}); err != nil {
				return err
			}
		}
	}
	if fc.Spec.Suspend {
		return nil
	}
	return k.apply(ctx, fc, c)
}

// writeStatus writes one status, and tells of conditions that turned.
func (k *Keeper) writeStatus(ctx context.Context, w write) error {
	after := w.before.DeepCopy()
	after.Status = w.status
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

// facts of one object.
func (m *memory) facts(o *v1alpha1.FlowExporter, now time.Time) *Facts {
	f := &Facts{Now: now, Exporter: o, Look: m.look}
	if o.Status.LastHeard != nil {
		f.LastHeard = o.Status.LastHeard.Time
	}
	for _, text := range o.Spec.Addresses {
		address, _ := parse(string(text))
		s := m.senders[address]
		if s == nil {
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
