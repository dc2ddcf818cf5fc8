package exporters

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// Facts are what a FlowExporter is judged by.
type Facts struct {
	Now time.Time
	// Server is the same moment by the API server's clock, of which the times of objects are; Now where it is zero.
	Server   time.Time
	Exporter *v1alpha1.FlowExporter
	Look     Look
	// Figures of all addresses, nil where none is heard of.
	Figures *Figures
	// LastHeard as far as it is known, from former looks too; zero for never.
	LastHeard time.Time
	// Window is nil where there is not enough to judge by.
	Window *Window
	// Settings is what it asks for, and InForce whether the collectors' configuration has it.
	Settings deviceSettings
	InForce  bool
	// Uptake tells which collectors run what the configuration has.
	Uptake uptake
	// Nameless: flows of the fleet carry no names of interfaces.
	Nameless bool
	// Idle says why nobody looks.
	Idle idle
}

// The reasons of conditions. The page docs/exporters.md says what to do about each.
const (
	ReasonHeard             = "Heard"
	ReasonNotHeardYet       = "NotHeardYet"
	ReasonNeverHeard        = "NeverHeard"
	ReasonSilent            = "Silent"
	ReasonProtocolMissing   = "ProtocolMissing"
	ReasonNotAllAnswer      = "CollectorsDoNotAnswer"
	ReasonNoRoom            = "NoRoomForItsFigures"
	ReasonMeasuring         = "Measuring"
	ReasonNothingHeard      = "NothingHeard"
	ReasonNoFlows           = "NoFlows"
	ReasonDecoded           = "Decoded"
	ReasonRefused           = "DatagramsRefused"
	ReasonNoTemplate        = "SetsUndecodable"
	ReasonWaiting           = "WaitingForTemplates"
	ReasonComplete          = "Complete"
	ReasonLost              = v1alpha1.ReasonLost
	ReasonTooManySequences  = "TooManySequences"
	ReasonNotLookedAfter    = "NotLookedAfter"
	ReasonNoCollector       = "NoFlowCollector"
	ReasonNoCollectors      = "NoCollectorsRun"
	ReasonReady             = "Ready"
	ReasonSamplingKnown     = "RatesKnown"
	ReasonRatesDisputed     = "RatesDisputed"
	ReasonRatesMissing      = "RatesMissing"
	ReasonRateNotSaid       = "RateNotSaid"
	ReasonClockRight        = "ClockAgrees"
	ReasonClockWrong        = "ClockWrong"
	ReasonNoClock           = "NoClock"
	ReasonConsistent        = "Consistent"
	ReasonTwins             = "SeveralDevices"
	ReasonUntold            = "CollectorsDoNotTell"
	ReasonConfigured        = "InConfiguration"
	ReasonNotConfigured     = "NotInConfigurationYet"
	ReasonNotTaken          = "CollectorsHaveFormerSettings"
	ReasonAddressShared     = "AddressOfTwo"
	ReasonSettingsWrong     = "SettingsWrong"
	ReasonNoRoomForSettings = "NoRoomForSettings"
	ReasonInterfacesFrom    = "InterfacesFromFaulty"
)

// Judge is the status that follows from the facts.
func Judge(f *Facts) v1alpha1.FlowExporterStatus {
	// Of what it is now, the conditions are changed in place, and all else is replaced: with thousands of objects a whole copy costs.
	out := f.Exporter.Status
	out.Conditions = slices.Clone(out.Conditions)
	if ofAnother(f.Exporter) {
		out = v1alpha1.FlowExporterStatus{Conditions: out.Conditions}
	}
	out.HeardBy, out.HeardFrom = f.Exporter.Spec.Collector, f.Exporter.Spec.Addresses
	out.ObservedGeneration = f.Exporter.Generation
	if f.Idle != (idle{}) {
		unheard(&out)
		out.Conditions = slices.DeleteFunc(out.Conditions, func(c metav1.Condition) bool { return c.Type != v1alpha1.ConditionReady })
		set(&out, f, v1alpha1.ConditionReady, condition{metav1.ConditionUnknown, f.Idle.reason, f.Idle.message})
		return out
	}
	figures(&out, f)
	s := sending(f)
	if s.silent() {
		unmeasured(&out) // nobody is to read what it sent at its last as what it sends
	}
	d := f.known(decoding(f, s))
	conditions := []condition{s, d}
	set(&out, f, v1alpha1.ConditionSending, s)
	set(&out, f, v1alpha1.ConditionDecoding, d)
	if c, ok := complete(f, s); ok {
		set(&out, f, v1alpha1.ConditionComplete, c)
		conditions = append(conditions, c)
	} else {
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionComplete)
	}
	for _, one := range []struct {
		kind  string
		judge func(*Facts, condition) condition
	}{{v1alpha1.ConditionSamplingKnown, samplingKnown}, {v1alpha1.ConditionClockRight, clockRight}, {v1alpha1.ConditionConsistent, consistent}} {
		c := f.known(one.judge(f, s))
		set(&out, f, one.kind, c)
		if c.status == metav1.ConditionFalse { // many devices never say a rate, or have no clock: they are ready all the same
			conditions = append(conditions, c)
		}
	}
	if c, ok := configured(f); ok {
		set(&out, f, v1alpha1.ConditionConfigured, c)
		if c.status == metav1.ConditionFalse {
			conditions = append(conditions, c)
		}
	} else {
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionConfigured)
	}
	set(&out, f, v1alpha1.ConditionReady, ready(conditions))
	return out
}

// ofAnother reports whether a status tells of another device than the spec, or of the same as another fleet hears it. What an earlier version
// has written does not say of which.
func ofAnother(o *v1alpha1.FlowExporter) bool {
	s := &o.Status
	if s.HeardBy == "" {
		return false
	}
	return s.HeardBy != o.Spec.Collector || slices.ContainsFunc(s.HeardFrom, func(a v1alpha1.ExporterAddress) bool {
		address, _ := parse(string(a))
		return !slices.ContainsFunc(o.Spec.Addresses, func(now v1alpha1.ExporterAddress) bool { return same(now, address) })
	})
}

// unmeasured takes out of a status what is of the last minutes, where nothing of them is known.
func unmeasured(s *v1alpha1.FlowExporterStatus) {
	s.RecordsPerSecond, s.BytesPerSecond, s.ScaledBytesPerSecond, s.Loss, s.Naming = nil, nil, nil, "", nil
}

// unheard takes out of a status what collectors that run now have, where nobody hears them. What the device is, and when it was last heard,
// stays.
func unheard(s *v1alpha1.FlowExporterStatus) {
	unmeasured(s)
	s.Collectors, s.Nodes, s.Ports, s.Records, s.Restarts, s.Units = 0, nil, 0, 0, 0, nil
}

// condition without its type.
type condition struct {
	status          metav1.ConditionStatus
	reason, message string
}

// longestMessage of a condition, in bytes.
const longestMessage = 4096

func set(s *v1alpha1.FlowExporterStatus, f *Facts, kind string, c condition) {
	// What the API server says of a new object has been so since that was made, not since 1970.
	if old := meta.FindStatusCondition(s.Conditions, kind); old != nil && old.LastTransitionTime.Unix() == 0 {
		old.LastTransitionTime = f.Exporter.CreationTimestamp
	}
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: kind, Status: c.status, Reason: c.reason, Message: judge.Message(c.message, longestMessage),
		ObservedGeneration: f.Exporter.Generation, LastTransitionTime: metav1.NewTime(f.server().Truncate(time.Second))})
}

// server is now by the clock of which the times of objects are.
func (f *Facts) server() time.Time {
	if f.Server.IsZero() {
		return f.Now
	}
	return f.Server
}

// here is a time of an object by the operator's clock, and there one of the operator's as an object has it.
func (f *Facts) here(t time.Time) time.Time  { return f.Now.Add(t.Sub(f.server())) }
func (f *Facts) there(t time.Time) time.Time { return f.server().Add(t.Sub(f.Now)) }

// keep is what was said before, while there is not enough to say anything else: a restart of the operator changes no judgement.
func (f *Facts) keep(kind string) condition {
	if c := meta.FindStatusCondition(f.Exporter.Status.Conditions, kind); c != nil && c.ObservedGeneration == f.Exporter.Generation &&
		c.Status != metav1.ConditionUnknown {
		return condition{c.Status, c.Reason, c.Message}
	}
	switch w := f.Window; {
	case w == nil:
		return condition{metav1.ConditionUnknown, ReasonMeasuring, fmt.Sprintf("wait: the operator measures it for %s before it judges it", span(windowLeast))}
	case w.Received == 0: // since it was measured first
		return nothingHeard
	}
	return condition{metav1.ConditionUnknown, ReasonMeasuring, "wait: what this is judged by did not come yet"}
}

// known is c where the collectors that answer can say so: where one does not, it may have other things to tell of the device. No more than is
// missing by the numbers of what came to the others can have come to it.
func (f *Facts) known(c condition) condition {
	n := f.figures()
	w := f.settled()
	switch {
	case c.status != metav1.ConditionTrue || !f.unanswered() || w == nil: // without a window it is one that was about to end, as likely as not
		return c
	case w.Sent > 0 && !n.LeftOut && !f.Look.Unfollowed && loss(w) <= maxLoss(f.Exporter):
		return c
	}
	return condition{metav1.ConditionUnknown, ReasonNotAllAnswer, fmt.Sprintf("%d of %d collectors do not say what they received, and it is not known that "+
		"all came to the others: %s", f.Look.Unanswered, f.Look.Collectors, f.Look.Reason)}
}

// unanswered reports whether collectors do not say what they hear, and have not for a while: of a thousand there is always one that fails to
// answer once, and a judgement that comes and goes with that tells nobody anything.
func (f *Facts) unanswered() bool { return f.Look.Unanswered > 0 && !f.recent() }

// recent reports whether there were collectors a moment ago that all answered.
func (f *Facts) recent() bool { return !f.Look.Whole.IsZero() && f.Now.Sub(f.Look.Whole) < begun }

// name of the device in messages.
func (f *Facts) name() string {
	return cmp.Or(f.Exporter.Spec.DisplayName, string(f.Exporter.Spec.Addresses[0]))
}

// ready sums the others up: the first that is False, or else Unknown.
func ready(conditions []condition) condition {
	for _, status := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		for _, c := range conditions {
			if c.status == status {
				return c
			}
		}
	}
	return condition{metav1.ConditionTrue, ReasonReady, conditions[0].message}
}
