package install_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Many a role gives all resources of a group: the statuses are among them. Whoever has it is not taken for the operator, and writes none.
func TestATenantWithAllResourcesOfTheGroupIsNotTakenForTheOperator(t *testing.T) {
	server, admin, place, _ := installed(t, "olga", "--set", "sinks.enabled=true")
	maps := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "update", "patch", "delete"}}
	sets := rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, Verbs: []string{"get", "create", "update", "patch", "delete"}}
	all := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	group := rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"*"}, Verbs: all}
	user := bound(t, server, place, "sybil", group, maps, sets)
	operators := map[string]client.Client{
		"the operator": account(t, server, "system:serviceaccount:"+namespace+":flowfleet-manager", "system:serviceaccounts", "system:authenticated"),
		"another release's operator": bound(t, server, place, "operator", group, maps, sets,
			rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"operate"}}),
		"who has the verb":          bound(t, server, place, "judith", group, maps, sets, rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors", "flowsinks"}, Verbs: []string{"privilege"}}),
		"a cluster's administrator": admin,
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "edge-collector", Labels: map[string]string{"app.kubernetes.io/managed-by": "flowfleet"}}}
	fc := collector(t, place, "edge", `{}`)
	exporter := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "flowfleet.io/v1alpha1", "kind": "FlowExporter",
		"spec": map[string]any{"collector": "edge", "addresses": []any{"192.0.2.1"}}}}
	exporter.SetNamespace(place)
	exporter.SetName("router")
	sink := collector(t, place, "warehouse", `{from: {flowCollector: edge}, clickHouse: {url: "http://clickhouse:8123"}}`)
	sink.SetKind("FlowSink")
	for _, o := range []client.Object{m, fc, exporter, sink} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	patch := func(body string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(body)) }
	status := func(o client.Object, body string) func(client.Client) error {
		return func(c client.Client) error {
			return c.Status().Patch(t.Context(), o.DeepCopyObject().(client.Object), patch(body), &client.SubResourcePatchOptions{PatchOptions: client.PatchOptions{DryRun: []string{metav1.DryRunAll}}})
		}
	}
	tried := map[string]struct {
		attempt     func(client.Client) error
		names, role string
	}{
		"another server for the Secrets": {func(c client.Client) error {
			return c.Patch(t.Context(), m.DeepCopy(), patch(`{"data":{"collector.yaml":"nats: {urls: ['nats://evil:4222']}"}}`), client.DryRunAll)
		}, "this ConfigMap is the operator's", "flowfleet-flowcollector-privileged"},
		"to hold the others": {func(c client.Client) error {
			set := daemonSet(place, "held-collector", map[string]string{"flowfleet.io/turn": "Ready"})
			return c.Create(t.Context(), set, client.DryRunAll)
		}, "metadata.annotations", "flowfleet-flowcollector-privileged"},
		"another stream":               {status(fc, `{"status":{"stream":{"name":"flows-others"}}}`), "status", "flowfleet-flowcollector-privileged"},
		"another stream for sinks":     {status(sink, `{"status":{"stream":"flows-others"}}`), "status", "flowfleet-flowsink-privileged"},
		"an exporter that says it all": {status(exporter, `{"status":{"conditions":[]}}`), "status", "flowfleet-flowcollector-privileged"},
	}
	eventually(t, func() error {
		for about, test := range tried {
			if test.attempt(user) == nil {
				return fmt.Errorf("%s: allowed", about)
			}
		}
		return nil
	})
	for about, test := range tried {
		t.Run(about, func(t *testing.T) {
			checkRefusal(t, test.attempt(user), test.names, test.role)
			for who, c := range operators {
				if err := test.attempt(c); err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
		})
	}
}

// Who may write Roles and their bindings, as a namespace's administrator, gives nobody what the policies ask for.
func TestATenantWhoWritesRolesGivesNobodyTheVerbs(t *testing.T) {
	server, _, place, _ := installed(t, "ivan", "--set", "sinks.enabled=true")
	all := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	user := bound(t, server, place, "rupert", rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"*"}, Verbs: all},
		rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "rolebindings"}, Verbs: all})
	for _, verb := range []string{"operate", "privilege", "*"} {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "mine"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors", "flowsinks"}, Verbs: []string{verb}}}}
		if err := user.Create(t.Context(), role, client.DryRunAll); !apierrors.IsForbidden(err) {
			t.Errorf("a Role with the verb %s: %v", verb, err)
		}
	}
	for _, name := range []string{"flowfleet-manager", "flowfleet-sinks", "flowfleet-flowcollector-privileged", "flowfleet-flowsink-privileged"} {
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "mine"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "rupert"}}}
		if err := user.Create(t.Context(), binding, client.DryRunAll); !apierrors.IsForbidden(err) {
			t.Errorf("bound to %s: %v", name, err)
		}
	}
	own := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "mine"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"create"}}}}
	if err := user.Create(t.Context(), own, client.DryRunAll); err != nil {
		t.Errorf("a Role with what one has: %v", err)
	}
}
