package exporters

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// samplingKnown judges whether it is known how many packets each packet of a flow stands for.
func samplingKnown(f *Facts, sending condition) condition {
	s := &f.figures().Said
	const configure = "or set its rate, 1 for all packets, in spec.samplingRate of this FlowExporter"
	switch {
	case sending.silent():
		return nothingHeard
	case s.DisputedRates && !s.overridden():
		return condition{metav1.ConditionFalse, ReasonRatesDisputed, "devices that share the address announce different sampling rates in turn, so that no flow " +
			"has a rate: give each device an address or an observation domain (source id) of its own, " + configure}
	case s.Rated && s.Unrated:
		return condition{metav1.ConditionFalse, ReasonRatesMissing, fmt.Sprintf("some flows have a sampling rate (%s), others of the last minutes have none: "+
			"let the device announce all its samplers (\"option sampler-table\" of the exporter on Cisco IOS), %s", s.rateText(), configure)}
	case s.RatesUntold:
		return condition{metav1.ConditionUnknown, ReasonUntold, "not all collectors that hear the device report sampling rates: they have an earlier version"}
	case s.Unrated:
		return condition{metav1.ConditionUnknown, ReasonRateNotSaid, "the device announces no sampling rate, and its flows have none: if it samples, let it announce the " +
			"rate (\"option sampler-table\" of the exporter on Cisco IOS), " + configure}
	case !s.Rated && f.noFlows():
		return withoutFlows(f.Window, "which sampling rate they would have is not known")
	case !s.Rated:
		return f.keep(v1alpha1.ConditionSamplingKnown)
	}
	return condition{metav1.ConditionTrue, ReasonSamplingKnown, "each flow stands for the packets of a known rate: " + s.rateText()}
}

// overridden reports whether all flows have the rate that was set for the device: then what devices announce is of no account.
func (s *Said) overridden() bool {
	return s.Rated && !s.Unrated && !s.RatesUntold && len(s.Sources) == 1 && s.Sources["override"]
}

// rateText is such as "1000 (announced)".
func (s *Said) rateText() string {
	var words []string
	for _, rate := range s.rates() {
		words = append(words, strconv.FormatUint(rate, 10))
	}
	return fmt.Sprintf("%s (%s)", strings.Join(words, ", "), strings.Join(slices.Sorted(maps.Keys(s.Sources)), ", "))
}
