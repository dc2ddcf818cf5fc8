package sink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/redact"
)

// Reasons of conditions of FlowSinks.
const (
	ReasonFlowCollectorMissing = "FlowCollectorMissing"
	ReasonStreamPending        = "StreamPending"
	ReasonInvalid              = "Invalid"
	ReasonApplyFailed          = "ApplyFailed"
	ReasonNoReplicas           = "NoReplicas"
	ReasonObjectDeleted        = "ObjectDeleted"
	ReasonRolling              = "Rolling"
	ReasonSinksNotReady        = "SinksNotReady"
	ReasonSinksReady           = "SinksReady"
	ReasonEverythingRefused    = "EverythingRefused"
	ReasonNotKnown             = "NotKnown"
	ReasonDestinationFails     = "DestinationFails"
	ReasonSchemaCurrent        = "SchemaCurrent"
	ReasonSchemaMissing        = "SchemaMissing"
	ReasonSchemaDiffers        = "SchemaDiffers"
	ReasonDestinationShared    = "DestinationShared"
	ReasonNotStarted           = "NotStarted"
	ReasonStoredTwice          = "StoredTwice"
)

// Facts are what is known of a FlowSink.
type Facts struct {
	Sink *v1alpha1.FlowSink
	// Collector that it reads from; nil where there is none, or it is being deleted.
	Collector *v1alpha1.FlowCollector
	// Deleting: it is the latter.
	Deleting bool
	// Stream of the FlowCollector; empty while that has none.
	Stream string
	Image  string
	// Problems that only another spec solves: see Sink.Problems.
	Problems []string
	// Stores: the Deployment, as it was last applied, stores the flows that the spec wants in the tables that it wants. Twins are the other
	// FlowSinks that do the same, or would.
	Stores bool
	Twins  []Twin
	// Uncompared: the twins are not known.
	Uncompared bool
	// Failure is what went wrong when the objects were applied, and Forbidden what the operator lacks the right to do, in the API server's words.
	Failure   string
	Forbidden []string
	// Refused are the API server's words for what it will say again whatever the cluster does: only another spec helps.
	Refused []string
	// Going are objects that somebody deletes and finalizers keep: they are made again once they are gone.
	Going []string
	// Contested are objects that others change each time that they are put back.
	Contested []string
	// Deployment as it was last seen; nil where there is none.
	Deployment *appsv1.Deployment
	// Unseen are the kinds of objects that the operator cannot watch (any more): what is known of them is of the past.
	Unseen judge.Unseen
	// Blind: because of Unseen, nothing is known of what the FlowSink has. No other fact says anything then.
	Blind bool
	// Behind: it was changed since.
	Behind bool
	Pods   []corev1.Pod
	// Heard is what the sinks said of themselves, and Placed what was said last of where their consumer stands, by one that may be gone; nil where
	// nothing was. Now is the time.
	Heard  []Heard
	Placed *Heard
	Now    time.Time
	// Server is the same moment by the API server's clock, of which the times of objects are; Now where it is zero.
	Server time.Time
	// Unasked: the operator has asked none of them yet since it started.
	Unasked bool
}

// said is what is to be said about one condition.
type said struct {
	status          metav1.ConditionStatus
	reason, message string
}

// maxMessage of a condition, in bytes.
const maxMessage = 4096

// written is the time that conditions have which change now.
func (f *Facts) written() metav1.Time { return metav1.NewTime(f.server().Truncate(time.Second)) }

// server is now by the clock of which the times of objects are.
func (f *Facts) server() time.Time {
	if f.Server.IsZero() {
		return f.Now
	}
	return f.Server
}

// Judge says how a FlowSink is. The times of conditions that stay as they are stay, too.
func Judge(f *Facts) v1alpha1.FlowSinkStatus {
	out := *f.Sink.Status.DeepCopy()
	if !f.Sink.DeletionTimestamp.IsZero() {
		f.deleting(&out)
		return out
	}
	now := *f
	now.Heard = f.heard()
	f = &now
	switch {
	case f.Blind, f.Collector == nil, f.Stream == "", len(f.Forbidden) > 0:
	case len(f.Problems) > 0, f.Waits() != nil, len(f.Refused) > 0: // Stalled is about the spec as it is now
		out.ObservedGeneration = f.Sink.Generation
	case f.Failure != "", len(f.Going)+len(f.Contested) > 0:
	default:
		out.ObservedGeneration, out.Stream, out.Image = f.Sink.Generation, f.Stream, f.Image
	}
	if !f.Blind {
		out.Replicas, out.ReadyReplicas = 0, 0
	}
	if d := f.Deployment; d != nil {
		out.Replicas, out.ReadyReplicas = d.Status.Replicas, d.Status.ReadyReplicas
	}
	out.Summary = fmt.Sprintf("%d/%d", out.ReadyReplicas, Replicas(f.Sink))
	ready := f.ready()
	set := func(kind string, s said) {
		if s.status == "" {
			meta.RemoveStatusCondition(&out.Conditions, kind)
			return
		}
		c := metav1.Condition{Type: kind, Status: s.status, Reason: s.reason,
			Message: judge.Message(redact.Words(s.message), maxMessage), ObservedGeneration: f.Sink.Generation, LastTransitionTime: f.written()}
		if toldBySinks[kind] && s.status != metav1.ConditionUnknown && !f.run(out.ObservedGeneration) { // what sinks of an earlier spec say is not of this one
			c.ObservedGeneration--
			if old := meta.FindStatusCondition(out.Conditions, kind); old != nil {
				c.ObservedGeneration = old.ObservedGeneration
			}
		}
		meta.SetStatusCondition(&out.Conditions, c)
	}
	set(v1alpha1.ConditionReady, ready)
	set(v1alpha1.ConditionDestinationReachable, f.destinationReachable(ready))
	set(v1alpha1.ConditionKeepingUp, f.keepingUp(&out))
	set(v1alpha1.ConditionSchemaCurrent, f.schemaCurrent())
	if !f.Blind && !f.Uncompared { // otherwise what was said stays
		set(v1alpha1.ConditionDestinationShared, f.destinationShared())
	}
	out.Books = books(f.Heard)
	set(v1alpha1.ConditionReconciling, f.reconciling(ready))
	set(v1alpha1.ConditionStalled, f.stalled(ready))
	return out
}

// toldBySinks are conditions that say what the sinks do which run, of whatever spec they are.
var toldBySinks = map[string]bool{v1alpha1.ConditionDestinationReachable: true, v1alpha1.ConditionKeepingUp: true, v1alpha1.ConditionSchemaCurrent: true}

// run reports whether all sinks that run are of the present spec; observed is the generation that the judgement takes for applied.
func (f *Facts) run(observed int64) bool {
	d := f.Deployment
	return observed == f.Sink.Generation && len(f.Problems)+len(f.Refused) == 0 && f.Waits() == nil && d != nil && !f.Behind &&
		d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == d.Status.UpdatedReplicas
}

// deleting says that the FlowSink goes. Nothing else is known of one that does.
func (f *Facts) deleting(out *v1alpha1.FlowSinkStatus) {
	const what = "the FlowSink is being deleted"
	out.Replicas, out.ReadyReplicas, out.Books = 0, 0, nil
	if d := f.Deployment; d != nil {
		out.Replicas, out.ReadyReplicas = d.Status.Replicas, d.Status.ReadyReplicas
	}
	out.Summary = fmt.Sprintf("%d/%d", out.ReadyReplicas, Replicas(f.Sink))
	set := func(kind string, status metav1.ConditionStatus, message string) {
		meta.SetStatusCondition(&out.Conditions, metav1.Condition{Type: kind, Status: status, Reason: judge.ReasonDeleting,
			Message: judge.Message(message, maxMessage), ObservedGeneration: f.Sink.Generation, LastTransitionTime: f.written()})
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionDestinationShared} {
		meta.RemoveStatusCondition(&out.Conditions, kind)
	}
	for i := range out.Conditions {
		set(out.Conditions[i].Type, metav1.ConditionUnknown, what)
	}
	set(v1alpha1.ConditionReady, metav1.ConditionFalse, what+", and waits for those whose finalizers it has: "+strings.Join(f.Sink.Finalizers, ", "))
}

// ready is True where all sinks that are wanted run with the present spec, can read the stream and can store.
func (f *Facts) ready() said {
	no := func(reason, format string, args ...any) said {
		return said{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
	}
	wanted := Replicas(f.Sink)
	switch d := f.Deployment; {
	case f.Blind:
		return said{metav1.ConditionUnknown, f.Unseen.Reason(), f.Unseen.CannotBegin() + ", and what runs is left as it is: " + f.Unseen.String()}
	case len(f.Forbidden) > 0:
		return no(judge.ReasonOperatorForbidden, "%s%s", judge.LacksRights, strings.Join(f.Forbidden, "; "))
	case f.Deleting:
		return no(ReasonFlowCollectorMissing, "FlowCollector %s is being deleted, and what runs is left as it is: create it again once it is gone, or make a FlowSink "+
			"of another one", f.Sink.Spec.From.FlowCollector)
	case f.Collector == nil:
		return no(ReasonFlowCollectorMissing, "there is no FlowCollector %s in this namespace: create it, or make a FlowSink of another one",
			f.Sink.Spec.From.FlowCollector)
	case f.Stream == "":
		return no(ReasonStreamPending, "FlowCollector %s has no stream yet: its condition StreamReady says why", f.Collector.Name)
	case len(f.Problems) > 0:
		return no(ReasonInvalid, "%s: %s", f.stays(), strings.Join(f.Problems, "; "))
	case f.Waits() != nil:
		return no(ReasonDestinationShared, "%s", f.waiting(f.Waits()))
	case len(f.Refused) > 0:
		return no(judge.ReasonRefused, "Kubernetes refuses an object that the operator makes from the spec, and %s: %s", f.stays(), strings.Join(f.Refused, "; "))
	case f.Failure != "":
		return no(ReasonApplyFailed, "%s", f.Failure)
	case len(f.Going) > 0:
		return no(ReasonObjectDeleted, "%s", strings.Join(f.Going, "; "))
	case len(f.Contested) > 0:
		return no(judge.ReasonContested, "%s", strings.Join(f.Contested, "; "))
	case len(f.Unseen) > 0:
		return said{metav1.ConditionUnknown, f.Unseen.Reason(), "the operator " + f.Unseen.Cannot("see how the sinks are") + ": " + f.Unseen.String()}
	case d == nil, f.Behind, d.Status.ObservedGeneration < d.Generation:
		return no(ReasonRolling, "the sinks are being made")
	case wanted == 0:
		return no(ReasonNoReplicas, "spec.replicas is 0: flows wait in the stream, until it lets go of them")
	case d.Status.UpdatedReplicas < wanted || d.Status.Replicas > d.Status.UpdatedReplicas && d.Status.ReadyReplicas >= wanted:
		if f.late() {
			return no(judge.ReasonProgressDeadlineExceeded, "%s, and no more were replaced for %s%s%s", f.replaced(), f.deadline(), f.holdsUp(), f.troubles())
		}
		return no(ReasonRolling, "%s%s%s", f.replaced(), f.holdsUp(), f.troubles())
	case d.Status.Replicas > wanted || d.Status.ReadyReplicas < wanted:
		return no(ReasonSinksNotReady, "%d of %d sinks can read the stream and store; %s%s",
			d.Status.ReadyReplicas, wanted, cmp.Or(f.fault(), f.otherFault(), f.schemaFault(), f.unsaid()), f.troubles())
	}
	if why := f.rejecting(); why != "" {
		return no(ReasonEverythingRefused, "%s; they are kept in the stream %s: mend the cause, then publish them anew", why,
			refusedStream(f.Sink, f.Stream))
	}
	return said{metav1.ConditionTrue, ReasonSinksReady, fmt.Sprintf("%d of %d sinks read the stream %s and store", wanted, wanted, f.Stream)}
}

// replaced is how far a rollout is. What is missing comes first: of one sink, the former one may run while all that are wanted are of the present spec.
func (f *Facts) replaced() string {
	d := f.Deployment.Status
	text := fmt.Sprintf("%d of %d sinks have the present spec", d.UpdatedReplicas, Replicas(f.Sink))
	if former := d.Replicas - d.UpdatedReplicas; former > 0 {
		text = fmt.Sprintf("former sinks that run until others can take over: %d; %s", former, text)
	}
	return text
}

// holdsUp is what a sink says that has trouble, as a part of a message.
func (f *Facts) holdsUp() string {
	if why := cmp.Or(f.fault(), f.otherFault()); why != "" {
		return "; " + why
	}
	return ""
}

// rejecting is what the first sink says that has stored nothing of the last messages, since each was refused for ever.
func (f *Facts) rejecting() string {
	for i := range f.Heard {
		if d := f.Heard[i].Said; d != nil && d.Rejecting != "" {
			return fmt.Sprintf("%s stores nothing: the last messages were all refused, the latest as %s", f.Heard[i].Pod.Name, d.Rejecting)
		}
	}
	return ""
}

// troubles of the pods, as the end of a message, with why there are none: a quota or an admission policy shows in no pod.
func (f *Facts) troubles() string {
	t := judge.PodTroubles(f.present(), Component, f.server())
	if f.Deployment != nil {
		for _, c := range f.Deployment.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				t = append(t, "pods are not made: "+c.Message)
			}
		}
	}
	if len(t) == 0 {
		return ""
	}
	return ": " + strings.Join(t, "; ")
}

// fault is what the first sink that has trouble with the destination says of it; nothing where none says so.
func (f *Facts) fault() string {
	for i := range f.Heard {
		if d := f.Heard[i].Said; d != nil && (d.Destination != "" || d.Storing != "") {
			return fmt.Sprintf("%s says: %s", f.Heard[i].Pod.Name, cmp.Or(d.Destination, d.Storing))
		}
	}
	return ""
}

// otherFault is what the first sink says that has trouble with NATS: with the connection, with its consumer, with putting away what was
// refused, or with keeping blocks. It is empty where none says so.
func (f *Facts) otherFault() string {
	for i := range f.Heard {
		if d := f.Heard[i].Said; d != nil && cmp.Or(d.NATS, d.Reading, d.Refusing, d.Blocks) != "" {
			return fmt.Sprintf("%s says: %s", f.Heard[i].Pod.Name, cmp.Or(d.NATS, d.Reading, d.Refusing, d.Blocks))
		}
	}
	return ""
}

// unsaid is where to look while no sink has said what is wrong.
func (f *Facts) unsaid() string {
	return fmt.Sprintf("see kubectl logs -n %s deployment/%s", f.Sink.Namespace, ObjectName(f.Sink))
}

// destinationReachable is what sinks say of the destination. Of one that does not tell, only that it is ready says anything.
func (f *Facts) destinationReachable(ready said) said {
	if fault := f.fault(); fault != "" {
		return said{metav1.ConditionFalse, ReasonDestinationFails, fault}
	}
	if ready.status == metav1.ConditionTrue || ready.reason == ReasonEverythingRefused {
		return said{metav1.ConditionTrue, ReasonSinksReady, "all sinks reach it and its tables"}
	}
	return said{metav1.ConditionUnknown, ReasonNotKnown, "not all sinks are ready: see Ready"}
}

// keepingUp judges the consumer that the sinks share, and notes in the status where it stands. Where nobody tells, the status keeps what
// was known last: losses are counted from there.
func (f *Facts) keepingUp(out *v1alpha1.FlowSinkStatus) said {
	stream := cmp.Or(f.Stream, f.Sink.Status.Stream)
	if stream == "" {
		return said{metav1.ConditionUnknown, ReasonNotKnown, "the FlowCollector has no stream yet"}
	}
	found, at, why := place(f.Heard, f.Placed, stream, ConsumerName(f.Sink))
	if found == nil {
		return said{metav1.ConditionUnknown, ReasonNotKnown, cmp.Or(why, "no sink tells how far it has read: see Ready")}
	}
	server := f.server() // the status outlives the operator, whose clock may be any
	reader, c := judge.Reader(found, server.Add(at.Sub(f.Now)), server, f.Sink.Status.Reader, meta.FindStatusCondition(f.Sink.Status.Conditions, v1alpha1.ConditionKeepingUp))
	out.Reader = &reader
	return said{c.Status, c.Reason, c.Message}
}

// schemaCurrent is what sinks found when they looked at the tables last.
func (f *Facts) schemaCurrent() said {
	current := said{metav1.ConditionUnknown, ReasonNotKnown, "no sink has looked at the tables: see DestinationReachable and Ready"}
	for i := range f.Heard {
		if f.Heard[i].Said == nil || f.Heard[i].Said.Schema == nil {
			continue
		}
		switch s := f.Heard[i].Said.Schema; {
		case s.Version == 0:
			return said{metav1.ConditionFalse, ReasonSchemaMissing, fmt.Sprintf("there are no tables in the database %[1]s: make those that \"collector schema "+
				"clickhouse --database %[1]s\" prints, or set clickHouse.createTables", f.Sink.Spec.ClickHouse.Database)}
		case s.Version != s.Wanted:
			return said{metav1.ConditionFalse, ReasonSchemaDiffers, f.Heard[i].Pod.Name + " says: " +
				clickhouse.Differ(f.Sink.Spec.ClickHouse.Database, s.Version, s.Wanted)}
		default:
			current = said{metav1.ConditionTrue, ReasonSchemaCurrent, fmt.Sprintf("the tables have version %d", s.Version)}
		}
	}
	return current
}

// onlyAnotherSpec reports whether only another spec helps, or another FlowSink's end.
func onlyAnotherSpec(ready said) bool {
	return ready.reason == ReasonInvalid || ready.reason == judge.ReasonRefused || ready.reason == ReasonNoReplicas || ready.reason == ReasonDestinationShared
}

// schemaFault is what is wrong with the tables. It is empty where nothing is, or where nobody has looked.
func (f *Facts) schemaFault() string {
	if s := f.schemaCurrent(); s.status == metav1.ConditionFalse {
		return s.message
	}
	return ""
}

// late reports whether Kubernetes says that the Deployment has not got on for its deadline. It says so until it does.
func (f *Facts) late() bool {
	return f.Deployment != nil && slices.ContainsFunc(f.Deployment.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == judge.ReasonProgressDeadlineExceeded
	})
}

// deadline of the Deployment.
func (f *Facts) deadline() time.Duration {
	seconds := int32(600) // what Kubernetes fills in
	if s := f.Deployment.Spec.ProgressDeadlineSeconds; s != nil {
		seconds = *s
	}
	return time.Duration(seconds) * time.Second
}

// stalled is what kstatus reads as a failure: only another spec helps, or a rollout has not got on.
func (f *Facts) stalled(ready said) said {
	switch {
	case onlyAnotherSpec(ready), ready.reason == judge.ReasonProgressDeadlineExceeded:
		return said{metav1.ConditionTrue, ready.reason, ready.message}
	case ready.reason == ReasonSinksNotReady && f.late():
		return said{metav1.ConditionTrue, judge.ReasonProgressDeadlineExceeded, fmt.Sprintf("for %s nothing has progressed: %s", f.deadline(), ready.message)}
	}
	return said{}
}

// reconciling is what kstatus reads: True while the sinks are on their way.
func (f *Facts) reconciling(ready said) said {
	if ready.status == metav1.ConditionTrue || f.stalled(ready).status == metav1.ConditionTrue {
		return said{}
	}
	return said{metav1.ConditionTrue, ready.reason, ready.message}
}
