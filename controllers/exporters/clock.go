package exporters

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// maxSkew is how far the time of export may be from that of receipt: flows are then stored in the wrong minute.
const maxSkew = time.Minute

// clockRight judges whether the device's clock agrees with those of the nodes.
func clockRight(f *Facts, sending condition) condition {
	s := &f.figures().Said
	switch {
	case sending.silent():
		return nothingHeard
	case s.Clocks > 0 && s.Skew.Abs() > maxSkew:
		return condition{metav1.ConditionFalse, ReasonClockWrong, fmt.Sprintf("the device sends a time of export that is %s %s the clock of node %s: "+
			"set up NTP on the device (\"ntp server ADDRESS\" on most), and see that the node's own clock is right (chronyc tracking)", skewText(s.Skew),
			map[bool]string{true: "ahead of", false: "behind"}[s.Skew > 0], s.SkewNode)}
	case s.ClocksUntold:
		return condition{metav1.ConditionUnknown, ReasonUntold, "not all collectors that hear the device report its clock: they have an earlier version"}
	case s.Clocks == 0 && withoutClock(f.figures().Protocols):
		return condition{metav1.ConditionUnknown, ReasonNoClock, "the protocol has no time of export"}
	case s.Clocks == 0:
		return f.keep(v1alpha1.ConditionClockRight)
	}
	return condition{metav1.ConditionTrue, ReasonClockRight, fmt.Sprintf("times of export are within %s of the clocks of the nodes", span(maxSkew))}
}

// withoutClock reports whether all that a device sends tells no time of export; false for nothing.
func withoutClock(protocols map[string]bool) bool {
	for protocol := range protocols {
		if hasClock(protocol) {
			return false
		}
	}
	return len(protocols) > 0
}

// skewText is without a sign; a clock that was never set is decades off.
func skewText(d time.Duration) string {
	const day = 24 * time.Hour
	if d = d.Abs(); d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return span(d)
}
