package exporters

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// defaultMaxLoss in percent.
const defaultMaxLoss = 1.0

// complete judges how much is missing. It is false for devices whose protocol has no sequence numbers: of these nobody can tell.
func complete(f *Facts, sending condition) (c condition, known bool) {
	figures := f.figures()
	w := f.settled()
	switch {
	case sending.silent():
		return nothingHeard, true
	case figures.Sequences == 0 && !figures.LeftOut && len(figures.Protocols) > 0:
		return condition{}, false
	case figures.LeftOut, figures.Sequences == 0 && f.Look.Unfollowed:
		return condition{metav1.ConditionUnknown, ReasonTooManySequences, "the device has more sequences than are followed (64 a collector, and no more than " +
			"exporters.limits.exporterMetrics of all): loss cannot be measured"}, true
	case f.noFlows():
		return withoutFlows(w, "loss cannot be measured (IPFIX numbers flows only)"), true
	case w == nil || w.Sent == 0:
		return f.keep(v1alpha1.ConditionComplete), true
	}
	text := fmt.Sprintf("%s of the last %s is missing (%d of %d that the device numbered)", percent(w), minutes(w), w.Missed, w.Sent)
	most := maxLoss(f.Exporter)
	switch {
	case loss(w) > most && f.unanswered():
		return condition{metav1.ConditionUnknown, ReasonNotAllAnswer, fmt.Sprintf("%d of %d collectors do not say what they received, and the others miss "+
			"more than spec.maxLoss: %s", f.Look.Unanswered, f.Look.Collectors, f.Look.Reason)}, true
	case loss(w) > most && f.Look.Unfollowed:
		return condition{metav1.ConditionUnknown, ReasonTooManySequences, "collectors do not follow all sequences, and the others miss more than spec.maxLoss: " +
			"raise exporters.limits.exporterMetrics of the FlowCollector"}, true
	case loss(w) > most:
		return condition{metav1.ConditionFalse, ReasonLost, fmt.Sprintf("%s, more than spec.maxLoss of %s%%: it was lost on the way or in a receive buffer; "+
			"type: kubectl flowfleet check %s", text, strconv.FormatFloat(most, 'f', -1, 64), f.fleet())}, true
	}
	return condition{metav1.ConditionTrue, ReasonComplete, text}, true
}

// maxLoss in percent.
func maxLoss(e *v1alpha1.FlowExporter) float64 {
	v, err := strconv.ParseFloat(strings.TrimSuffix(e.Spec.MaxLoss, "%"), 64)
	if err != nil {
		return defaultMaxLoss
	}
	return v
}

// inFlight is how far apart collectors may be asked, and their books be made: what one has of a sequence and another is about to tell is
// not missing.
const inFlight = 5 * time.Second

// settled is the window without what may be on its way between several collectors that hear one sequence. Where each sequence has a
// collector of its own, as with a port for each line card, nothing is. Of a device that is known to lose, what is missing is lost: in the
// first minute after a collector was replaced much of it could be on its way.
func (f *Facts) settled() *Window {
	w := f.Window
	if w == nil || !f.figures().Split || w.Sent > 0 && loss(w) > maxLoss(f.Exporter) && f.lost() {
		return w
	}
	out := *w
	out.Missed -= min(w.Missed, uint64(float64(w.Sent)*min(1, inFlight.Seconds()/w.Time.Seconds())))
	return &out
}

// lost reports whether the device was called lossy at the last look that could tell, whatever has been edited since: that says nothing of how
// it loses.
func (f *Facts) lost() bool {
	c := meta.FindStatusCondition(f.Exporter.Status.Conditions, v1alpha1.ConditionComplete)
	return c != nil && c.Status == metav1.ConditionFalse
}

// loss in percent.
func loss(w *Window) float64 { return 100 * float64(min(w.Missed, w.Sent)) / float64(w.Sent) }

func percent(w *Window) string { return fmt.Sprintf("%.2f%%", loss(w)) }
