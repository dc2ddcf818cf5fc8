package charts_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

const policy = "helm.sh/resource-policy"

var generatedCRDs = []string{"../config/crd/bases/flowfleet.io_flowcollectors.yaml", "../config/crd/bases/flowfleet.io_flowexporters.yaml"}

func definitions(objects []manifest.Object) (found []manifest.Object) {
	for _, object := range objects {
		if _, ok := object.Object.(*apiextensionsv1.CustomResourceDefinition); ok {
			found = append(found, object)
		}
	}
	return found
}

// Helm installs what is in crds/ and never looks at it again; what its templates render is part of the release, and is
// upgraded with it. "helm template" leaves out what is in crds/.
func TestDefinitionsArePartOfTheReleaseAndAreTheGeneratedOnes(t *testing.T) {
	got := map[string]manifest.Object{}
	for _, d := range definitions(render(t)) {
		got[d.Written.GetName()] = d
	}
	if len(got) != len(generatedCRDs) {
		t.Fatalf("%d definitions", len(got))
	}
	for _, generated := range generatedCRDs {
		text, err := os.ReadFile(generated)
		if err != nil {
			t.Fatal(err)
		}
		want, err := manifest.Read(text)
		if err != nil || len(want) != 1 {
			t.Fatalf("%d objects, %v", len(want), err)
		}
		definition, ok := got[want[0].Written.GetName()]
		if !ok {
			t.Errorf("%s is not in the release", want[0].Written.GetName())
			continue
		}
		if diff := cmp.Diff(want[0].Written.Object["spec"], definition.Written.Object["spec"]); diff != "" {
			t.Errorf("not as %s (make generate copies it):\n%s", generated, diff)
		}
		for key, value := range want[0].Written.GetAnnotations() {
			if definition.Written.GetAnnotations()[key] != value {
				t.Errorf("the annotation %s: %s is missing", key, value)
			}
		}
	}
}

func TestDefinitionIsKeptUnlessToldOtherwise(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"by default", nil, "keep"},
		{"not kept", []string{"--set", "crds.keep=false"}, ""},
		{"annotations do not unset it", []string{"--set", `crds.annotations.helm\.sh/resource-policy=other`}, "keep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, definition := range definitions(render(t, test.arguments...)) {
				if got := definition.Written.GetAnnotations()[policy]; got != test.want {
					t.Errorf("%s is %q", policy, got)
				}
			}
		})
	}
	if got := definitions(render(t, "--set", "crds.enabled=false")); len(got) != 0 {
		t.Errorf("%d definitions although they are turned off", len(got))
	}
}
