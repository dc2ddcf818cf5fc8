package charts_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// policiesOfKustomize are the admission policies that "kubectl apply -k" installs, as the chart's default values make them.
var policiesOfKustomize = []struct {
	file, header, role, lists string
	policies                  []string
}{
	{"../config/tenants/admission-policy.yaml", `# What whoever may create FlowCollectors may ask for: the chart's templates/admission-policy.yaml with its default values. A test
# compares the two; go test ./charts -update writes this one anew.
`, "flowcollector-privileged", "tenants", []string{"tenants", "configurations", "turns", "status"}},
	{"../config/sinks/admission-policy.yaml", `# What whoever may create FlowSinks may ask for: the policies of the chart's templates/sinks.yaml with its default values. A test
# compares the two; go test ./charts -update writes this one anew.
`, "flowsink-privileged", "sink-tenants", []string{"sink-tenants", "sink-status"}},
}

// chartValue is how the chart's refusals name a list that an administrator fills.
var chartValue = regexp.MustCompile(`value tenants\.(\w+)( of Flowfleet's chart)?`)

// Who has no chart has no values: the refusals name the lists where they are, in the policy itself.
func TestKustomizeHasTheChartsPoliciesAndNamesWhatTheyHave(t *testing.T) {
	objects := render(t, "--set", "sinks.enabled=true")
	for _, of := range policiesOfKustomize {
		documents := make(map[string]string)
		for _, object := range objects {
			o := object.Written.DeepCopy()
			name := strings.TrimPrefix(o.GetName(), "flowfleet-")
			if name != of.role && !slices.Contains(of.policies, name) {
				continue
			}
			o.SetName(name) // kustomization.yaml has the prefix
			unstructured.RemoveNestedField(o.Object, "metadata", "labels")
			if o.GetKind() == "ValidatingAdmissionPolicyBinding" { // names.yaml beside the file has kustomize give it the prefix
				if err := unstructured.SetNestedField(o.Object, name, "spec", "policyName"); err != nil {
					t.Fatal(err)
				}
			}
			if o.GetKind() == "ValidatingAdmissionPolicy" {
				namePolicysLists(t, o, of.lists)
			}
			text, err := yaml.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			documents[o.GetKind()+" "+name] = string(text)
		}
		want := of.header + documents["ClusterRole "+of.role]
		for _, name := range of.policies {
			want += "---\n" + documents["ValidatingAdmissionPolicy "+name] + "---\n" + documents["ValidatingAdmissionPolicyBinding "+name]
		}
		if *update {
			if err := os.WriteFile(of.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(of.file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: go test ./charts -update writes it anew: %s", of.file, diff)
		}
	}
}

// otherwise are the variables that hold a list of another name.
var otherwise = map[string]string{"secrets": "secretNames", "clickHouse": "servers"}

// namePolicysLists makes refusals name a list by the variable that holds it, of the policy that has the lists.
func namePolicysLists(t *testing.T, policy *unstructured.Unstructured, lists string) {
	t.Helper()
	variables := make(map[string]bool)
	list, _, err := unstructured.NestedSlice(policy.Object, "spec", "variables")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		variables[v.(map[string]any)["name"].(string)] = true
	}
	validations, _, err := unstructured.NestedSlice(policy.Object, "spec", "validations")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range validations {
		validation := v.(map[string]any)
		validation["message"] = chartValue.ReplaceAllStringFunc(validation["message"].(string), func(value string) string {
			variable := chartValue.FindStringSubmatch(value)[1]
			if other := otherwise[variable]; other != "" {
				variable = other
			}
			if !variables[variable] {
				t.Errorf("the policy has no variable for the %s", value)
			}
			return "variable " + variable + " of the policy flowfleet-" + lists
		})
	}
	if err := unstructured.SetNestedSlice(policy.Object, validations, "spec", "validations"); err != nil {
		t.Fatal(err)
	}
}
