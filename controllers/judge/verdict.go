package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Verdict is what the facts come to.
type Verdict struct {
	// Status to be written where it differs from the one before.
	Status v1alpha1.FlowCollectorStatus
	// Transitions of conditions, to be told as events and in the log once the status was written.
	Transitions []Transition
	// Again is when the judgement may change though no fact but the time does; 0 for never.
	Again time.Duration
	// Memory for the next judgement.
	Memory Memory
	// Settled: the collectors of the present spec run, or did once. Stuck: nothing has got on for the deadline.
	Settled, Stuck bool
}

// Transition is a condition whose status or reason changed.
type Transition struct {
	Type, Reason, Message string
	From, To              metav1.ConditionStatus
	// Warning: somebody should look.
	Warning bool
	// Event: it is worth one. Sums such as Ready tell of other statuses only: their reasons are told by the conditions they come from.
	Event bool
}

// said is what a judge says of its condition. One without a status is not there.
type said struct {
	status          metav1.ConditionStatus
	reason, message string
	// passing: it is part of every start or change; nothing is wrong yet.
	passing bool
	// harmless: it is False, and the fleet is not less than it should be for it.
	harmless bool
}

func say(status metav1.ConditionStatus, reason, format string, args ...any) said {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return said{status: status, reason: reason, message: format}
}

func isTrue(reason, format string, args ...any) said {
	return say(metav1.ConditionTrue, reason, format, args...)
}

func isFalse(reason, format string, args ...any) said {
	return say(metav1.ConditionFalse, reason, format, args...)
}

func isUnknown(reason, format string, args ...any) said {
	return say(metav1.ConditionUnknown, reason, format, args...)
}

// yet marks what is part of every start.
func (s said) yet() said {
	s.passing = true
	return s
}

// judgement is one on its way.
type judgement struct {
	*Facts
	rollout rollout
	service service
	senders senders
	said    map[string]said
	memory  Memory
	again   time.Duration
	// consumersNow are those of the status that is being made.
	consumersNow []v1alpha1.ConsumerStatus
}

// Judge says what the facts come to.
func Judge(f *Facts) Verdict {
	j := &judgement{Facts: f, said: make(map[string]said), memory: f.Before}
	status := *f.Collector.Status.DeepCopy()
	switch {
	case f.Blind:
		j.blind()
	case f.Deletion != nil:
		j.deleting(&status)
	default:
		j.rollout = j.judgeRollout()
		j.service = j.judgeService()
		j.senders = j.judgeSenders()
		j.counts(&status)
		j.consumerCounts(&status)
		j.consumersNow = status.Consumers
		for kind, judge := range map[string]func() said{
			v1alpha1.ConditionConfigurationValid:    j.configurationValid,
			v1alpha1.ConditionCollectorsAvailable:   j.collectorsAvailable,
			v1alpha1.ConditionTemplateStoreReady:    j.templateStoreReady,
			v1alpha1.ConditionStreamReady:           j.streamReady,
			v1alpha1.ConditionServiceReady:          func() said { return j.service.said },
			v1alpha1.ConditionSourceIPPreserved:     j.sourceIPPreserved,
			v1alpha1.ConditionLoadDistributed:       j.loadDistributed,
			v1alpha1.ConditionNothingLost:           j.nothingLost,
			v1alpha1.ConditionReceiveBuffersGranted: j.receiveBuffersGranted,
			v1alpha1.ConditionConsumersKeepUp:       j.consumersKeepUp,
			v1alpha1.ConditionMonitoringReady:       j.monitoringReady,
			v1alpha1.ConditionProgressing:           j.progressing,
		} {
			j.said[kind] = j.unlessPending(kind, judge())
		}
		j.said[v1alpha1.ConditionStalled] = j.stalled()
		j.said[v1alpha1.ConditionReconciling] = j.reconciling()
		j.said[v1alpha1.ConditionReady] = j.ready(&status)
		j.said[v1alpha1.ConditionDegraded] = j.degraded()
	}
	return j.verdict(status)
}

// unlessPending keeps what was said before an operator was restarted, until it has looked itself. What was said of another spec does not pass
// for what is known of this one.
func (j *judgement) unlessPending(kind string, s said) said {
	c := j.condition(kind)
	if s.status != metav1.ConditionUnknown || s.reason != ReasonPending || c == nil || c.Status == metav1.ConditionUnknown && !found[c.Reason] || c.Reason == ReasonDeleting ||
		j.appliedInFull() && c.ObservedGeneration != j.Collector.Generation { // else it goes on to name the generation that it is of
		return s
	}
	return j.asBefore(kind)
}

// found are reasons for which a condition is Unknown though all that can be looked at was.
var found = map[string]bool{ReasonTooLittleTraffic: true, ReasonNobodySends: true}

// asBefore is what the judgement before said of a condition; nothing where there was none.
func (j *judgement) asBefore(kind string) said {
	c := j.condition(kind)
	if c == nil {
		return said{}
	}
	s := say(c.Status, c.Reason, "%s", c.Message)
	s.harmless = harmless[c.Reason] // the status does not keep it
	return s
}

// harmless are reasons of conditions that are False without the fleet being less than it should be.
var harmless = map[string]bool{ReasonDatagramsRefused: true, ReasonBuffersSmaller: true, ReasonNeverRead: true}

// verdict puts together what was said.
func (j *judgement) verdict(status v1alpha1.FlowCollectorStatus) Verdict {
	v := Verdict{Memory: j.memory, Again: j.again, Settled: j.rollout.settled, Stuck: j.rollout.stuck}
	before := j.Collector.Status.Conditions
	inFull := j.appliedInFull()
	stalled := j.said[v1alpha1.ConditionStalled].status == metav1.ConditionTrue
	if inFull || stalled {
		status.ObservedGeneration = j.Collector.Generation
	}
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for kind := range j.said {
			if !yield(kind) {
				return
			}
		}
	}) {
		s := j.said[kind]
		old := meta.FindStatusCondition(before, kind)
		if s.status == "" {
			meta.RemoveStatusCondition(&status.Conditions, kind)
			if old != nil && old.Status == metav1.ConditionTrue {
				v.Transitions = append(v.Transitions, Transition{Type: kind, Reason: reasonOver, From: old.Status, To: metav1.ConditionFalse})
			}
			continue
		}
		c := metav1.Condition{Type: kind, Status: s.status, Reason: s.reason, Message: Message(s.message, longestMessage),
			LastTransitionTime: seconds(j.server())}
		switch {
		case kind == v1alpha1.ConditionStalled, inFull && (kind != v1alpha1.ConditionReady || j.rollout.settled):
			c.ObservedGeneration = j.Collector.Generation
		case old != nil:
			c.ObservedGeneration = old.ObservedGeneration
		}
		if c.ObservedGeneration == 0 { // kubectl wait would take it for one of the present spec
			c.ObservedGeneration = j.Collector.Generation - 1
		}
		set(&status.Conditions, c)
		if t, ok := transition(old, &c, s); ok {
			v.Transitions = append(v.Transitions, t)
		}
	}
	v.Status = status
	return v
}

// set is meta.SetStatusCondition with the judgement's clock: that one takes the machine's.
func set(conditions *[]metav1.Condition, c metav1.Condition) {
	for i := range *conditions {
		old := &(*conditions)[i]
		if old.Type == c.Type {
			begins := c.Reason == ReasonDeleting && old.Reason != ReasonDeleting // a deletion is counted from there
			if old.Status == c.Status && !begins {
				c.LastTransitionTime = old.LastTransitionTime
			}
			*old = c
			return
		}
	}
	*conditions = append(*conditions, c)
}

// sums are conditions whose reasons are those of others.
var sums = map[string]bool{v1alpha1.ConditionReady: true, v1alpha1.ConditionDegraded: true, v1alpha1.ConditionReconciling: true}

// abnormal conditions are bad when they are True.
var abnormal = map[string]bool{v1alpha1.ConditionStalled: true, v1alpha1.ConditionDegraded: true}

func transition(old, c *metav1.Condition, s said) (Transition, bool) {
	t := Transition{Type: c.Type, Reason: c.Reason, Message: c.Message, From: metav1.ConditionUnknown, To: c.Status}
	reason := ""
	if old != nil {
		t.From, reason = old.Status, old.Reason
	}
	if t.From == t.To && reason == c.Reason {
		return t, false
	}
	switch {
	case s.passing, c.Type == v1alpha1.ConditionReconciling:
	case abnormal[c.Type]:
		t.Warning = c.Status == metav1.ConditionTrue
	case c.Type == v1alpha1.ConditionProgressing:
		t.Warning = c.Reason == ReasonProgressDeadlineExceeded || c.Reason == ReasonOperatorForbidden || c.Reason == ReasonWatchFails || c.Reason == ReasonRetrying ||
			c.Reason == ReasonContested
	default:
		t.Warning = c.Status == metav1.ConditionFalse
	}
	switch {
	case c.Status == metav1.ConditionUnknown, c.Type == v1alpha1.ConditionReconciling, c.Type == v1alpha1.ConditionDegraded:
	case sums[c.Type]:
		t.Event = t.From != t.To
	default:
		t.Event = t.From != t.To || t.Warning
	}
	return t, true
}

// EventType is that of Kubernetes.
func (t Transition) EventType() string {
	if t.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

// lookAgainAt makes the next judgement come no later.
func (j *judgement) lookAgainAt(at time.Time) {
	wait := max(at.Sub(j.Now), time.Millisecond)
	if j.again == 0 || wait < j.again {
		j.again = wait
	}
}

// condition is one as the judgement before left it; nil for none.
func (f *Facts) condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.Collector.Status.Conditions, kind)
}

// longestMessage is the API's bound.
const longestMessage = 32768

// cut shortens a text to a number of bytes, between characters.
func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "")
}

// Cut shortens a text to a number of bytes, between characters.
func Cut(text string, longest int) string { return cut(text, longest) }

// Message is what a condition says, whoever's words are in it: in one line, of a number of bytes at most, and as it is once it was written.
func Message(text string, longest int) string { return cut(oneLine(Plain(text)), longest) }

// oneLine is a text as a condition's message has it. What is no UTF-8 would be another text once it was written, and be written again for ever.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\n", "; ")
}
