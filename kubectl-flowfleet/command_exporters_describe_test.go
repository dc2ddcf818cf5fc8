package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/exporters"
)

func TestAnExporterIsDescribedOnOneScreen(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
	books := exporters.One{Address: "192.0.2.1",
		Protocols: []exporters.Row{{Address: "192.0.2.1", Protocol: "ipfix", Collectors: 1, Records: 60, RecordsPerSecond: new(float64(2.5)), Sent: 200, Missed: 4,
			LastSeen: now.Add(-3 * time.Second), Naming: &ledger.Naming{Interfaces: ledger.Named{Named: 3, Unnamed: 1}}}},
		Collectors: []exporters.Heard{{Collector: "edge-collector-x", Protocol: "ipfix", Datagrams: 5, Records: 60, Refused: 1}},
		Undecoded:  []exporters.Undecoded{{Protocol: "ipfix", What: "datagrams refused", Reason: "malformed", Count: 1}},
		Streams:    []exporters.Stream{{Protocol: "ipfix", Port: 900, Domain: 5, Sent: 200, Missed: 4, LastSeen: now.Add(-3 * time.Second)}}}
	object := v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: "router-1"}, Spec: v1alpha1.FlowExporterSpec{DisplayName: "Berlin"},
		Status: v1alpha1.FlowExporterStatus{Templates: ptr.To[int32](12), TemplatesChanged: &metav1.Time{Time: now.Add(-5 * time.Minute)}, Loss: "2.00%",
			Device: &v1alpha1.ExporterDevice{Software: "linux 6.1"}, Conditions: []metav1.Condition{
				{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Lost", Message: "2.00% is lost"},
				{Type: v1alpha1.ConditionClockRight, Status: metav1.ConditionTrue, Reason: "InTime", Message: "it is right"},
				{Type: v1alpha1.ConditionComplete, Status: metav1.ConditionFalse, Reason: "Lost", Message: "2.00% is lost"}}}}
	many := books
	for range mostStreams + 2 {
		many.Streams = append(many.Streams, exporters.Stream{Protocol: "ipfix"})
	}
	for name, test := range map[string]struct {
		d    described
		want string
	}{
		"with an object": {described{One: books, Objects: []v1alpha1.FlowExporter{object}, nodes: map[string]string{"edge-collector-x": "n1"}},
			`Exporter      192.0.2.1
Fleet         flows/edge
FlowExporter  router-1
Display name  Berlin
Ready         False  2.00% is lost
Software      linux 6.1
Templates     12, changed 5m ago
Loss          2.00%

WANTS ATTENTION  STATUS  REASON  MESSAGE
Ready            False   Lost    2.00% is lost
Complete         False   Lost    2.00% is lost

PROTOCOL  RECORDS/S  RECORDS  SENT  MISSED  LOSS   WAITING  RESTARTS  NAMED  LAST HEARD
ipfix     2.5        60       200   4       2.00%  0        0         75%    3s

NODE  COLLECTOR         PROTOCOL  DATAGRAMS  RECORDS  REFUSED  SETS LOST  WAITING
n1    edge-collector-x  ipfix     5          60       1        0          0

NOT DECODED        REASON     PROTOCOL  COUNT
datagrams refused  malformed  ipfix     1

PORT  DOMAIN  PROTOCOL  SENT  MISSED  RESTARTS  LAST HEARD
900   5       ipfix     200   4       0         3s
`},
		"declared and never heard": {described{One: exporters.One{Address: "192.0.2.1"}, Objects: []v1alpha1.FlowExporter{{ObjectMeta: metav1.ObjectMeta{Name: "router-1"}}}},
			`Exporter      192.0.2.1
Fleet         flows/edge
FlowExporter  router-1

No collector has heard it since it started.
`},
		"many streams": {described{One: many}, "and 3 more: -o json has all\n"},
		"no object":    {described{One: books}, "FlowExporter  none, so that nobody judges it"},
	} {
		var out strings.Builder
		if err := printDescribed(&out, f, &test.d, now); err != nil || !strings.Contains(out.String(), test.want) || strings.HasPrefix(test.want, "Exporter") && out.String() != test.want {
			t.Errorf("%s, %v:\n%s", name, err, &out)
		}
	}
}

// Whoever may make a FlowExporter chooses its display name: the terminal is another's.
func TestADescriptionMovesNoCursor(t *testing.T) {
	var out strings.Builder
	object := v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: "router-1"}, Spec: v1alpha1.FlowExporterSpec{DisplayName: "Ber\u009b2Jlin\u202e"},
		Status: v1alpha1.FlowExporterStatus{Device: &v1alpha1.ExporterDevice{Name: "\x1b]0;x\x07"}}}
	d := describe(exporters.One{Address: "192.0.2.1"}, []v1alpha1.FlowExporter{object}, nil)
	if err := printDescribed(&out, &v1alpha1.FlowCollector{}, &d, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\u009b\u202e\x1b\x07") || !strings.Contains(out.String(), "Ber 2Jlin") {
		t.Errorf("%q", out.String())
	}
}

func TestADescriptionForProgramsHasListsWhereThereIsNothing(t *testing.T) {
	var out strings.Builder
	if err := printData(&out, describe(exporters.One{Address: "192.0.2.1"}, nil, nil), "json"); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"protocols", "collectors", "flowExporters"} {
		if !strings.Contains(out.String(), `"`+list+`": []`) {
			t.Errorf("%s is no list: %s", list, out.String())
		}
	}
}
