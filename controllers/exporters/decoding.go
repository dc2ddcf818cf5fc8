package exporters

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// nothingHeard is what is said of one that does not send, or may not.
var nothingHeard = condition{metav1.ConditionUnknown, ReasonNothingHeard, "nothing came in the last minutes that could be judged: see Sending"}

// moreTemplates is what helps where templates are missing.
const moreTemplates = "let the device send templates more often, such as each minute (template refresh or template timeout)"

// silent reports whether there is nothing to judge. One that sends another protocol than is expected sends.
func (c condition) silent() bool {
	return c.status != metav1.ConditionTrue && c.reason != ReasonProtocolMissing
}

// decoding judges whether what comes can be read.
func decoding(f *Facts, sending condition) condition {
	w := f.Window
	switch {
	case sending.silent():
		return nothingHeard
	case w == nil:
		return f.keep(v1alpha1.ConditionDecoding)
	case w.Undecoded > 0 && f.figures().Said.ConflictingLayouts:
		return condition{metav1.ConditionFalse, ReasonTwins, fmt.Sprintf("%d data sets of the last %s could not be read, because two layouts of one template id "+
			"come in turn, and nothing tells which of them is theirs: see Consistent", w.Undecoded, minutes(w))}
	case w.Undecoded > 0:
		return condition{metav1.ConditionFalse, ReasonNoTemplate, fmt.Sprintf("%d data sets of the last %s could not be read, because their template did "+
			"not come or their lengths contradict: %s", w.Undecoded, minutes(w), moreTemplates)}
	case w.Refused > 0:
		return condition{metav1.ConditionFalse, ReasonRefused, fmt.Sprintf("%d of %d datagrams of the last %s were refused; to see why, type: "+
			"kubectl flowfleet ledger %s", w.Refused, w.Received, minutes(w), f.fleet())}
	case w.Received == 0:
		return f.keep(v1alpha1.ConditionDecoding)
	case w.Records == 0 && f.figures().Waiting > 0:
		what := fmt.Sprintf("%d data sets wait for their template, and nothing was decoded in the last %s", f.figures().Waiting, minutes(w))
		// New collectors hold what comes until they have no more room. That is no better than what the former ones gave up.
		if c := meta.FindStatusCondition(f.Exporter.Status.Conditions, v1alpha1.ConditionDecoding); c != nil && c.Status == metav1.ConditionFalse &&
			c.Reason == ReasonNoTemplate {
			return condition{metav1.ConditionFalse, ReasonNoTemplate, what + ", as before: " + moreTemplates}
		}
		return condition{metav1.ConditionUnknown, ReasonWaiting, what + ": wait for the device's next templates; if none come, " + moreTemplates}
	}
	if n := f.figures().Waiting; n > 0 {
		return condition{metav1.ConditionTrue, ReasonDecoded, fmt.Sprintf("what came in the last %s was read, but for %d data sets that wait for their template",
			minutes(w), n)}
	}
	return condition{metav1.ConditionTrue, ReasonDecoded, fmt.Sprintf("all that came in the last %s was read", minutes(w))}
}

// noFlows reports that all that is judged has neither a flow nor anything that its sequence counts, as of a device that sends templates only.
func (f *Facts) noFlows() bool {
	w := f.Window
	return w != nil && w.Time >= windowTime-sampleEvery && w.Sent == 0 && w.Records == 0 && w.Received > 0
}

// withoutFlows is what is said where noFlows holds: so what cannot be told.
func withoutFlows(w *Window, so string) condition {
	return condition{metav1.ConditionUnknown, ReasonNoFlows, fmt.Sprintf("the device sends, and had no flow in the last %s, so that %s", minutes(w), so)}
}

// minutes is how long a window is, such as 5m or 1m10s.
func minutes(w *Window) string { return span(w.Time) }

// span is a time for people, to the second.
func span(d time.Duration) string { return config.Duration(d.Round(time.Second)).Short() }
