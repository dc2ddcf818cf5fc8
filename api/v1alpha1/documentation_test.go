package v1alpha1_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

func TestEachFieldIsDocumented(t *testing.T) {
	for _, n := range append(nodes(t), nodesOf(t, "flowsinks")...) {
		name := n.path[strings.LastIndex(n.path, ".")+1:]
		if n.path == "" || n.path == "metadata" || strings.HasSuffix(name, "[]") || kubernetesTypes.MatchString(n.path) && n.schema.Description != "" {
			continue // elements of a list are described with it
		}
		if !strings.HasPrefix(n.schema.Description, name) {
			t.Errorf("%s: the description has to begin with the field's name: %q", n.path, n.schema.Description)
		}
		if n.schema.Default != nil && n.schema.Type != "object" && !strings.Contains(n.schema.Description, "Default") {
			t.Errorf("%s: the description does not tell the default %s", n.path, n.schema.Default.Raw)
		}
	}
}

// kubectl explain is where a field is looked up.
func TestBoundsAreInTheDescription(t *testing.T) {
	for _, n := range append(nodes(t), nodesOf(t, "flowsinks")...) {
		if !strings.HasPrefix(n.path, "spec.") || kubernetesTypes.MatchString(n.path) {
			continue
		}
		s := n.schema
		for what, bound := range map[string]*float64{"minimum": s.Minimum, "maximum": s.Maximum} {
			if bound == nil || what == "minimum" && *bound == 1 && strings.Contains(s.Description, "up to") {
				continue
			}
			if !regexp.MustCompile(fmt.Sprintf(`\b%d\b`, int64(*bound))).MatchString(s.Description) {
				t.Errorf("%s: the description does not tell the %s %v: %q", n.path, what, int64(*bound), s.Description)
			}
		}
	}
}

func TestKubectlExplainsEachSection(t *testing.T) {
	s := controllertest.Start(t)
	discovery, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the API server publishes the schema", func() bool {
		b, err := discovery.RESTClient().Get().AbsPath("/openapi/v3/apis/flowfleet.io/v1alpha1").DoRaw(t.Context())
		return err == nil && strings.Contains(string(b), "spec is the fleet that is wanted")
	})
	for kind, kinds := range map[string]string{"fcol": "flowcollectors", "fsink": "flowsinks"} {
		for _, n := range nodesOf(t, kinds) {
			if strings.Count(n.path, ".") != 1 || !strings.HasPrefix(n.path, "spec.") {
				continue
			}
			section, _ := strings.CutSuffix(n.path, "[]")
			out := strings.Join(strings.Fields(s.Kubectl(t, "", "explain", kind+"."+section)), " ")
			first, _, _ := strings.Cut(n.schema.Description, ". ")
			if !strings.Contains(out, strings.Join(strings.Fields(first), " ")) {
				t.Errorf("kubectl explain %s.%s does not say %q:\n%s", kind, section, first, out)
			}
		}
	}
}

func TestKindIsFoundByItsShortNameAndCategory(t *testing.T) {
	s := controllertest.Start(t)
	namespace := s.Namespace(t)
	if err := s.Client(t).Create(t.Context(), object(namespace, "spec", map[string]any{})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fcol", "flowfleet", "flowcollectors"} {
		if out := s.Kubectl(t, "", "get", name, "-n", namespace, "-o", "name"); out != "flowcollector.flowfleet.io/test\n" {
			t.Errorf("kubectl get %s printed %q", name, out)
		}
	}
	if out := s.Kubectl(t, "", "get", "all", "-n", namespace, "-o", "name"); out != "" {
		t.Errorf("kubectl get all printed %q", out)
	}
}

func TestColumnsAreWhatOnCallEngineersLookFor(t *testing.T) {
	s := controllertest.Start(t)
	namespace := s.Namespace(t)
	c := s.Client(t)
	o := object(namespace, "spec", map[string]any{})
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	columns := func(arguments ...string) string {
		return s.Kubectl(t, "", append([]string{"get", "fcol", "-n", namespace}, arguments...)...)
	}
	// Before the operator has seen it.
	want := regexp.MustCompile(`^NAME +READY +DEGRADED +SUSPENDED +COLLECTORS +ADDRESS +TEMPLATES +AGE\s+test +Unknown +\d+s\s+$`)
	if out := columns(); !want.MatchString(out) {
		t.Errorf("a new object prints as\n%s", out)
	}
	o.Object["status"] = parse(t, `{conditions: [{type: Ready, status: "True", reason: Ready, message: all is well, lastTransitionTime: "2026-01-01T00:00:00Z"}],
	  collectors: {desired: 3, ready: 3, updated: 3, summary: 3/3}, address: 192.0.2.10, templates: 42, image: example.com/flowfleet:1, bucket: {name: templates, keys: 1, bytes: "1", managed: true}}`)
	if err := c.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want = regexp.MustCompile(`^NAME +READY +DEGRADED +SUSPENDED +COLLECTORS +ADDRESS +TEMPLATES +AGE\s+test +True +3/3 +192\.0\.2\.10 +42 +\d+s\s+$`)
	if out := columns(); !want.MatchString(out) {
		t.Errorf("an object prints as\n%s", out)
	}
	want = regexp.MustCompile(`^NAME +READY +DEGRADED +SUSPENDED +COLLECTORS +ADDRESS +TEMPLATES +AGE +IMAGE +BUCKET +MESSAGE\s+` +
		`test +True +3/3 +192\.0\.2\.10 +42 +\d+s +example\.com/flowfleet:1 +templates +all is well\s+$`)
	if out := columns("-o", "wide"); !want.MatchString(out) {
		t.Errorf("an object prints with -o wide as\n%s", out)
	}
}

func TestSamplesAreAccepted(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	namespace := s.Namespace(t)
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(b), "\n---") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if o.GetKind() != "FlowCollector" {
				continue
			}
			tried++
			o.SetNamespace(namespace)
			accepted(t, file, client.WithFieldValidation(c, metav1.FieldValidationStrict).Create(t.Context(), o, client.DryRunAll))
		}
	}
	if tried == 0 {
		t.Skip("there are no samples")
	}
}
