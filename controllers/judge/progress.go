package judge

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// failuresTold is how many passes in a row have to fail before a condition says so: most failures, such as of a cache that is
// behind, are gone at the next one.
const failuresTold = 4

// Interrupted asks for what most often is behind rights that the operator lacks.
const Interrupted = "is its installation complete, or was an upgrade interrupted?"

// LacksRights is what a message begins with that names rights which the operator lacks.
const LacksRights = "the operator lacks rights (" + Interrupted + "): "

// progressing says whether the fleet is on its way to what the spec says.
func (j *judgement) progressing() said {
	a, r := &j.Applied, &j.rollout
	switch {
	case j.Collector.Spec.Suspend && len(a.Waiting) > 0:
		return isFalse(ReasonSuspended, "spec.suspend is set: the fleet goes on as it is, and changes wait: %s", strings.Join(a.Waiting, ", "))
	case j.Collector.Spec.Suspend && j.appliedInFull():
		return isFalse(ReasonSuspended, "spec.suspend is set: the fleet goes on as it is, and nothing is put back; no change of its objects waits")
	case j.Collector.Spec.Suspend:
		return isFalse(ReasonSuspended, "spec.suspend is set: the fleet goes on as it is, and nothing is put back; whether it is as the spec says is not known%s",
			j.whyNotKnown())
	case j.Unusable():
		return isFalse(j.unusableReason(), "what runs is left as it is until ConfigurationValid is True")
	case len(a.Forbidden) > 0:
		return isTrue(ReasonOperatorForbidden, "%s%s", LacksRights, strings.Join(a.Forbidden, "; "))
	case len(j.Unseen) > 0:
		return isTrue(j.Unseen.Reason(), "the operator %s, so its status may be out of date: %s", j.Unseen.Cannot("watch what it looks after"), j.Unseen)
	case len(a.Taken) > 0:
		return isFalse(ReasonNameTaken, "what the spec says is not applied in full until ConfigurationValid is True")
	case len(a.Refused)+len(a.Denied) > 0:
		return isFalse(ReasonRefused, "what the spec says is not applied in full until ConfigurationValid is True")
	case len(a.Contested) > 0:
		return isTrue(ReasonContested, "%s", strings.Join(a.Contested, "; "))
	case len(a.Going) > 0:
		return isTrue(ReasonRolling, "%s", strings.Join(a.Going, "; "))
	case j.Held != "":
		return isTrue(ReasonRolloutHeld, "%s", j.Held)
	case j.Trying:
		return isTrue(ReasonRolling, "the new connection to NATS is tried before it is rolled out").yet()
	case j.Failures >= failuresTold:
		return isTrue(ReasonRetrying, "the operator tries again, at least once a minute: %s", j.Failure)
	case a.Failed && !r.ran:
		return isTrue(ReasonRolling, "the spec is being applied").yet()
	case r.stuck:
		return isFalse(ReasonProgressDeadlineExceeded, "for %s nothing has progressed (collector.progressDeadline): %s", j.Deadline(), r.text)
	case j.Waits != "":
		// True, so that kstatus says InProgress: who waits for an upgrade is not to be told Current of a version that does not run.
		return isTrue(ReasonRolloutWaiting, "a change that comes from the operator itself waits for its turn, and the fleet goes on as it is: %s", j.Waits)
	case r.ran && r.available < r.needed: // what becomes of collectors that ran is told elsewhere
		return isFalse(ReasonSettled, "all collectors of the present spec ran once, and nothing is rolled out; %d of %d run now: see CollectorsAvailable", r.available, r.desired)
	case r.ran && len(r.lost) > 0:
		return isFalse(ReasonSettled, "all collectors that can be replaced have the present spec, and run; those of nodes that are not ready (%s) are replaced once "+
			"these are back", some(r.lost))
	case r.ran && !r.replaced(): // a node came, or came back, or a pod went
		return isFalse(ReasonSettled, "all collectors that could be replaced got the present spec, and ran; %d of %d have it now: the others are made, or replaced where "+
			"their nodes were away", r.updated, r.desired)
	case r.ran:
		return isFalse(ReasonSettled, "all collectors have the present spec, and run")
	}
	return isTrue(ReasonRolling, "%s", r.text).yet()
}

// hindered reports whether something has kept the operator from applying the spec for as long as a rollout may do without getting on. Most that
// does, such as an API server that is upgraded, is over before that.
func (j *judgement) hindered() bool {
	since := &j.memory.Hindered
	if !j.Applied.Failed && len(j.Applied.Going)+len(j.Applied.Contested) == 0 {
		*since = time.Time{}
		return false
	}
	if since.IsZero() && j.wasHindered() {
		*since = j.Now.Add(-j.Deadline())
	}
	switch reason := j.said[v1alpha1.ConditionProgressing].reason; {
	case reason == ReasonRetrying, reason == ReasonContested, reason == ReasonRolling && len(j.Applied.Going) > 0:
	default:
		return false // that nothing hinders it is not known: an API server that was away may have the count of failures begin anew
	}
	if since.IsZero() {
		*since = j.Now
	}
	due := since.Add(j.Deadline())
	if j.Now.Before(due) {
		j.lookAgainAt(due)
		return false
	}
	return true
}

// wasHindered reports whether the status says that it was, as it does after a restart of the operator.
func (j *judgement) wasHindered() bool {
	p, d := j.condition(v1alpha1.ConditionProgressing), j.condition(v1alpha1.ConditionDegraded)
	return p != nil && (p.Reason == ReasonRetrying || p.Reason == ReasonContested || p.Reason == ReasonRolling) && d != nil && d.Status == metav1.ConditionTrue &&
		strings.Contains(d.Message, v1alpha1.ConditionProgressing+": ")
}

// whyNotKnown is what keeps a suspended fleet from being compared with its spec, as the end of a message; empty where only a first look is missing.
func (j *judgement) whyNotKnown() string {
	switch {
	case j.Unusable(), j.Held != "":
		return ": see ConfigurationValid"
	case j.Failure != "":
		return ": " + j.Failure
	}
	return ""
}

// reconciling is what kstatus reads: True while the fleet is on its way, not there otherwise.
func (j *judgement) reconciling() said {
	p := j.said[v1alpha1.ConditionProgressing]
	switch {
	case j.said[v1alpha1.ConditionStalled].status == metav1.ConditionTrue:
		return said{}
	case p.status == metav1.ConditionTrue:
		return p
	case p.reason == ReasonSuspended && len(j.Applied.Waiting) > 0:
		return isTrue(ReasonSuspended, "%s", p.message)
	}
	for _, kind := range essential {
		if s := j.said[kind]; s.passing && s.status != metav1.ConditionTrue {
			return isTrue(s.reason, "%s: %s", kind, s.message)
		}
	}
	return said{}
}

// stalled is what kstatus reads as a failure: only another spec helps, or what should have come has not. It is not there otherwise.
func (j *judgement) stalled() said {
	switch s := j.said[v1alpha1.ConditionServiceReady]; {
	case j.Collector.Spec.Suspend:
		return said{}
	case j.Unusable():
		return isTrue(j.unusableReason(), "%s", j.said[v1alpha1.ConditionConfigurationValid].message)
	case len(j.Applied.Refused) > 0:
		return isTrue(ReasonRefused, "%s", j.said[v1alpha1.ConditionConfigurationValid].message)
	case j.said[v1alpha1.ConditionProgressing].reason == ReasonProgressDeadlineExceeded:
		return isTrue(ReasonProgressDeadlineExceeded, "%s", j.said[v1alpha1.ConditionProgressing].message)
	case s.reason == ReasonAddressMissing && j.hadItsTime():
		return isTrue(ReasonAddressMissing, "%s", s.message)
	}
	return said{}
}
