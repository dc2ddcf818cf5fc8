package judge

import (
	"strings"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// monitoringReady says whether what spec.monitoring asks for could be made. It is not there where nothing is asked for.
func (j *judgement) monitoringReady() said {
	switch a := &j.Applied; {
	case j.Unchecked:
		return j.asBefore(v1alpha1.ConditionMonitoringReady)
	case len(a.MissingKinds) > 0:
		return isFalse(ReasonKindMissing, "the cluster does not have the kinds %s of monitoring.coreos.com/v1: install the Prometheus "+
			"operator, or disable them in spec.monitoring", strings.Join(a.MissingKinds, ", "))
	case !a.Monitoring && (j.appliedInFull() || j.condition(v1alpha1.ConditionMonitoringReady) == nil):
		return said{} // until then, what was asked for before may be left
	case !j.appliedInFull():
		return isUnknown(ReasonPending, "not all objects of the fleet are as the spec says: see ConfigurationValid and Progressing")
	}
	return isTrue(ReasonMonitored, "what spec.monitoring asks for was made")
}
