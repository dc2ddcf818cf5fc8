package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// ofKubernetes are fields with a type of Kubernetes, of whatever section: what is below them is its business, and one use of each is enough.
var ofKubernetes = map[string]bool{"affinity": true, "env": true, "initContainers": true, "resources": true, "sidecars": true, "tolerations": true,
	"topologySpreadConstraints": true, "volumeMounts": true, "volumes": true}

// A knob that nobody turns in a sample or a golden file is one of which nobody sees what it does. The operator's own tests show that each golden
// file settles.
func TestEveryKnobIsTurnedInASampleOrAGoldenFile(t *testing.T) {
	for _, kind := range []struct {
		name, definition string
		files            []string
		least            int
	}{
		{"FlowCollector", "crd/bases/flowfleet.io_flowcollectors.yaml", []string{"samples/*.yaml", "../controllers/fleet/testdata/*.yaml"}, 100},
		{"FlowSink", "crd/bases/flowfleet.io_flowsinks.yaml", []string{"sinks/sample.yaml", "../controllers/sink/testdata/*.yaml"}, 40},
	} {
		t.Run(kind.name, func(t *testing.T) {
			text, err := os.ReadFile(kind.definition)
			if err != nil {
				t.Fatal(err)
			}
			var definition apiextensionsv1.CustomResourceDefinition
			if err := sigsyaml.Unmarshal(text, &definition); err != nil {
				t.Fatal(err)
			}
			turned := make(map[string]bool)
			for _, pattern := range kind.files {
				files, err := filepath.Glob(pattern)
				if err != nil || len(files) == 0 {
					t.Fatalf("%s: %d files, %v", pattern, len(files), err)
				}
				for _, file := range files {
					if !strings.HasSuffix(file, ".golden.yaml") {
						readKnobs(t, file, kind.name, turned)
					}
				}
			}
			knobs := 0
			schemaKnobs(definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"], "", func(path string) {
				knobs++
				if !turned[path] {
					t.Errorf("spec.%s is in no sample and no golden file: set it in knobs.yaml, in controllers/fleet/testdata or controllers/sink/testdata", path)
				}
			})
			if knobs < kind.least {
				t.Errorf("only %d knobs were found", knobs)
			}
		})
	}
}

// schemaKnobs calls found with the path of each field that has none below it.
func schemaKnobs(schema apiextensionsv1.JSONSchemaProps, path string, found func(string)) {
	path = sameSection(path)
	kubernetes := ofKubernetes[path[strings.LastIndex(path, ".")+1:]]
	switch {
	case !kubernetes && len(schema.Properties) > 0:
		for name, field := range schema.Properties {
			schemaKnobs(field, strings.TrimPrefix(path+"."+name, "."), found)
		}
	case !kubernetes && schema.Items != nil && schema.Items.Schema != nil:
		schemaKnobs(*schema.Items.Schema, path, found)
	default:
		found(path)
	}
}

// sameSection: the three sections of NATS have one type.
func sameSection(path string) string {
	for _, section := range []string{"templateStore.nats.", "output.nats."} {
		if rest, ok := strings.CutPrefix(path, section); ok {
			return "nats." + rest
		}
	}
	return path
}

func readKnobs(t *testing.T, file, kind string, turned map[string]bool) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	decoder := yaml.NewYAMLOrJSONDecoder(f, 4096)
	for {
		var object struct {
			Kind string         `json:"kind"`
			Spec map[string]any `json:"spec"`
		}
		if decoder.Decode(&object) != nil {
			return
		}
		if object.Kind == kind {
			turn(object.Spec, "", turned)
		}
	}
}

func turn(value any, path string, turned map[string]bool) {
	turned[sameSection(path)] = true
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			turn(field, strings.TrimPrefix(path+"."+name, "."), turned)
		}
	case []any:
		for _, element := range value {
			turn(element, path, turned)
		}
	}
}
