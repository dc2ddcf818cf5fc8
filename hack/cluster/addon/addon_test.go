package addon_test

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/hack/cluster/addon"
)

func TestMetalLBRunsImagesBuiltHere(t *testing.T) {
	if testing.Short() {
		t.Skip("gets MetalLB's module")
	}
	manifest, err := addon.MetalLB(t.Context(), "../../modules")
	if err != nil {
		t.Fatal(err)
	}
	parse(t, manifest)
	if bytes.Contains(manifest, []byte("quay.io")) || bytes.Count(manifest, []byte("image: flowfleet.io/")) != 2 {
		t.Error("an image from a registry")
	}
}

func TestPoolsAssignOneKindByDefault(t *testing.T) {
	for _, balancer := range []string{"bgp", "l2"} {
		automatic := ""
		for _, object := range parse(t, addon.Pools(balancer)) {
			if spec := object["spec"].(map[string]any); object["kind"] == "IPAddressPool" && spec["autoAssign"] == true {
				automatic += object["metadata"].(map[string]any)["name"].(string)
			}
		}
		if automatic != balancer {
			t.Errorf("%s: %q assigns by default", balancer, automatic)
		}
	}
}

func TestCoreDNSIsValid(t *testing.T) {
	if objects := parse(t, addon.CoreDNS()); len(objects) != 6 {
		t.Errorf("%d objects", len(objects))
	}
}

func parse(t *testing.T, manifests []byte) (objects []map[string]any) {
	t.Helper()
	for document := range strings.SplitSeq(string(manifests), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object["kind"] == nil {
			t.Fatalf("no kind in\n%s", document)
		}
		objects = append(objects, object)
	}
	return objects
}
