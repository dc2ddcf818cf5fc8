package fleet

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

func TestTheLedgerIsPublishedWhereTheStreamTakesItUnlessTheSpecSaysOtherwise(t *testing.T) {
	others := false
	for name, test := range map[string]struct {
		output v1alpha1.Output
		want   config.Ledger
	}{
		"nothing said":               {v1alpha1.Output{}, config.LedgerMinutes},
		"not wanted":                 {v1alpha1.Output{Ledger: v1alpha1.LedgerNone}, config.LedgerNone},
		"a stream of others":         {v1alpha1.Output{Stream: v1alpha1.Stream{Managed: &others}}, config.LedgerNone},
		"a stream of others, wanted": {v1alpha1.Output{Ledger: v1alpha1.LedgerMinutes, Stream: v1alpha1.Stream{Managed: &others}}, config.LedgerMinutes},
		"a work queue":               {v1alpha1.Output{Stream: v1alpha1.Stream{Retention: v1alpha1.RetentionWorkQueue}}, config.LedgerNone},
		"subjects of flows only": {v1alpha1.Output{Stream: v1alpha1.Stream{Subjects: []string{"flows.network.edge.netflow5", "flows.network.edge.netflow9",
			"flows.network.edge.ipfix", "flows.network.edge.sflow"}}}, config.LedgerNone},
		"all subjects": {v1alpha1.Output{Stream: v1alpha1.Stream{Subjects: []string{"flows.>"}}}, config.LedgerMinutes},
	} {
		c := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "network", Name: "edge"}, Spec: v1alpha1.FlowCollectorSpec{Output: test.output}}
		if got := output(c).Ledger; got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
