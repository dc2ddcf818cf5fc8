package v1alpha1_test

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/hack/guides"
)

// examplesOf are the indented blocks of a guide that are a FlowCollector, its spec, or a part of that.
func examplesOf(guide string) (specs []map[string]any) {
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[v1alpha1.FlowCollectorSpec]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	var block strings.Builder
	end := func() {
		var document map[string]any
		text := block.String()
		block.Reset()
		if text == "" || yaml.Unmarshal([]byte(text), &document) != nil || len(document) == 0 {
			return
		}
		if spec, ok := document["spec"].(map[string]any); ok && (document["kind"] == "FlowCollector" || len(document) == 1) {
			document = spec
		}
		for key := range document {
			if !known[key] {
				return
			}
		}
		specs = append(specs, document)
	}
	for line := range strings.Lines(guide + "\n") {
		if text, indented := strings.CutPrefix(line, "    "); indented {
			block.WriteString(text)
			continue
		}
		end()
	}
	end()
	return specs
}

// What the guides tell to write into a FlowCollector is taken by the API server, strictly.
func TestExamplesOfTheGuidesAreAccepted(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	tried := 0
	for guide, text := range guides.Pages(t) {
		for _, spec := range examplesOf(text) {
			tried++
			o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
			o.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
			o.SetKind("FlowCollector")
			o.SetName("example")
			o.SetNamespace(namespace)
			if err := client.WithFieldValidation(c, "Strict").Create(t.Context(), o, client.DryRunAll); err != nil {
				t.Errorf("%s: %v\n%v", guide, err, spec)
			}
		}
	}
	if tried < 2 {
		t.Errorf("only %d examples were found", tried)
	}
	t.Logf("%d examples", tried)
}
