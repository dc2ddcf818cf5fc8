package v1alpha1

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Kubernetes' own form of a quantity lets some pass that nothing can decode, such as 1e1.5. Where one object cannot be decoded, no list of the kind
// can be, and the operator looks after none of them any more: each quantity of a spec is checked by a rule of its own.
func TestEveryQuantityOfASpecIsOneThatCanBeDecoded(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := 0
	var walk func(path string, schema *apiextensionsv1.JSONSchemaProps, rules []string)
	walk = func(path string, schema *apiextensionsv1.JSONSchemaProps, rules []string) {
		for _, r := range schema.XValidations {
			rules = append(rules[:len(rules):len(rules)], r.Rule)
		}
		if schema.XIntOrString && schema.Pattern != "" {
			seen++
			last := strings.Join(rules[max(0, len(rules)-4):], "\n")
			if !strings.Contains(last, "[eE]") && !strings.Contains(last, path[strings.LastIndex(path, ".")+1:]+" in [") {
				t.Errorf("%s is checked by Kubernetes' own pattern only", path)
			}
		}
		for name, p := range schema.Properties {
			walk(path+"."+name, &p, rules)
		}
		if schema.Items != nil && schema.Items.Schema != nil {
			walk(path+"[]", schema.Items.Schema, rules)
		}
		if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
			walk(path+"{}", schema.AdditionalProperties.Schema, rules)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, d); err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Spec.Versions {
			spec := v.Schema.OpenAPIV3Schema.Properties["spec"]
			walk(d.Spec.Names.Kind+".spec", &spec, nil)
		}
	}
	if seen < 15 {
		t.Errorf("%d quantities were found", seen)
	}
}
