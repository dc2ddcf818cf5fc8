package v1alpha1_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// block is a manifest in a guide: indented lines that begin with apiVersion.
var block = regexp.MustCompile(`(?m)^    apiVersion: .*\n(?:(?:    .*)?\n)*`)

// What samples and guides print is what the API server takes, without a field that it does not know.
func TestManifestsOfSamplesAndGuidesAreAccepted(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	namespace := s.Namespace(t)
	texts := map[string]string{}
	for _, pattern := range []string{"../../config/samples/*.yaml", "../../controllers/fleet/testdata/*.yaml", "../../docs/*.md", "../../README.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			switch {
			case err != nil:
				t.Fatal(err)
			case strings.HasSuffix(path, ".md"):
				text = []byte(strings.Join(block.FindAllString(string(text), -1), "\n---\n"))
				text = regexp.MustCompile(`(?m)^    `).ReplaceAll(text, nil)
			case strings.HasSuffix(path, "kustomization.yaml"), strings.HasSuffix(path, ".golden.yaml"):
				continue
			}
			texts[path] = string(text)
		}
	}
	tried := 0
	for path, text := range texts {
		for _, document := range strings.Split("\n"+text, "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if len(o.Object) == 0 || o.GetKind() != "FlowCollector" {
				continue
			}
			tried++
			o.SetNamespace(namespace)
			o.SetUID("")
			if err := client.WithFieldValidation(c, "Strict").Create(t.Context(), o, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d were tried", tried)
	}
}
