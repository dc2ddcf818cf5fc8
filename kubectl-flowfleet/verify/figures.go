package verify

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Figures of one collector, summed up over its listeners.
type Figures struct {
	// Datagrams received, Decoded and Refused, and those that the kernel dropped before.
	Datagrams, Decoded, Refused, KernelDrops uint64
	// SetsLost expired before their template came, or were dropped; SetsWaiting wait for it now.
	SetsLost, SetsWaiting uint64
	// Records decoded, and those that the output Dropped.
	Records, Dropped uint64
}

// Sum adds up what a collector says of its listeners.
func Sum(d *status.Document) (n Figures) {
	for i := range d.Listeners {
		l := &d.Listeners[i]
		n.Datagrams += l.Received
		n.Decoded += l.Decoded
		n.Refused += ledger.Sum(l.Refused)
		n.KernelDrops += l.KernelDropped
		n.SetsLost += ledger.Sum(l.SetsExpired) + ledger.Sum(l.SetsDropped)
		n.SetsWaiting += l.SetsWaiting
		n.Records += l.Records
	}
	n.Dropped = ledger.Sum(d.Output.Dropped)
	return n
}

// wellWhenFalse are the conditions that say that something is wrong, or going on, when they are True.
var wellWhenFalse = []string{v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	v1alpha1.ConditionOperatorConflict}

// reasonSuspended is of the condition Progressing while spec.suspend is set.
const reasonSuspended = "Suspended"

// Attention are the conditions that are not as they are when all is well. That a fleet is suspended is told once.
func Attention(conditions []metav1.Condition) []metav1.Condition {
	told := meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReconciling)
	return slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool {
		if slices.Contains(wellWhenFalse, c.Type) {
			return c.Status == metav1.ConditionFalse && (c.Reason != reasonSuspended || told)
		}
		return c.Status == metav1.ConditionTrue
	})
}

// Brief are conditions in whose messages those of the others do not stand again, as Ready and Degraded repeat them: they say where to look.
func Brief(conditions []metav1.Condition) []metav1.Condition {
	out := slices.Clone(conditions)
	for i := range out {
		if !slices.Contains(summaries, out[i].Type) {
			continue
		}
		for _, c := range conditions {
			if !slices.Contains(summaries, c.Type) && c.Message != "" {
				out[i].Message = strings.ReplaceAll(out[i].Message, c.Type+": "+c.Message, "see "+c.Type)
			}
		}
	}
	return out
}

// summaries are the conditions that repeat what others say.
var summaries = []string{v1alpha1.ConditionReady, v1alpha1.ConditionDegraded}
