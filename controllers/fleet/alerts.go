package fleet

import (
	"fmt"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// alert is one rule for Prometheus.
type alert struct {
	name, severity, wait string
	expression           string
	summary, whatToDo    string
}

// alerts of a fleet. Each says what is lost and what to do about it, and names the fleet: those of two fleets differ in their
// labels, so that neither hides the other.
func alerts(c *v1alpha1.FlowCollector) []alert {
	// A pod's name is its DaemonSet's and five letters or digits, which those of a fleet named "<this one>-collector-..." are not.
	of := func(metric, more string) string {
		return fmt.Sprintf(`%s{namespace=%q,pod=~%q%s}`, metric, c.Namespace, ObjectName(c)+"-[a-z0-9]+", more)
	}
	all := []alert{
		{"FlowfleetDatagramsDroppedByKernel", "warning", "5m",
			fmt.Sprintf("sum by (pod, node, listener) (rate(%s[5m])) > 0", of("flowfleet_collector_kernel_dropped_datagrams_total", "")),
			"{{ $labels.pod }}{{ with $labels.node }} on {{ . }}{{ end }} loses {{ $value | printf `%.3g` }} datagrams/s of {{ $labels.listener }} before it can read them",
			"Raise net.core.rmem_max on the node (the collector logs what it asks for), give the collector more CPU, or add nodes."},
		{"FlowfleetRecordsDropped", "critical", "1m",
			fmt.Sprintf("sum by (reason) (rate(%s[5m])) > 0", of("flowfleet_collector_records_dropped_total", "")),
			"{{ $value | printf `%.3g` }} flow records/s are given up after decoding ({{ $labels.reason }})",
			"Look at the conditions StreamReady and TemplateStoreReady of the FlowCollector and at NATS; a spool keeps flows while it is away."},
		{"FlowfleetSetsUndecodable", "warning", "10m",
			fmt.Sprintf("sum by (listener) (rate(%s[10m])) + sum by (listener) (rate(%s[10m])) > 0",
				of("flowfleet_collector_sets_expired_total", ""), of("flowfleet_collector_sets_dropped_total", `,reason="no_template"`)),
			"data sets of {{ $labels.listener }} come without their templates ({{ $value | printf `%.3g` }}/s are given up)",
			"Let the exporters send their templates more often; flowfleet_collector_sets_expired_total and " +
				"flowfleet_collector_sets_dropped_total tell why they were given up."},
		{"FlowfleetStreamUnavailable", "critical", "2m",
			fmt.Sprintf("min by (pod) (%s) == 0", of("flowfleet_collector_stream_ready", "")),
			"{{ $labels.pod }} cannot use the stream",
			"Look at the condition StreamReady of the FlowCollector; until it is back flows wait in the buffer."},
		{"FlowfleetLedgerDoesNotBalance", "critical", "1m",
			fmt.Sprintf(`%s != 0`, of("flowfleet_collector_ledger_imbalance", `,equation!~"handover|exporters_.*"`)),
			"the books of {{ $labels.pod }} do not balance ({{ $labels.equation }} is off by {{ $value }})",
			"This is a fault of the collector; report it, with the output of collector ledger."},
		{"FlowfleetHandoverDoesNotBalance", "critical", "10m",
			// A batch on its way is in the output's book first, so that a busy collector is below 0 at nearly every look; above 0 are
			// records that vanished. The exporters' books follow the listeners' by seconds.
			fmt.Sprintf("min_over_time(%[1]s[10m]) > 0 or (min_over_time(%[2]s[10m]) > 0 or max_over_time(%[2]s[10m]) < 0) "+
				"unless on (pod) sum by (pod) (rate(%[3]s[10m])) > 0",
				of("flowfleet_collector_ledger_imbalance", `,equation="handover"`),
				of("flowfleet_collector_ledger_imbalance", `,equation=~"handover|exporters_.*"`),
				of("flowfleet_collector_datagrams_received_total", "")),
			"what {{ $labels.pod }} hands on is not what it took ({{ $labels.equation }} is off by {{ $value }})",
			"This is a fault of the collector; report it, with the output of collector ledger."},
		{"FlowfleetSpoolUnusable", "warning", "1m",
			fmt.Sprintf("min by (pod) (%s) == 0", of("flowfleet_collector_spool_usable", "")),
			"{{ $labels.pod }} cannot use its spool",
			"The collector's log says why, and what to do: the disk is full, read-only, broken or not mounted, or another collector has it."},
		{"FlowfleetCollectorsMissing", "critical", "10m",
			missing(c),
			"{{ $value }} nodes are without a collector, more than collector.minReady allows",
			"Look at the condition CollectorsAvailable of the FlowCollector."},
	}
	if !c.Spec.TemplateStore.Disabled {
		all = append(all, alert{"FlowfleetTemplatesNotShared", "warning", "5m",
			fmt.Sprintf(`min by (pod) (%s) == 0`, of("flowfleet_collector_nats_connected", `,connection="templates"`)),
			"{{ $labels.pod }} is cut off from the template bucket",
			"Look at the condition TemplateStoreReady of the FlowCollector; until it is back the collector decodes from memory."})
	}
	return all
}

// rule is the alert as Prometheus reads it.
func (a alert) rule(c *v1alpha1.FlowCollector) map[string]any {
	return map[string]any{
		"alert":       a.name,
		"expr":        a.expression,
		"for":         a.wait,
		"labels":      map[string]any{"severity": a.severity, "namespace": c.Namespace, "flowcollector": c.Name},
		"annotations": map[string]any{"summary": a.summary, "description": a.whatToDo},
	}
}
