package exporters

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

const (
	defaultSilentAfter = 5 * time.Minute
	// begun is how long a look has to go on before silence is told: one that is not heard of by sequences shows by its figures' growth.
	// It is also for how long what was found still holds when a look finds less.
	begun = time.Minute
)

// noRoom is said where figures would tell, and there are none.
var noRoom = condition{metav1.ConditionUnknown, ReasonNoRoom, "collectors have figures for a part of the exporters only, and not for this one: raise " +
	"exporters.limits.exporterMetrics of the FlowCollector"}

// sending judges whether datagrams come.
func sending(f *Facts) condition {
	spec := &f.Exporter.Spec
	after := spec.SilentAfter.Std()
	if after <= 0 {
		after = defaultSilentAfter
	}
	look := fmt.Sprintf("on the device, see that it exports to the address of \"kubectl get fcol %s\", from %s; then type: kubectl flowfleet exporters %s",
		f.fleet(), addresses(spec), f.fleet())
	switch {
	case !f.LastHeard.IsZero() && f.Now.Sub(f.LastHeard) <= after:
		if missing := missingProtocols(f); len(missing) > 0 {
			if c, ok := protocolUnknown(f, missing, after); ok {
				return c
			}
			return condition{metav1.ConditionFalse, ReasonProtocolMissing, fmt.Sprintf("%s is not heard with %s, which spec.protocols expects: "+
				"see the export protocol on the device, or change spec.protocols", f.name(), strings.Join(missing, " and "))}
		}
		return condition{metav1.ConditionTrue, ReasonHeard, fmt.Sprintf("%s sends, and was heard within the last %s", f.name(), span(after))}
	case (f.Look.Collectors == 0 || f.Look.Unanswered > 0) && f.recent() && f.keep(v1alpha1.ConditionSending).status == metav1.ConditionFalse:
		return f.keep(v1alpha1.ConditionSending)
	case f.Look.Collectors == 0:
		return condition{metav1.ConditionUnknown, ReasonNoCollectors, fmt.Sprintf("no collector of the fleet runs, so that nobody hears it; to see why, "+
			"type: kubectl describe fcol %s", f.fleet())}
	case f.Look.Unanswered > 0:
		return condition{metav1.ConditionUnknown, ReasonNotAllAnswer, fmt.Sprintf("%d of %d collectors do not say what they hear, and the others do not "+
			"hear it: %s", f.Look.Unanswered, f.Look.Collectors, f.Look.Reason)}
	case f.Figures == nil && f.Look.NoRoom:
		return noRoom
	case f.LastHeard.IsZero():
		if c := f.keep(v1alpha1.ConditionSending); c.reason == ReasonNeverHeard {
			return c // as before the operator was restarted
		}
		age := f.server().Sub(f.Exporter.CreationTimestamp.Time) // one of the future says that the clock was put back
		if f.Now.Sub(f.Look.Since) < after || age < after && age >= -maxSkew {
			return condition{metav1.ConditionUnknown, ReasonNotHeardYet, fmt.Sprintf("%s was not heard yet: wait until the operator has looked for %s (spec.silentAfter)", f.name(), span(after))}
		}
		return condition{metav1.ConditionFalse, ReasonNeverHeard, fmt.Sprintf("%s was never heard: %s", f.name(), look)}
	case f.Now.Sub(f.Look.Since) < begun:
		return f.keep(v1alpha1.ConditionSending)
	}
	return condition{metav1.ConditionFalse, ReasonSilent, fmt.Sprintf("%s was last heard at %s, and spec.silentAfter is %s: %s", f.name(),
		f.there(f.LastHeard).UTC().Truncate(time.Minute).Format(time.RFC3339), span(after), look)}
}

// protocolUnknown is what is said of a protocol that is not heard where it may come to a collector that does not answer, or may not have come
// yet since they were asked first: a device may send one each second, and another each few minutes.
func protocolUnknown(f *Facts, missing []string, after time.Duration) (condition, bool) {
	what := strings.Join(missing, " and ")
	switch {
	case f.Look.Unanswered > 0 && f.recent() && f.keep(v1alpha1.ConditionSending).reason == ReasonProtocolMissing:
		return f.keep(v1alpha1.ConditionSending), true
	case f.Look.Unanswered > 0:
		return condition{metav1.ConditionUnknown, ReasonProtocolMissing, fmt.Sprintf("%d of %d collectors do not say what they hear, and the others do not "+
			"hear %s with %s: %s", f.Look.Unanswered, f.Look.Collectors, f.name(), what, f.Look.Reason)}, true
	case len(f.figures().Protocols) == 0 && f.Look.NoRoom:
		return noRoom, true
	case len(f.figures().Protocols) == 0, f.Window == nil, f.Window.Time < min(after, windowTime-sampleEvery):
		if c := f.keep(v1alpha1.ConditionSending); c.reason == ReasonHeard || c.reason == ReasonProtocolMissing {
			return c, true
		}
		return condition{metav1.ConditionUnknown, ReasonProtocolMissing, fmt.Sprintf("%s is not heard with %s yet; these collectors have not been asked for %s",
			f.name(), what, span(after))}, true
	}
	return condition{}, false
}

// fleet is the FlowCollector as a command to type names it: whoever reads a message may stand in another namespace.
func (f *Facts) fleet() string {
	return f.Exporter.Spec.Collector + " -n " + f.Exporter.Namespace
}

func addresses(spec *v1alpha1.FlowExporterSpec) string {
	out := make([]string, len(spec.Addresses))
	for i, a := range spec.Addresses {
		out[i] = string(a)
	}
	return strings.Join(out, ", ")
}

// missingProtocols are those that are expected and not heard.
func missingProtocols(f *Facts) (out []string) {
	for _, p := range f.Exporter.Spec.Protocols {
		found := p == v1alpha1.ExporterProtocol(v1alpha1.ProtocolAuto) // the API took it before, and no device sends that
		for heard := range f.figures().Protocols {
			found = found || strings.HasPrefix(heard, strings.ToLower(string(p)))
		}
		if !found {
			out = append(out, string(p))
		}
	}
	return out
}

// figures are empty where there are none.
func (f *Facts) figures() *Figures {
	if f.Figures == nil {
		return &Figures{}
	}
	return f.Figures
}
