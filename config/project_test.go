package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

// kubebuilder looks up in PROJECT where things are, and what they are called.
func TestProjectNamesTheAPIAsItIs(t *testing.T) {
	text, err := os.ReadFile("../PROJECT")
	if err != nil {
		t.Fatal(err)
	}
	var project struct {
		Domain, ProjectName, Repo, Version string
		Layout                             []string
		Resources                          []struct {
			API struct {
				CRDVersion string
				Namespaced bool
			}
			Controller                         bool
			Domain, Group, Kind, Path, Version string
		}
	}
	if err := yaml.UnmarshalStrict(text, &project); err != nil {
		t.Fatal(err)
	}
	kinds, err := filepath.Glob("crd/bases/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Layout) != 1 || project.Layout[0] != "go.kubebuilder.io/v4" || project.Version != "3" || len(project.Resources) != len(kinds) {
		t.Fatalf("%+v", project)
	}
	for _, resource := range project.Resources {
		text, err = os.ReadFile("crd/bases/flowfleet.io_" + strings.ToLower(resource.Kind) + "s.yaml")
		if err != nil {
			t.Fatal(err)
		}
		objects, err := manifest.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		definition := objects[0].Object.(*apiextensionsv1.CustomResourceDefinition)
		if group := strings.TrimPrefix(resource.Group+"."+resource.Domain, "."); group != definition.Spec.Group {
			t.Errorf("group %s, not %s", group, definition.Spec.Group)
		}
		if resource.Kind != definition.Spec.Names.Kind || resource.Version != definition.Spec.Versions[0].Name ||
			resource.API.Namespaced != (definition.Spec.Scope == apiextensionsv1.NamespaceScoped) {
			t.Errorf("%+v is not the definition's", resource)
		}
		directory, ok := strings.CutPrefix(resource.Path, project.Repo+"/")
		if info, err := os.Stat(filepath.Join("..", directory)); !ok || err != nil || !info.IsDir() {
			t.Errorf("%s is no package of %s", resource.Path, project.Repo)
		}
	}
}
