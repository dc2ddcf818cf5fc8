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

// tenantsOfKustomize is the admission policy of "kubectl apply -k config/default", as the chart's default values make it.
const tenantsOfKustomize = "../config/tenants/admission-policy.yaml"

const tenantsHeader = `# What whoever may create FlowCollectors may ask for: the chart's templates/admission-policy.yaml with its default values. A test
# compares the two; go test ./charts -update writes this one anew.
`

// chartValue is how the chart's refusals name a list that an administrator fills.
var chartValue = regexp.MustCompile(`value tenants\.(\w+)( of Flowfleet's chart)?`)

// Who has no chart has no values: the refusals name the lists where they are, in the policy itself.
func TestKustomizeHasTheChartsPolicyAndNamesWhatItHas(t *testing.T) {
	policies := []string{"tenants", "configurations", "turns"}
	documents := make(map[string]string)
	for _, object := range render(t) {
		o := object.Written.DeepCopy()
		name := strings.TrimPrefix(o.GetName(), "flowfleet-")
		if !slices.Contains(append(policies, "flowcollector-privileged"), name) {
			continue
		}
		o.SetName(name) // kustomization.yaml has the prefix
		unstructured.RemoveNestedField(o.Object, "metadata", "labels")
		if o.GetKind() == "ValidatingAdmissionPolicy" {
			namePolicysLists(t, o)
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		documents[o.GetKind()+" "+name] = string(text)
	}
	want := tenantsHeader + documents["ClusterRole flowcollector-privileged"]
	for _, name := range policies {
		want += "---\n" + documents["ValidatingAdmissionPolicy "+name] + "---\n" + documents["ValidatingAdmissionPolicyBinding "+name]
	}
	if *update {
		if err := os.WriteFile(tenantsOfKustomize, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(tenantsOfKustomize)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("go test ./charts -update writes it anew: %s", diff)
	}
}

// namePolicysLists makes refusals name a list by the policy's variable that holds it.
func namePolicysLists(t *testing.T, policy *unstructured.Unstructured) {
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
			if variable == "secrets" {
				variable = "secretNames" // of which a message speaks otherwise
			}
			if !variables[variable] {
				t.Errorf("the policy has no variable for the %s", value)
			}
			return "variable " + variable + " of the policy flowfleet-tenants"
		})
	}
	if err := unstructured.SetNestedSlice(policy.Object, validations, "spec", "validations"); err != nil {
		t.Fatal(err)
	}
}
