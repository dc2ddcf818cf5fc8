package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/manifest"
)

// operatorUser is who the operator is for the API server.
const operatorUser = "system:serviceaccount:" + rig.OperatorNamespace + ":flowfleet-manager"

// elsewhere is a namespace that has no fleet.
const elsewhere = "default"

// unforbidden fails the test when the operator was refused something that it asked for.
func unforbidden(t *testing.T) {
	t.Helper()
	out, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", rig.OperatorNamespace, "logs", "-l", "app.kubernetes.io/component=operator", "--tail=-1")
	if err != nil {
		t.Logf("the operator's log cannot be read, as while its node is away: %v", err)
	}
	for line := range strings.Lines(out) {
		// A namespace that ends takes no events any more: that is no right that is missing.
		if strings.Contains(strings.ToLower(line), "forbidden") && !strings.Contains(line, "because it is being terminated") {
			t.Errorf("the operator lacks a right: %s", line)
		}
	}
}

// rules is what a user may in a namespace, as "kubectl auth can-i --list" asks for it: one entry for each verb on each resource.
func rules(t *testing.T, user, namespace string) map[string]bool {
	t.Helper()
	review := fmt.Sprintf(`{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":%q}}`, namespace)
	command := cluster.KubectlCommand(t.Context(), "create", "--raw", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "--as="+user, "-f", "-")
	command.Stdin = strings.NewReader(review)
	out, err := command.Output()
	must(t, err)
	var answer struct {
		Status struct {
			ResourceRules    []rbacv1.PolicyRule `json:"resourceRules"`
			NonResourceRules []rbacv1.PolicyRule `json:"nonResourceRules"`
			EvaluationError  string              `json:"evaluationError"`
		} `json:"status"`
	}
	must(t, json.Unmarshal(out, &answer))
	// The authorizer of nodes, which is only about these, never lists its rules.
	if problem := answer.Status.EvaluationError; problem != "" && problem != "node authorizer does not support user rule resolution" ||
		len(answer.Status.ResourceRules) == 0 {
		t.Fatalf("not all rules are told: %s", out)
	}
	return each(append(answer.Status.ResourceRules, answer.Status.NonResourceRules...))
}

// each takes rules apart.
func each(rules []rbacv1.PolicyRule) map[string]bool {
	rights := map[string]bool{}
	for _, rule := range rules {
		names := strings.Join(rule.ResourceNames, ",")
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					rights[strings.TrimSpace(verb+" "+resource+"."+group+" "+names)] = true
				}
			}
			for _, url := range rule.NonResourceURLs {
				rights[verb+" "+url] = true
			}
		}
	}
	return rights
}

func TestOperatorHasTheRightsThatItNeedsAndNoOthers(t *testing.T) {
	t.Parallel()
	diagnose(t)
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	must(t, err)
	objects, err := manifest.Read(content)
	must(t, err)
	var everywhere, own []rbacv1.PolicyRule
	for _, object := range objects {
		switch role := object.Object.(type) {
		case *rbacv1.ClusterRole:
			everywhere = append(everywhere, role.Rules...)
		case *rbacv1.Role:
			own = append(own, role.Rules...)
		}
	}
	for _, namespace := range []string{rig.OperatorNamespace, fleet.Namespace, elsewhere} {
		want := each(everywhere)
		if namespace == rig.OperatorNamespace {
			maps.Copy(want, each(own))
		}
		// What any service account may, such as asking what it may.
		maps.Copy(want, rules(t, "system:serviceaccount:"+elsewhere+":default", namespace))
		sorted := func(rights map[string]bool) []string { return slices.Sorted(maps.Keys(rights)) }
		if diff := cmp.Diff(sorted(want), sorted(rules(t, operatorUser, namespace))); diff != "" {
			t.Errorf("in %s the operator has rights (+) that config/rbac/role.yaml does not give, or lacks (-) such:\n%s", namespace, diff)
		}
	}

	may := func(namespace string, arguments ...string) bool {
		t.Helper()
		command := cluster.KubectlCommand(t.Context(), append([]string{"auth", "can-i", "--as=" + operatorUser, "--namespace=" + namespace}, arguments...)...)
		out, err := command.Output() // the status is 1 for a no
		answer := strings.TrimSpace(string(out))
		if answer != "yes" && answer != "no" {
			t.Fatalf("%v: %q, %v", arguments, answer, err)
		}
		return answer == "yes"
	}
	for _, right := range [][]string{{"list", "flowcollectors.flowfleet.io"}, {"create", "daemonsets.apps"}, {"get", "pods"},
		{"patch", "flowcollectors.flowfleet.io", "--subresource=status"}} {
		if !may(fleet.Namespace, right...) {
			t.Errorf("the operator may not %s", strings.Join(right, " "))
		}
	}
	for _, namespace := range []string{rig.OperatorNamespace, fleet.Namespace, elsewhere} {
		for _, right := range [][]string{
			{"get", "secrets"}, {"list", "secrets"}, {"watch", "secrets"}, {"create", "secrets"},
			{"create", "pods"}, {"delete", "pods"}, {"create", "pods", "--subresource=exec"}, {"get", "pods", "--subresource=exec"},
			{"create", "pods", "--subresource=portforward"}, {"get", "pods", "--subresource=log"}, {"get", "pods", "--subresource=proxy"},
			{"update", "pods", "--subresource=ephemeralcontainers"}, {"create", "serviceaccounts", "--subresource=token"},
			{"update", "nodes"}, {"patch", "nodes"}, {"delete", "nodes"}, {"get", "nodes", "--subresource=proxy"}, {"create", "nodes", "--subresource=proxy"},
			{"create", "roles"}, {"create", "rolebindings"}, {"create", "clusterroles"}, {"create", "clusterrolebindings"},
			{"escalate", "roles"}, {"escalate", "clusterroles"}, {"bind", "roles"}, {"bind", "clusterroles"},
			{"impersonate", "users"}, {"impersonate", "serviceaccounts"}, {"get", "namespaces"}, {"delete", "namespaces"},
			{"create", "flowcollectors.flowfleet.io"}, {"delete", "flowcollectors.flowfleet.io"}, {"get", "customresourcedefinitions"},
			{"get", "/metrics"}, {"*", "*"},
		} {
			if may(namespace, right...) {
				t.Errorf("in %s the operator may %s", namespace, strings.Join(right, " "))
			}
		}
	}
	for _, namespace := range []string{fleet.Namespace, elsewhere} {
		if may(namespace, "update", "leases.coordination.k8s.io") {
			t.Errorf("in %s the operator may update leases", namespace)
		}
	}
	// A namespace is opened for reading Secrets by a binding, and only that one.
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "create", "rolebinding", "flowfleet-secret-reader",
		"--clusterrole=flowfleet-secret-reader", "--serviceaccount="+rig.OperatorNamespace+":flowfleet-manager")
	must(t, err)
	defer func() {
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", fleet.Namespace, "delete", "rolebinding", "flowfleet-secret-reader")
		must(t, err)
	}()
	for namespace, want := range map[string]bool{fleet.Namespace: true, rig.OperatorNamespace: false, elsewhere: false} {
		if got := may(namespace, "get", "secrets"); got != want {
			t.Errorf("with a binding in %s the operator may get Secrets in %s: %v", fleet.Namespace, namespace, got)
		}
		if may(namespace, "list", "secrets") {
			t.Errorf("the operator may list Secrets in %s", namespace)
		}
	}
}
