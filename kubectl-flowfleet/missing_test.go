package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// What a command needs may not be there: then it says what, and what to do, and shows no table as if it had looked.
func TestCommandsSayWhatIsMissing(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	none, one, two := s.Namespace(t), s.Namespace(t), s.Namespace(t)
	for _, name := range []string{one + "/edge", two + "/edge", two + "/core"} {
		namespace, name, _ := strings.Cut(name, "/")
		if err := c.Create(t.Context(), &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(arguments ...string) (string, error) {
		var out, problems bytes.Buffer
		root := newCommand()
		root.SetOut(&out)
		root.SetErr(&problems)
		root.SetArgs(append(arguments, "--kubeconfig", s.Kubeconfig()))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	commands := [][]string{{"status"}, {"exporters"}, {"exporters", "describe", "192.0.2.1"}, {"ledger"}, {"check"}, {"top", "--once"}, {"report", "--file", filepath.Join(t.TempDir(), "r.tgz")},
		{"capture", "192.0.2.1"}, {"config"}, {"flows"}, {"templates"}, {"names"}}
	for _, command := range commands {
		for _, test := range []struct {
			arguments []string
			says      string
		}{
			{[]string{"-n", none}, "namespace " + none + " has no FlowCollector"},
			{[]string{"-n", two}, "name one of them: core, edge"},
			{[]string{"-n", one, "--as", "nobody"}, "ClusterRole flowfleet-fleet-viewer"},
		} {
			if out, err := run(append(command[:len(command):len(command)], test.arguments...)...); err == nil || !strings.Contains(err.Error(), test.says) || out != "" {
				t.Errorf("%v %v: %q, %v", command, test.arguments, out, err)
			}
		}
	}
	for namespace, says := range map[string]string{one: "has no FlowCollector egde, but edge: name one of them", two: "but core, edge:", none: "name another namespace"} {
		if _, err := run("status", "egde", "-n", namespace); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("a name that is not there, in %s: %v", namespace, err)
		}
	}
	for _, command := range [][]string{{"exporters"}, {"exporters", "describe", "192.0.2.1"}, {"ledger"}, {"top", "--once"}, {"flows"}, {"templates"}, {"names"}, {"config"}} {
		if out, err := run(append(command, "-n", one)...); err == nil || !strings.Contains(err.Error(), "kubectl flowfleet status edge -n "+one) || out != "" {
			t.Errorf("%v without a collector: %q, %v", command, out, err)
		}
	}
	declared := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: one, Name: "router-1"},
		Spec: v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.8", "192.0.2.1"}}}
	if err := c.Create(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	if out, err := run("exporters", "describe", "192.0.2.1", "-n", one); err == nil || !strings.Contains(out, "router-1") {
		t.Errorf("what is declared without a collector: %q, %v", out, err)
	}
	for _, command := range [][]string{{"exporters", "-o", "json"}, {"ledger", "--json"}} {
		if out, err := run(append(command, "-n", one)...); err == nil || strings.TrimSpace(out) != "[]" {
			t.Errorf("%v without a collector: %q, %v", command, out, err)
		}
	}
}
