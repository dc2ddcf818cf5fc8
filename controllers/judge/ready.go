package judge

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// essential conditions must be True for a fleet to do its job, in the order in which their troubles are worth telling.
var essential = []string{
	v1alpha1.ConditionConfigurationValid,
	v1alpha1.ConditionCollectorsAvailable,
	v1alpha1.ConditionTemplateStoreReady,
	v1alpha1.ConditionStreamReady,
	v1alpha1.ConditionServiceReady,
}

// degrading conditions that are False make a fleet less than it should be.
var degrading = append(essential[:len(essential):len(essential)],
	v1alpha1.ConditionNothingLost,
	v1alpha1.ConditionSourceIPPreserved,
	v1alpha1.ConditionLoadDistributed,
	v1alpha1.ConditionConsumersKeepUp,
	v1alpha1.ConditionMonitoringReady,
)

// ready sums up whether the fleet does its job.
func (j *judgement) ready(status *v1alpha1.FlowCollectorStatus) said {
	for _, want := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		for _, kind := range essential {
			if s := j.said[kind]; s.status == want && !j.waitsForBucket(kind) {
				s.message = kind + ": " + s.message
				return s
			}
		}
	}
	message := fmt.Sprintf("%s collectors are ready", status.Collectors.Summary)
	if status.Address != "" {
		message += "; exporters send to " + status.Address
	}
	return isTrue(ReasonReady, "%s", message)
}

// waitsForBucket reports whether a condition only says that collectors are starting, while another one says what keeps them from the bucket,
// whose templates they wait for before they are ready.
func (j *judgement) waitsForBucket(kind string) bool {
	store := j.said[v1alpha1.ConditionTemplateStoreReady]
	return kind == v1alpha1.ConditionCollectorsAvailable && j.said[kind].passing && store.status == metav1.ConditionFalse && !store.passing &&
		len(j.rollout.troubles) == 0
}

// inconclusive are reasons for which a condition is Unknown though all that can be looked at was, or nothing is there to be looked at, which
// CollectorsAvailable says. Nobody has to act on them.
var inconclusive = map[string]bool{ReasonTooLittleTraffic: true, ReasonNobodySends: true, ReasonOneSender: true, ReasonMaybeRewritten: true, ReasonNoCollectors: true}

// toldByCollectors are conditions that each new collector makes Unknown until it was looked at.
var toldByCollectors = map[string]bool{v1alpha1.ConditionNothingLost: true, v1alpha1.ConditionSourceIPPreserved: true, v1alpha1.ConditionLoadDistributed: true}

// degraded sums up what is wrong, also where flows still arrive. That nothing is, is said only where all was looked at; it stays while new
// collectors are yet to be looked at, so that it does not turn at each start.
func (j *judgement) degraded() said {
	var troubles []string
	first := ""
	add := func(kind string, s said) {
		troubles = append(troubles, kind+": "+s.message)
		if first == "" {
			first = s.reason
		}
	}
	for _, kind := range degrading {
		if s := j.said[kind]; s.status == metav1.ConditionFalse && !s.passing && !s.harmless {
			add(kind, s)
		}
	}
	hindered := j.hindered()
	switch s := j.said[v1alpha1.ConditionProgressing]; {
	case s.reason == ReasonProgressDeadlineExceeded, s.reason == ReasonOperatorForbidden, s.reason == ReasonWatchFails, hindered:
		add(v1alpha1.ConditionProgressing, s)
	}
	if len(troubles) > 0 {
		return isTrue(first, "%s", strings.Join(troubles, "; "))
	}
	before := j.condition(v1alpha1.ConditionDegraded)
	well := before != nil && before.Status == metav1.ConditionFalse
	for _, kind := range degrading {
		s := j.said[kind]
		starts := well && toldByCollectors[kind] &&
			(s.reason == ReasonPending || s.reason == ReasonCollectorsUnreachable && j.said[v1alpha1.ConditionProgressing].reason == ReasonRolling)
		if s.status == metav1.ConditionUnknown && !inconclusive[s.reason] && !starts {
			return isUnknown(s.reason, "no problem is known, but not everything could be checked: %s: %s", kind, s.message)
		}
	}
	return isFalse(ReasonAsWanted, "no problem is known")
}
