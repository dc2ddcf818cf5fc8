package charts_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixtures are the values that golden files are rendered with.
func fixtures(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("fixtures: %v, %v", paths, err)
	}
	return paths
}

var blankLines = regexp.MustCompile(`\n\n+`)

func TestChartRendersItsGoldenFiles(t *testing.T) {
	for _, values := range fixtures(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			got, err := template(t, "--values", values)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := manifest.Read([]byte(got)); err != nil {
				t.Errorf("Kubernetes would not take it: %v", err)
			}
			golden := strings.TrimSuffix(values, ".values.yaml") + ".golden.yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			// Versions of helm differ in the blank lines before "---".
			if diff := cmp.Diff(blankLines.ReplaceAllString(string(want), "\n"), blankLines.ReplaceAllString(got, "\n")); diff != "" {
				t.Errorf("not as in %s (go test ./charts -update writes it anew):\n%s", golden, diff)
			}
		})
	}
}

func TestEachObjectStandsOnceAndInItsNamespace(t *testing.T) {
	for _, values := range fixtures(t) {
		seen := map[string]bool{}
		for _, object := range render(t, "--values", values) {
			if seen[object.ID()] {
				t.Errorf("%s: %s stands twice", values, object.ID())
			}
			seen[object.ID()] = true
			clusterWide := strings.HasPrefix(object.Written.GetKind(), "Cluster") ||
				strings.HasPrefix(object.Written.GetKind(), "ValidatingAdmissionPolicy")
			if (object.Written.GetNamespace() == "") != clusterWide {
				t.Errorf("%s: %s: its namespace is %q", values, object.ID(), object.Written.GetNamespace())
			}
		}
	}
}

func TestLintHasNothingToSay(t *testing.T) {
	for _, values := range append(fixtures(t), filepath.Join(chart, "values.yaml")) {
		out, errs, err := run(t, helm, "lint", "--strict", chart, "--values", values)
		if err != nil || strings.Contains(out, "[WARNING]") || strings.Contains(out, "[ERROR]") {
			t.Errorf("%s: %v\n%s%s", values, err, out, errs)
		}
	}
}
