package install_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// account is a client of a user of Kubernetes itself.
func account(t *testing.T, server *controllertest.Server, name string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(server.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: server.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tenant who writes ConfigMaps, as for exporters.namesFrom, does not write to which servers collectors send an administrator's Secrets.
func TestATenantWhoWritesConfigMapsDoesNotWriteTheConfigurationOfCollectors(t *testing.T) {
	server, admin, place, _ := installed(t, "heidi")
	verbs := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "create", "update", "patch", "delete", "deletecollection"}}
	user := tenant(t, server, place, "craig", verbs)
	trusted := tenant(t, server, place, "victor", verbs, rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"privilege"}})
	write := func(name string, labels map[string]string) *corev1.ConfigMap {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "flowfleet.io/v1alpha1", Kind: "FlowCollector", Name: "edge", UID: "1"}}},
			Data: map[string]string{"collector.yaml": "nats: {urls: ['nats://nats:4222']}"}}
		if err := admin.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	ours := map[string]string{"app.kubernetes.io/managed-by": "flowfleet", "app.kubernetes.io/instance": "edge"}
	m := write("edge-collector", ours)
	patch := func(c client.Client, body string) error {
		return c.Patch(t.Context(), m.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body)), client.DryRunAll)
	}
	const elsewhere = `{"data":{"collector.yaml":"nats: {urls: ['nats://evil:4222']}"}}`
	eventually(t, func() error {
		if err := patch(user, elsewhere); err == nil {
			return fmt.Errorf("the policy does not refuse yet")
		}
		return nil
	})
	const names = "this ConfigMap is the operator's"
	for about, attempt := range map[string]func(c client.Client) error{
		"another server":                  func(c client.Client) error { return patch(c, elsewhere) },
		"another server in bytes":         func(c client.Client) error { return patch(c, `{"data":null,"binaryData":{"collector.yaml":"YQ=="}}`) },
		"no label, for the attempt after": func(c client.Client) error { return patch(c, `{"metadata":{"labels":null}}`) },
		"another label": func(c client.Client) error {
			return patch(c, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"me"}}}`)
		},
		"one that cannot be changed any more": func(c client.Client) error { return patch(c, `{"immutable":true}`) },
		"one that is kept for the fleet that has its name next": func(c client.Client) error {
			return patch(c, `{"metadata":{"finalizers":["example.com/stay"]}}`)
		},
		"to have it taken for a change of the operator's, for which others wait": func(c client.Client) error {
			return patch(c, `{"metadata":{"annotations":{"flowfleet.io/applied":"0"}}}`)
		},
		"one for a fleet that is not made yet": func(c client.Client) error {
			next := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "core-collector", Labels: ours}, Immutable: new(true), Data: m.Data}
			return c.Create(t.Context(), next, client.DryRunAll)
		},
		"another owner":                    func(c client.Client) error { return patch(c, `{"metadata":{"ownerReferences":null}}`) },
		"no ConfigMap, to make it oneself": func(c client.Client) error { return c.Delete(t.Context(), m.DeepCopy(), client.DryRunAll) },
		"no ConfigMaps at all": func(c client.Client) error {
			return c.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(place), client.MatchingLabels(ours), client.DryRunAll)
		},
	} {
		t.Run(about, func(t *testing.T) {
			checkRefusal(t, attempt(user), names, "flowfleet-flowcollector-privileged")
			for who, c := range map[string]client.Client{
				"an administrator":         admin,
				"who has the verb":         trusted,
				"the operator":             account(t, server, "system:serviceaccount:"+namespace+":flowfleet-manager", "system:serviceaccounts", "system:authenticated"),
				"the garbage collector":    account(t, server, "system:serviceaccount:kube-system:generic-garbage-collector", "system:masters"),
				"the controllers together": account(t, server, "system:kube-controller-manager", "system:masters"),
			} {
				err := attempt(c)
				if who == "the operator" && about == "no ConfigMaps at all" {
					continue // it has no such right
				}
				if err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
		})
	}
	if err := patch(user, `{"metadata":{"annotations":{"a":"b"}}}`); err != nil {
		t.Errorf("an annotation: %v", err)
	}
	own := write("names", nil)
	if err := user.Delete(t.Context(), own); err != nil {
		t.Errorf("a ConfigMap of the tenant's: %v", err)
	}
}
