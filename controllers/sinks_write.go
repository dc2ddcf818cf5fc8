package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// sinkFigures is the least time between two writes of a FlowSink's status that differ in figures and words only.
const sinkFigures = time.Minute

// worth says how much a status of a FlowSink differs from the one that is written.
type worth int

const (
	nothingNew worth = iota
	// newFigures are worth a write once a minute, newJudgement at once.
	newFigures
	newJudgement
)

// writeStatus writes the status where it differs by enough, and tells of it in events where conditions are others. Metrics show it at once.
// It returns when to try again, 0 for not at all.
func (r *SinkReconciler) writeStatus(ctx context.Context, f *sink.Facts) (time.Duration, error) {
	before, after := f.Sink, f.Sink.DeepCopy()
	after.Status = sink.Judge(f)
	name := client.ObjectKeyFromObject(before)
	r.conditions.show(name, before.Status.Conditions, after.Status.Conditions)
	r.readers.showSink(after)
	r.wanted.WithLabelValues(name.Namespace, name.Name).Set(float64(sink.Replicas(after)))
	r.mu.Lock()
	wait := sinkFigures - f.Now.Sub(r.wrote[name])
	r.mu.Unlock()
	switch weighSink(&before.Status, &after.Status) {
	case nothingNew:
		return 0, nil
	case newFigures:
		if wait > 0 {
			return wait, nil
		}
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.behind.refused(before, r.Client.Status().Patch(ctx, after, patch, client.FieldOwner(fieldOwner))); client.IgnoreNotFound(err) != nil {
		if lacksRight(err) { // an event is then all that whoever describes the object sees of it
			r.Events.Eventf(before, nil, corev1.EventTypeWarning, judge.ReasonOperatorForbidden, "WriteStatus", "%s", judge.Cut(judge.Plain(
				"the status is out of date: "+judge.LacksRights+err.Error()), 1024))
		}
		return 0, fmt.Errorf("writing the status of FlowSink %s: %w", name, err)
	}
	r.mu.Lock()
	r.wrote[name] = f.Now
	r.mu.Unlock()
	if e := consumerReplaced(before.Status.Reader, after.Status.Reader); e != "" {
		r.Events.Eventf(after, nil, corev1.EventTypeWarning, reasonConsumerReplaced, v1alpha1.ConditionKeepingUp, "%s", e)
	}
	for _, e := range sinkEvents(before.Status.Conditions, after.Status.Conditions) {
		r.Events.Eventf(after, nil, e.kind, e.reason, e.condition, "%s", judge.Cut(e.condition+": "+e.message, 1024))
	}
	return 0, nil
}

// sinkEvent tells of a condition that is another than it was.
type sinkEvent struct{ kind, reason, condition, message string }

// sinkEvents are those worth telling: Ready is told always; of the others, that they are False, and that they are not False any more. Of
// DestinationShared, it is what is wrong that it is there.
func sinkEvents(before, after []metav1.Condition) (out []sinkEvent) {
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionDestinationReachable, v1alpha1.ConditionKeepingUp, v1alpha1.ConditionSchemaCurrent,
		v1alpha1.ConditionDestinationShared} {
		was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
		if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
			continue
		}
		wrong := (is.Status == metav1.ConditionFalse) != (kind == v1alpha1.ConditionDestinationShared)
		if kind != v1alpha1.ConditionReady && !wrong && (was == nil || was.Status != metav1.ConditionFalse) {
			continue
		}
		event := corev1.EventTypeNormal
		if (wrong || is.Status == metav1.ConditionUnknown) && is.Reason != sink.ReasonRolling && is.Reason != judge.ReasonDeleting {
			event = corev1.EventTypeWarning
		}
		out = append(out, sinkEvent{event, is.Reason, kind, is.Message})
	}
	return out
}

// reasonConsumerReplaced is that of an event.
const reasonConsumerReplaced = "ConsumerReplaced"

// consumerReplaced says that somebody deleted the consumer of a stream that stayed, and where the next one began; nothing where that was not.
func consumerReplaced(before, after *v1alpha1.ConsumerStatus) string {
	if before == nil || after == nil || before.Position.StreamCreated.IsZero() || !before.Position.StreamCreated.Equal(&after.Position.StreamCreated) ||
		before.Position.Created.Equal(&after.Position.Created) {
		return ""
	}
	if after.Position.Start > 0 {
		return fmt.Sprintf("somebody deleted consumer %s; the next one began with message %d, behind the last that was known to be stored", after.Name,
			after.Position.Start)
	}
	return fmt.Sprintf("somebody deleted consumer %s; how far it had come is not known, so the next one began with the oldest message: what is more than "+
		"10,000 inserts back is stored twice", after.Name)
}

// weighSink weighs a status.
func weighSink(before, after *v1alpha1.FlowSinkStatus) worth {
	if len(before.Conditions) != len(after.Conditions) {
		return newJudgement
	}
	words := false
	for _, c := range after.Conditions {
		b := meta.FindStatusCondition(before.Conditions, c.Type)
		if b == nil || b.Status != c.Status || b.Reason != c.Reason || b.ObservedGeneration != c.ObservedGeneration {
			return newJudgement
		}
		words = words || c.Type != v1alpha1.ConditionKeepingUp && b.Message != c.Message // that one's has figures
	}
	a, b := before.DeepCopy(), after.DeepCopy()
	for _, s := range []*v1alpha1.FlowSinkStatus{a, b} {
		s.Conditions, s.Books, s.Reader = nil, nil, nil
	}
	switch {
	case !equality.Semantic.DeepEqual(a, b):
		return newJudgement
	case words, !equality.Semantic.DeepEqual(before.Books, after.Books), readerMoved(before.Reader, after.Reader):
		return newFigures
	}
	return nothingNew
}

// readerMoved reports whether what is shown of a consumer changed by much: doubled or halved, or by 5 points of what the stream keeps.
func readerMoved(before, after *v1alpha1.ConsumerStatus) bool {
	if before == nil || after == nil {
		return before != after
	}
	return before.Lost != after.Lost || before.LostAtLeast != after.LostAtLeast || before.MayBeLost != after.MayBeLost || !before.Position.Created.Equal(&after.Position.Created) ||
		muchOther(before.Pending, after.Pending, 100) || muchOther(before.AckPending, after.AckPending, 100) ||
		muchOther(value(before.LagSeconds), value(after.LagSeconds), 10) ||
		muchOther(int64(value(before.RetentionUsedPercent)), int64(value(after.RetentionUsedPercent)), 5)
}

// value of what may be unknown, -1 then.
func value[N int32 | int64](n *N) N {
	if n == nil {
		return -1
	}
	return *n
}

// muchOther reports whether a figure doubled or halved, beyond what is always small; whether it is known counts, too.
func muchOther(before, after, small int64) bool {
	low, high := min(before, after), max(before, after)
	return low < 0 && high >= 0 || high > small && low < high/2+high%2
}
