package controllertest

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"sigs.k8s.io/yaml"
)

// ReadObject reads an object from a file, and fills in its defaults as the API server does; definition is the file of its kind in
// config/crd/bases. It is for tests of packages two folders below the top, whose folder "go test" works in.
func ReadObject[T any](t testing.TB, file, definition string) *T {
	t.Helper()
	var object map[string]any
	var crd apiextensionsv1.CustomResourceDefinition
	for path, into := range map[string]any{file: &object, "../../config/crd/bases/" + definition: &crd} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	var validation apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &validation, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(&validation)
	if err != nil {
		t.Fatal(err)
	}
	defaulting.Default(object, structural)
	b, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(out); err != nil {
		t.Fatal(err)
	}
	return out
}
