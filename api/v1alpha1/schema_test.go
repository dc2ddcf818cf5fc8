package v1alpha1_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

// readDefinition reads the definition of a kind, by its plural, as it is generated.
func readDefinition(t *testing.T, kinds string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	b, err := os.ReadFile("../../config/crd/bases/flowfleet.io_" + kinds + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(b, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

// node is one place in the schema. Its path is written like spec.listeners[].port; that of the whole object is empty.
type node struct {
	path     string
	schema   *apiextensionsv1.JSONSchemaProps
	required bool
}

// kubernetesTypes are the places where the schema is that of a type of Kubernetes, which is not ours to bound or to explain.
var kubernetesTypes = regexp.MustCompile(`^(metadata|apiVersion|kind|status\.conditions\[\]` +
	`|spec\.(resources|collector\.resources)\.(limits|requests|claims)` +
	`|spec\.(collector|pod)\.(affinity|tolerations\[\]|topologySpreadConstraints\[\]|env\[\]|volumeMounts\[\])` +
	`|spec\.(collector|pod)\.volumes\[\]\.(configMap|secret|hostPath|persistentVolumeClaim|csi)` +
	`|spec\.networkPolicy\.metricsFrom)(\.|$)`)

// nodes lists all places of the schema of FlowCollectors that are this project's own, an outer one before those in it.
func nodes(t *testing.T) []node {
	t.Helper()
	return nodesOf(t, "flowcollectors")
}

func nodesOf(t *testing.T, kinds string) (out []node) {
	t.Helper()
	var walk func(path string, schema *apiextensionsv1.JSONSchemaProps, required bool)
	walk = func(path string, schema *apiextensionsv1.JSONSchemaProps, required bool) {
		out = append(out, node{path, schema, required})
		if kubernetesTypes.MatchString(path) {
			return
		}
		names := make([]string, 0, len(schema.Properties))
		for name := range schema.Properties {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			property := schema.Properties[name]
			walk(strings.TrimPrefix(path+"."+name, "."), &property, slices.Contains(schema.Required, name))
		}
		if schema.Items != nil {
			walk(path+"[]", schema.Items.Schema, false)
		}
	}
	walk("", readDefinition(t, kinds).Spec.Versions[0].Schema.OpenAPIV3Schema, true)
	return out
}

// object is a FlowCollector with the value at the path; a path into a list (listeners[]) makes one of one element.
func object(namespace, path string, value any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.SchemeGroupVersion.String(), "kind": "FlowCollector",
		"metadata": map[string]any{"name": "test", "namespace": namespace},
		"spec":     map[string]any{},
	}}
	put(o.Object, path, runtime.DeepCopyJSONValue(value))
	return o
}

func put(m map[string]any, path string, value any) {
	name, rest, deeper := strings.Cut(path, ".")
	key, list := strings.CutSuffix(name, "[]")
	if deeper {
		inner, _ := m[key].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		put(inner, rest, value)
		value = inner
	}
	if list {
		value = []any{value}
	}
	m[key] = value
}

// parse reads a value written as YAML.
func parse(t *testing.T, text string) (value any) {
	t.Helper()
	// As JSON has it in the API: whole numbers are int64.
	var wrapped map[string]any
	b, err := yaml.YAMLToJSON([]byte("value: " + text))
	if err == nil {
		wrapped, err = unmarshalJSON(b)
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return wrapped["value"]
}

func unmarshalJSON(b []byte) (map[string]any, error) {
	o := &unstructured.Unstructured{}
	// An object of the API is the only form that its decoder takes.
	err := o.UnmarshalJSON([]byte(fmt.Sprintf(`{"apiVersion":"v1","kind":"Value","wrapped":%s}`, b)))
	if err != nil {
		return nil, err
	}
	return o.Object["wrapped"].(map[string]any), nil
}

// refusal is one of the reasons why the API server did not take an object.
type refusal struct{ path, message string }

var index = regexp.MustCompile(`\[[^\]]*\]`)

// refusals are those of an error; none for nil. An error of another kind ends the test.
func refusals(t *testing.T, err error) (out []refusal) {
	t.Helper()
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		t.Fatal(err)
	}
	for _, cause := range status.Status().Details.Causes {
		path := index.ReplaceAllString(cause.Field, "[]")
		out = append(out, refusal{strings.TrimPrefix(path, "<nil>"), cause.Message})
	}
	return out
}
