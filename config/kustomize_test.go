// Package config_test tests the manifests that are installed with kubectl, and the samples.
package config_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/manifest"
)

// programs is the directory with helm and kustomize, which the first call builds where they are not cached.
var programs = sync.OnceValues(func() (string, error) {
	if err := manifest.Look(".", "../charts/flowfleet"); err != nil {
		return "", err
	}
	builder, err := build.New(os.Stderr)
	if err != nil {
		return "", err
	}
	return builder.Build(context.Background(), "helm", "kustomize")
})

// read runs one of the programs, and reads the objects that it prints, by their ids.
func read(t *testing.T, program string, arguments ...string) map[string]manifest.Object {
	t.Helper()
	directory, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(directory, program), arguments...)
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "XDG_CACHE_HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	var errs strings.Builder
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("%s warns: %s", program, errs.String())
	}
	objects, err := manifest.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]manifest.Object, len(objects))
	for _, object := range objects {
		if _, ok := found[object.ID()]; ok {
			t.Errorf("%s stands twice", object.ID())
		}
		found[object.ID()] = object
	}
	return found
}

// essence is an object but for its labels and annotations, which say who installed it, and not what. Those labels of a role
// that add it to another one are kept.
func essence(t *testing.T, object manifest.Object) map[string]any {
	t.Helper()
	written := object.Written.DeepCopy()
	labels := written.GetLabels()
	for key := range labels {
		if !strings.HasPrefix(key, "rbac.authorization.k8s.io/") {
			delete(labels, key)
		}
	}
	written.SetLabels(labels)
	written.SetAnnotations(nil)
	if spec, ok := written.Object["spec"].(map[string]any); ok {
		if template, ok := spec["template"].(map[string]any); ok { // a Deployment's; its selector is compared
			delete(template, "metadata")
		}
	}
	// What a refusal says names the values of the chart, or the variables of the policy: charts/kustomize_test.go compares these.
	if validations, found, err := unstructured.NestedSlice(written.Object, "spec", "validations"); found && err == nil {
		for _, v := range validations {
			delete(v.(map[string]any), "message")
			delete(v.(map[string]any), "messageExpression")
		}
		if err := unstructured.SetNestedSlice(written.Object, validations, "spec", "validations"); err != nil {
			t.Fatal(err)
		}
	}
	// Numbers and texts as YAML has them, whichever way they were written.
	text, err := yaml.Marshal(written.Object)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := yaml.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestKubectlAndHelmInstallTheSame(t *testing.T) {
	for directory, values := range map[string]string{"default": "", ".": "sinks.enabled=true"} {
		kustomize := read(t, "kustomize", "build", directory)
		helm := read(t, "helm", "template", "flowfleet", "../charts/flowfleet", "--namespace", "flowfleet-system", "--kube-version", "1.37.2", "--set", values)
		const own = "Namespace flowfleet-system" // helm makes it with --create-namespace
		if _, ok := kustomize[own]; !ok {
			t.Errorf("%s: kustomize makes no %s", directory, own)
		}
		delete(kustomize, own)
		for id, object := range kustomize {
			other, ok := helm[id]
			if !ok {
				t.Errorf("%s: %s: the chart does not have it", directory, id)
				continue
			}
			if diff := cmp.Diff(essence(t, object), essence(t, other)); diff != "" {
				t.Errorf("%s: %s: kustomize - helm +\n%s", directory, id, diff)
			}
		}
		for id := range helm {
			if _, ok := kustomize[id]; !ok {
				t.Errorf("%s: %s: only the chart has it", directory, id)
			}
		}
	}
}

// Pods that the selectors do not match would make a Deployment that the API server refuses, and a Service without pods.
func TestSelectorsMatchThePods(t *testing.T) {
	objects := read(t, "kustomize", "build", "default")
	labels := dig(objects["Deployment flowfleet-system/flowfleet-manager"].Written.Object, "spec", "template", "metadata", "labels")
	for _, selector := range []map[string]any{
		dig(objects["Deployment flowfleet-system/flowfleet-manager"].Written.Object, "spec", "selector", "matchLabels"),
		dig(objects["Service flowfleet-system/flowfleet-manager-metrics"].Written.Object, "spec", "selector"),
	} {
		if len(selector) < 3 {
			t.Errorf("the selector %v is too wide", selector)
		}
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("selector %s=%v, label %v", key, value, labels[key])
			}
		}
	}
}

// An overlay may give all objects other names. A binding that names no policy is accepted by the API server, and refuses nothing.
func TestBindingsFollowTheirPoliciesIntoAnOverlay(t *testing.T) {
	for directory, policies := range map[string]int{"default": 4, ".": 6} {
		for _, names := range []string{"namePrefix: acme-", "nameSuffix: -b", "namePrefix: a-\nnameSuffix: -b"} {
			objects := read(t, "kustomize", "build", overlay(t, directory, names))
			bound := 0
			for id, object := range objects {
				if object.Written.GetKind() != "ValidatingAdmissionPolicyBinding" {
					continue
				}
				policy, _ := dig(object.Written.Object, "spec")["policyName"].(string)
				if _, ok := objects["ValidatingAdmissionPolicy "+policy]; !ok {
					t.Errorf("%s with %q: %s names the policy %q, which is not there", directory, names, id, policy)
					continue
				}
				bound++
			}
			if bound != policies {
				t.Errorf("%s with %q: %d policies are bound, of %d", directory, names, bound, policies)
			}
		}
	}
}

// overlay is a directory with a kustomization of a directory of config, and what a user adds.
func overlay(t *testing.T, directory, adds string) string {
	t.Helper()
	place, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Abs(directory)
	if err != nil {
		t.Fatal(err)
	}
	if base, err = filepath.Rel(place, base); err != nil { // kustomize takes no others
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(place, "kustomization.yaml"), []byte("resources: ["+base+"]\n"+adds+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return place
}

func dig(object map[string]any, path ...string) map[string]any {
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	return object
}

// "kubectl apply" without --server-side keeps the whole object in an annotation, and annotations end at 256 KiB.
func TestDefinitionsFitIntoTheAnnotationOfKubectlApply(t *testing.T) {
	for _, kinds := range []string{"flowcollectors", "flowexporters", "flowsinks"} {
		text, err := os.ReadFile("crd/bases/flowfleet.io_" + kinds + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		compact, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if limit := 256 << 10; len(compact) > limit*95/100 {
			t.Errorf("%s take %d of %d bytes: shorten descriptions, or let the guide ask for --server-side", kinds, len(compact), limit)
		}
	}
}
