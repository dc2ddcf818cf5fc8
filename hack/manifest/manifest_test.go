package manifest_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

func TestObjectsAreReadIntoTheirTypes(t *testing.T) {
	objects, err := manifest.Read([]byte("# nothing\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\nstringData: {x: z}\n---\n"))
	if err != nil || len(objects) != 1 {
		t.Fatalf("%v, %v", objects, err)
	}
	if secret, ok := objects[0].Object.(*corev1.Secret); !ok || secret.StringData["x"] != "z" || objects[0].ID() != "Secret b/a" {
		t.Errorf("%s: %+v", objects[0].ID(), objects[0].Object)
	}
}

func TestWhatTheTypeDoesNotHaveIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown field":     {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n", `unknown field "spec.prots"`},
		"wrong type":        {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: 1}\n", "ports"},
		"field that is two": {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nmetadata: {name: b}\n", "already set"},
		"unknown kind":      {"apiVersion: v1\nkind: Sevrice\nmetadata: {name: a}\n", "Sevrice"},
		"ServiceMonitor":    {"apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\nspec: {endpoint: []}\n", `"spec.endpoint"`},
		"FlowCollector":     {"apiVersion: flowfleet.io/v1alpha1\nkind: FlowCollector\nmetadata: {name: a}\nspec: {lissteners: []}\n", `"spec.lissteners"`},
	} {
		if _, err := manifest.Read([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
