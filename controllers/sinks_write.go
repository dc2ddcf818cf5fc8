package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
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
	return before.Lost != after.Lost || before.LostAtLeast != after.LostAtLeast || !before.Position.Created.Equal(&after.Position.Created) ||
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
