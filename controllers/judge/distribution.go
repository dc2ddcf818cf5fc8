package judge

import (
	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What makes a judgement on the spread of load worth anything.
const (
	enoughDatagrams = 100
	enoughExporters = 3
)

// loadDistributed says whether one collector gets everything.
func (j *judgement) loadDistributed() said {
	d := &j.Collectors.Distribution
	before := j.condition(v1alpha1.ConditionLoadDistributed)
	switch {
	case j.rollout.desired == 1:
		return isTrue(ReasonDistributed, "the fleet has one collector, which receives everything")
	case j.unreachable() != nil:
		return *j.unreachable()
	case d.Busy > 1:
		return isTrue(ReasonDistributed, "several collectors receive datagrams")
	case d.Collectors > 1 && d.Busy == 1 && d.Open == 0 && d.Datagrams >= enoughDatagrams && d.Senders >= enoughExporters:
		return isFalse(ReasonSingleCollector, "the collector on node %s receives everything, the others nothing: a load balancer that "+
			"announces an address from one node at a time (MetalLB in L2 mode, for one) sends all there; use BGP mode with ECMP, or "+
			"several addresses", d.Only.Node)
	case before != nil && (before.Reason == ReasonDistributed || before.Reason == ReasonSingleCollector) && j.rollout.desired > 1:
		return say(before.Status, before.Reason, "%s", before.Message) // nothing has come since that says otherwise
	}
	return isUnknown(ReasonTooLittleTraffic, "too little traffic arrives to judge how it is distributed over the collectors")
}
