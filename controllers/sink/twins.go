package sink

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Twin is another FlowSink that is known to store the same flows in the same tables, or would once it runs.
type Twin struct {
	Sink *v1alpha1.FlowSink
	// Wanted: its spec wants that. Stores: its Deployment does that, as it was last applied.
	Wanted, Stores bool
}

// Waits returns the twin for which a FlowSink waits; nil where it need not. It is one that stores there already, or is older and wants to.
// What stores already is never stopped, and nor is what would run without sinks.
//
// So of two that both want to begin, the older one does; and one whose spec is changed so that it would store where another one does keeps on
// storing where it did, however old it is.
func (f *Facts) Waits() *Twin {
	if f.Stores {
		return nil
	}
	return f.Twin()
}

// Counts reports whether another FlowSink can be one that this one waits for, or tells of. Where it cannot, no younger one can. What would run
// without sinks waits for nobody, and where both store, the younger one tells.
func (f *Facts) Counts(other *v1alpha1.FlowSink) bool {
	if f.Stores {
		return Older(other, f.Sink) < 0
	}
	return Replicas(f.Sink) > 0
}

// Decides reports whether a twin is one that this FlowSink waits for, or, where both store, tells of.
func (f *Facts) Decides(t *Twin) bool {
	wants := !f.Stores && t.Wanted && Replicas(t.Sink) > 0 && Older(t.Sink, f.Sink) < 0
	return f.Counts(t.Sink) && (t.Stores || wants)
}

// Older is negative where one FlowSink counts as older than another: by time, which is of whole seconds, then by name.
func Older(a, b *v1alpha1.FlowSink) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Twin that a FlowSink tells of, the oldest: the one for which it waits, or, where both store, an older one. It is nil where there is none.
func (f *Facts) Twin() (out *Twin) {
	for i := range f.Twins {
		if t := &f.Twins[i]; f.Decides(t) && (out == nil || Older(t.Sink, out.Sink) < 0) {
			out = t
		}
	}
	return out
}

// destinationShared is there, and True, where there is a twin to tell of.
func (f *Facts) destinationShared() said {
	t := f.Twin()
	switch {
	case t == nil:
		return said{}
	case f.Waits() != nil:
		return said{metav1.ConditionTrue, ReasonNotStarted, f.waiting(t)}
	}
	once := "a flow is stored once only as long as neither is more than 10,000 inserts behind the other"
	if f.blocks(t) {
		once = "since blocks of two consumers have other messages in them, what is stored in blocks is stored twice"
	}
	return said{metav1.ConditionTrue, ReasonStoredTwice, fmt.Sprintf("%s stores the same flows in the same tables: %s. Both go on, since they ran when "+
		"this was found. %s", f.names(t), once, f.remedy())}
}

// stays says what becomes of the sinks while the spec is not applied.
func (f *Facts) stays() string {
	if d := f.Deployment; d != nil && (d.Spec.Replicas == nil || *d.Spec.Replicas > 0) {
		return "what runs is left as it is"
	}
	return "no sinks are started"
}

func (f *Facts) waiting(t *Twin) string {
	twice := "what is more than 10,000 inserts back"
	if f.blocks(t) {
		twice = "what is stored in blocks"
	}
	return fmt.Sprintf("%s, since %s stores the same flows in the same tables, and %s would be stored twice. %s. "+
		"If the other one goes, this one begins by itself, with the oldest message that its consumer has not read", f.stays(), f.names(t), twice, f.remedy())
}

// blocks reports whether one of the two makes blocks, which no insert of the other is like.
func (f *Facts) blocks(t *Twin) bool { return f.Sink.Spec.Blocks != nil || t.Sink.Spec.Blocks != nil }

func (f *Facts) remedy() string {
	return fmt.Sprintf("Give this one another clickHouse.database, or delete it: kubectl delete flowsink %s -n %s", f.Sink.Name, f.Sink.Namespace)
}

// names a twin to those who read the status: those of one namespace are not told what others have.
func (f *Facts) names(t *Twin) string {
	if t.Sink.Namespace != f.Sink.Namespace {
		return "a FlowSink of another namespace, which the operator's log names,"
	}
	return "FlowSink " + t.Sink.Name
}
