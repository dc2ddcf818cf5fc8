package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/hack/manifest"
)

// samples returns the files of the samples.
func samples(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("samples/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Resources []string }
	if err := yaml.UnmarshalStrict(text, &list); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" {
			names = append(names, name)
		}
	}
	slices.Sort(list.Resources)
	if !slices.Equal(names, list.Resources) {
		t.Errorf("kustomization.yaml lists %v, the files are %v", list.Resources, names)
	}
	return names
}

func TestSampleIsOneFlowCollectorWithTheSecretsItNames(t *testing.T) {
	collectors := map[string]string{}
	for _, name := range samples(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("samples", name))
			if err != nil {
				t.Fatal(err)
			}
			objects, err := manifest.Read(text)
			if err != nil {
				t.Fatal(err)
			}
			var collector *v1alpha1.FlowCollector
			secrets := map[string][]string{}
			for _, object := range objects {
				switch object := object.Object.(type) {
				case *v1alpha1.FlowCollector:
					if collector != nil {
						t.Error("a second FlowCollector")
					}
					collector = object
				case *corev1.Secret:
					for key := range object.StringData {
						secrets[object.Name] = append(secrets[object.Name], key)
					}
				default:
					t.Errorf("%T has no place here", object)
				}
			}
			if collector == nil {
				t.Fatal("no FlowCollector")
			}
			for _, made := range makesSecret.FindAllStringSubmatch(string(text), -1) {
				secrets[made[1]] = append(secrets[made[1]], filepath.Base(made[2]))
			}
			if other := collectors[collector.Name]; other != "" {
				t.Errorf("%s has the name %s, too", other, collector.Name)
			}
			collectors[collector.Name] = name
			named := map[string]bool{}
			secretKeys(reflect.ValueOf(collector.Spec), func(selected v1alpha1.SecretKey) {
				named[selected.Name] = true
				if !slices.Contains(secrets[selected.Name], selected.Key) {
					t.Errorf("the Secret %s with the key %s is missing", selected.Name, selected.Key)
				}
			})
			for secret := range secrets {
				if !named[secret] {
					t.Errorf("nothing names the Secret %s", secret)
				}
			}
		})
	}
}

// makesSecret finds the commands in the head of a sample that make a Secret.
var makesSecret = regexp.MustCompile(`(?m)^#   kubectl create secret generic (\S+) -n flows --from-file=(\S+)$`)

// secretKeys calls found with each key of a Secret that a value selects, at whatever depth.
func secretKeys(value reflect.Value, found func(v1alpha1.SecretKey)) {
	if selected, ok := value.Interface().(v1alpha1.SecretKey); ok {
		found(selected)
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			secretKeys(value.Elem(), found)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				secretKeys(value.Field(i), found)
			}
		}
	}
}
