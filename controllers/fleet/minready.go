package fleet

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// defaultMinReady lets one of a hundred collectors be away: nodes reboot.
var defaultMinReady = intstr.FromString("99%")

// MinReady is how many nodes, or which percentage of them rounded up, must have a collector that is ready; at least one in any case.
func MinReady(c *v1alpha1.FlowCollector) intstr.IntOrString {
	if want := c.Spec.Collector.MinReady; want != nil {
		return *want
	}
	return defaultMinReady
}

// missing is the expression of Prometheus for too few collectors, whose value is how many are missing.
//
// kube-state-metrics does not tell which nodes are excused: where the operator's own metrics are there, its word counts.
func missing(c *v1alpha1.FlowCollector) string {
	set := fmt.Sprintf("namespace=%q,daemonset=%q", c.Namespace, ObjectName(c))
	desired := "kube_daemonset_status_desired_number_scheduled{" + set + "}"
	want := MinReady(c)
	bearable := fmt.Sprintf("clamp_min(%s - %d, 0)", desired, want.IntVal)
	if percent, err := strconv.Atoi(strings.TrimSuffix(want.StrVal, "%")); want.Type == intstr.String && err == nil {
		bearable = fmt.Sprintf("%s * %d / 100", desired, 100-percent)
	}
	return fmt.Sprintf(`kube_daemonset_status_number_unavailable{%s} > %s unless on () `+
		`flowfleet_operator_flowcollector_condition{namespace=%q,name=%q,type=%q,status="True"} == 1`,
		set, bearable, c.Namespace, c.Name, v1alpha1.ConditionCollectorsAvailable)
}
