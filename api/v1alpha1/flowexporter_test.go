package v1alpha1_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

func TestFlowExportersThatCannotWorkAreRefusedWithWhatToDo(t *testing.T) {
	s := controllertest.Start(t)
	c, namespace := s.Client(t), s.Namespace(t)
	const working = "collector: edge\naddresses: [192.0.2.1]\n"
	for _, test := range []struct{ spec, says string }{
		{working, ""},
		{working + "protocols: [NetFlow, IPFIX, SFlow]\nsilentAfter: 30s\nmaxLoss: 0.5%", ""},
		{working + "protocols: [Auto]", `supported values: "NetFlow", "IPFIX", "SFlow"`}, // which no device sends
		{working + "protocols: [ipfix]", `supported values: "NetFlow", "IPFIX", "SFlow"`},
		{working + "silentAfter: 29s", "from 30s to 24h"},
		{working + "maxLoss: '5'", "such as 0.5%"},
		{working + "maxLoss: 101%", "such as 0.5%"},
		{working + "maxLoss: 0%", ""},
		{working + "maxLoss: 100%", ""},
		{"collector: edge\naddresses: [192.0.2.0/24]", "an address such as 192.0.2.1"},
	} {
		o := &unstructured.Unstructured{Object: map[string]any{}}
		if err := yaml.Unmarshal([]byte("apiVersion: flowfleet.io/v1alpha1\nkind: FlowExporter\nspec:\n  "+strings.ReplaceAll(test.spec, "\n", "\n  ")), &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetNamespace(namespace)
		o.SetName("router")
		err := client.WithFieldValidation(c, metav1.FieldValidationStrict).Create(t.Context(), o, client.DryRunAll)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s\nwant %q, got %v", test.spec, test.says, err)
		}
	}
}
