package charts_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

func TestSinksAreNotThereUnlessAskedFor(t *testing.T) {
	got, err := template(t)
	if err != nil {
		t.Fatal(err)
	}
	// The definition stays where sinks were there before (crds.keep), and who looks at a fleet reads what is left of it.
	const viewer = "resources: [flowcollectors, flowexporters, flowsinks]\n    verbs: [get, list, watch]\n"
	if strings.Count(got, viewer) != 1 {
		t.Errorf("flowfleet-fleet-viewer may not read FlowSinks")
	}
	got = strings.Replace(got, viewer, "", 1)
	for _, word := range []string{"flowsinks", "deployments", "--sinks"} {
		if strings.Contains(got, word) {
			t.Errorf("there is %s", word)
		}
	}
}

func TestSinksComeWithTheGeneratedDefinitionAndRules(t *testing.T) {
	objects := render(t, "--set", "sinks.enabled=true")
	for _, test := range []struct{ file, kind, name, part string }{
		{"../config/crd/bases/flowfleet.io_flowsinks.yaml", "CustomResourceDefinition", "flowsinks.flowfleet.io", "spec"},
		{"../config/sinks/role.yaml", "ClusterRole", "flowfleet-sinks", "rules"},
	} {
		text, err := os.ReadFile(test.file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := manifest.Read(text)
		if err != nil || len(want) != 1 {
			t.Fatalf("%d objects, %v", len(want), err)
		}
		found := false
		for _, o := range objects {
			if o.Written.GetKind() != test.kind || o.Written.GetName() != test.name {
				continue
			}
			found = true
			if diff := cmp.Diff(want[0].Written.Object[test.part], o.Written.Object[test.part]); diff != "" {
				t.Errorf("%s is not as %s (make generate copies it):\n%s", test.name, test.file, diff)
			}
		}
		if !found {
			t.Errorf("there is no %s %s", test.kind, test.name)
		}
	}
}

func TestRulesOfSinksAreInWatchedNamespacesOnly(t *testing.T) {
	objects := render(t, "--set", "sinks.enabled=true", "--set", "watchNamespaces={team-a,team-b}")
	if got := rules(objects, "ClusterRole", "flowfleet-sinks"); len(got) != 0 {
		t.Errorf("in the whole cluster: %v", got)
	}
	got := rules(objects, "Role", "flowfleet-sinks")
	if len(got) != 2 || len(got["team-a"]) == 0 || !cmp.Equal(got["team-a"], got["team-b"], cmp.Comparer(func(a, b rbacv1.PolicyRule) bool {
		return a.String() == b.String()
	})) {
		t.Errorf("%v", got)
	}
}
