package exporters

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// consistent judges whether all that comes from the address is one device's.
func consistent(f *Facts, sending condition) condition {
	s := &f.figures().Said
	var found []string
	for _, one := range []struct {
		is   bool
		text string
	}{{s.ConflictingLayouts, "two layouts of one template id in turn"}, {s.DisputedRates, "two sampling rates in turn"},
		{s.BootTimes, "two boot times in turn"}} {
		if one.is {
			found = append(found, one.text)
		}
	}
	switch {
	case sending.silent():
		return nothingHeard
	case len(found) > 0:
		return condition{metav1.ConditionFalse, ReasonTwins, "several devices seem to send with this address: " + strings.Join(found, ", ") +
			". Give each an address (\"source\" of the exporter on Cisco IOS) or an observation domain of its own, and look for NAT on the way: " +
			"one translated address for several devices looks the same"}
	case s.TaughtUntold:
		return condition{metav1.ConditionUnknown, ReasonUntold, "not all collectors that hear the device report contradictions: they have an earlier version"}
	case !s.TaughtTold:
		return f.keep(v1alpha1.ConditionConsistent)
	}
	if before := f.keep(v1alpha1.ConditionConsistent); before.status == metav1.ConditionFalse && s.Listening < windowTime {
		return before // contradictions take turns: a collector that has just begun has not heard them yet
	}
	return condition{metav1.ConditionTrue, ReasonConsistent, "the device does not contradict itself"}
}
