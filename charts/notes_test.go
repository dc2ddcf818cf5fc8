package charts_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

// notes returns what helm prints after an installation.
func notes(t *testing.T, arguments ...string) string {
	t.Helper()
	if helm == "helm3" {
		t.Skip("Helm 3 asks a cluster before it prints notes")
	}
	out, errs, err := run(t, helm, append([]string{"install", "flowfleet", chart, "--namespace", namespace, "--dry-run=client"},
		arguments...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	_, text, found := strings.Cut(out, "\nNOTES:\n")
	if !found {
		t.Fatal("no notes")
	}
	return strings.TrimRight(text, "\n") + "\n"
}

func TestNotesAreTheGoldenOnes(t *testing.T) {
	for name, arguments := range map[string][]string{
		"default":    nil,
		"namespaced": {"--set", "watchNamespaces={flows-a,flows-b}"},
		"own-roles":  {"--set", "rbac.create=false"},
		"secrets":    {"--set", "secretNamespaces={flows-a}", "--set", "crds.enabled=false", "--set", "replicas=0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := notes(t, arguments...)
			golden := filepath.Join("testdata", name+".notes.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("not as in %s (go test ./charts -update writes it anew):\n%s", golden, diff)
			}
		})
	}
}

// What a person types from the notes works: the object is a FlowCollector, role and service account are there.
func TestCommandsOfTheNotesNameWhatIsThere(t *testing.T) {
	text := notes(t)
	object := regexp.MustCompile(`echo '(.*)' \| kubectl apply`).FindStringSubmatch(text)
	if object == nil || !json.Valid([]byte(object[1])) {
		t.Fatalf("no object in JSON:\n%s", text)
	}
	if objects, err := manifest.Read([]byte(object[1])); err != nil || len(objects) != 1 || objects[0].ID() != "FlowCollector edge" {
		t.Errorf("%v, %v", objects, err)
	}
	command := regexp.MustCompile(`--clusterrole=(\S+) --serviceaccount=(\S+):(\S+)`).FindStringSubmatch(text)
	if command == nil {
		t.Fatalf("no command that binds a role:\n%s", text)
	}
	there := map[string]bool{}
	for _, object := range render(t) {
		there[object.ID()] = true
	}
	for _, id := range []string{"ClusterRole " + command[1], "ServiceAccount " + command[2] + "/" + command[3]} {
		if !there[id] {
			t.Errorf("%s is not there", id)
		}
	}
}

func TestReadmeIsCurrent(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(chart, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, errs, err := run(t, "helm-docs", "--chart-search-root", ".", "--sort-values-order", "file", "--skip-version-footer", "--dry-run")
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), strings.TrimSpace(out)); diff != "" {
		t.Errorf("make generate writes it anew:\n%s", diff)
	}
}
