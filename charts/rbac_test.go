package charts_test

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

const generatedRole = "../config/rbac/role.yaml"

// generated returns the rules that controller-gen made of the operator's markers: for the cluster, and for the operator's own
// namespace.
func generated(t *testing.T) (cluster, own []rbacv1.PolicyRule) {
	t.Helper()
	text, err := os.ReadFile(generatedRole)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		switch role := object.Object.(type) {
		case *rbacv1.ClusterRole:
			cluster = append(cluster, role.Rules...)
		case *rbacv1.Role:
			own = append(own, role.Rules...)
		}
	}
	if len(objects) != 2 || len(cluster) == 0 || len(own) == 0 {
		t.Fatalf("%s: the chart has room for one ClusterRole and one Role", generatedRole)
	}
	return cluster, own
}

// rules returns those of the roles of that kind and name, by namespace.
func rules(objects []manifest.Object, kind, name string) map[string][]rbacv1.PolicyRule {
	found := map[string][]rbacv1.PolicyRule{}
	for _, object := range objects {
		if object.Written.GetKind() != kind || object.Written.GetName() != name {
			continue
		}
		switch role := object.Object.(type) {
		case *rbacv1.ClusterRole:
			found[""] = role.Rules
		case *rbacv1.Role:
			found[role.Namespace] = role.Rules
		}
	}
	return found
}

func TestClusterWideRulesAreTheGeneratedOnes(t *testing.T) {
	objects := render(t)
	cluster, own := generated(t)
	for _, test := range []struct {
		kind, name string
		want       map[string][]rbacv1.PolicyRule
	}{
		{"ClusterRole", "flowfleet-manager", map[string][]rbacv1.PolicyRule{"": cluster}},
		{"Role", "flowfleet-manager", map[string][]rbacv1.PolicyRule{namespace: own}},
		{"Role", "flowfleet-fleets", map[string][]rbacv1.PolicyRule{}},
	} {
		if diff := cmp.Diff(test.want, rules(objects, test.kind, test.name)); diff != "" {
			t.Errorf("%s %s: not as %s (make generate copies it):\n%s", test.kind, test.name, generatedRole, diff)
		}
	}
}

// grants takes rules apart: one entry for each group, resource (or path), name and verb.
func grants(rules []rbacv1.PolicyRule) map[string]bool {
	found := map[string]bool{}
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			for _, path := range rule.NonResourceURLs {
				found[path+" "+verb] = true
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, name := range append(slices.Clone(rule.ResourceNames), "*")[:max(1, len(rule.ResourceNames))] {
						found[fmt.Sprintf("%s/%s %s %s", group, resource, name, verb)] = true
					}
				}
			}
		}
	}
	return found
}

// clusterScoped tells whether a grant is for what belongs to no namespace. It fails the test for what it does not know.
func clusterScoped(t *testing.T, scopes map[string]bool, grant string) bool {
	t.Helper()
	resource, _, _ := strings.Cut(grant, " ")
	group, name, _ := strings.Cut(resource, "/")
	if group == "" && strings.Contains(name, "metrics") { // a path: /metrics
		return true
	}
	name, _, _ = strings.Cut(name, "/") // without the subresource
	scope, known := scopes[group+"/"+name]
	if !known {
		t.Errorf("%s: is it in a namespace? Say so in scopes", grant)
	}
	return scope
}

// scopes knows of each resource of Kubernetes whether it is cluster-scoped: client-go's method for one that is not takes a
// namespace.
func scopes() map[string]bool {
	known := map[string]bool{
		"flowfleet.io/flowcollectors":                    false,
		"flowfleet.io/flowexporters":                     false,
		"monitoring.coreos.com/podmonitors":              false,
		"monitoring.coreos.com/prometheusrules":          false,
		"apiextensions.k8s.io/customresourcedefinitions": true,
	}
	clientset := reflect.ValueOf(kubernetes.NewForConfigOrDie(&rest.Config{}))
	for i := range clientset.NumMethod() {
		if clientset.Method(i).Type().NumIn() != 0 {
			continue
		}
		client, ok := clientset.Method(i).Call(nil)[0].Interface().(interface{ RESTClient() rest.Interface })
		if !ok || clientset.Type().Method(i).Name == "Discovery" {
			continue
		}
		version := reflect.ValueOf(client)
		for j := range version.NumMethod() {
			if name := version.Type().Method(j).Name; name != "RESTClient" {
				known[client.RESTClient().APIVersion().Group+"/"+strings.ToLower(name)] = version.Method(j).Type().NumIn() == 0
			}
		}
	}
	return known
}

func TestScopesAreKnown(t *testing.T) {
	known := scopes()
	for resource, want := range map[string]bool{"/nodes": true, "/pods": false, "apps/daemonsets": false, "rbac.authorization.k8s.io/clusterroles": true} {
		if got, ok := known[resource]; !ok || got != want {
			t.Errorf("%s: %v, %v", resource, got, ok)
		}
	}
}

func TestRulesOfWatchedNamespacesAreTheSameInEachAndNowhereElse(t *testing.T) {
	objects := render(t, "--set", "watchNamespaces={a,b}")
	cluster, own := generated(t)
	known := scopes()
	wantCluster, wantNamespaced := map[string]bool{}, map[string]bool{}
	for grant := range grants(cluster) {
		if clusterScoped(t, known, grant) {
			wantCluster[grant] = true
		} else {
			wantNamespaced[grant] = true
		}
	}
	roles := rules(objects, "Role", "flowfleet-fleets")
	if got := slices.Sorted(maps.Keys(roles)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("roles in %v", got)
	}
	for namespace, rules := range roles {
		if diff := cmp.Diff(wantNamespaced, grants(rules)); diff != "" {
			t.Errorf("%s:\n%s", namespace, diff)
		}
	}
	if diff := cmp.Diff(wantCluster, grants(rules(objects, "ClusterRole", "flowfleet-manager")[""])); diff != "" {
		t.Errorf("in the cluster:\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]rbacv1.PolicyRule{namespace: own}, rules(objects, "Role", "flowfleet-manager")); diff != "" {
		t.Errorf("in the operator's own namespace:\n%s", diff)
	}
}

// Bindings are how a right becomes one: what no binding names is only an offer.
func TestSecretsAreReadWhereAllowedByNameOnly(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		want      []string
	}{
		{"cluster-wide", nil, nil},
		{"cluster-wide with namespaces of Secrets", []string{"--set", "secretNamespaces={a,b}"}, []string{"a", "b"}},
		{"watched namespaces", []string{"--set", "watchNamespaces={a,b}"}, []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := render(t, test.arguments...)
			var got []string
			for _, object := range objects {
				kind, roleRef := object.Written.GetKind(), rbacv1.RoleRef{}
				switch binding := object.Object.(type) {
				case *rbacv1.ClusterRoleBinding:
					roleRef = binding.RoleRef
				case *rbacv1.RoleBinding:
					roleRef = binding.RoleRef
				default:
					continue
				}
				namespace := object.Written.GetNamespace()
				bound, ok := rules(objects, roleRef.Kind, roleRef.Name)[map[bool]string{true: "", false: namespace}[roleRef.Kind == "ClusterRole"]]
				if !ok {
					t.Errorf("%s binds %s %s, which is not there", object.ID(), roleRef.Kind, roleRef.Name)
				}
				for grant := range grants(bound) {
					if !strings.HasPrefix(grant, "/secrets ") {
						continue
					}
					if kind == "ClusterRoleBinding" || grant != "/secrets * get" {
						t.Errorf("%s grants %s", object.ID(), grant)
					}
					got = append(got, namespace)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("Secrets are read in %v, not %v", got, test.want)
			}
		})
	}
	if got := rules(render(t), "ClusterRole", "flowfleet-secret-reader")[""]; !maps.Equal(grants(got), map[string]bool{"/secrets * get": true}) {
		t.Errorf("the role to be bound by hand grants %v", got)
	}
}

func TestNoRuleLetsTheOperatorRaiseItsOwnRights(t *testing.T) {
	cluster, own := generated(t)
	for grant := range grants(append(cluster, own...)) {
		fields := strings.Fields(grant)
		if verb := fields[len(fields)-1]; verb == "*" || verb == "escalate" || verb == "bind" || verb == "impersonate" ||
			strings.Contains(fields[0], "*") || strings.Contains(fields[0], "/secrets") || strings.HasPrefix(fields[0], "rbac.") {
			t.Errorf("%s grants %s", generatedRole, grant)
		}
	}
}
