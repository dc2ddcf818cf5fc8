package install_test

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// daemonSet is one that the API server takes.
func daemonSet(place, name string, annotations map[string]string) *appsv1.DaemonSet {
	labels := map[string]string{"app": name}
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name, Annotations: annotations}, Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}}}
}

// A tenant who writes DaemonSets neither holds the fleets of other namespaces, nor has its own one take an upgrade up before them.
func TestATenantWhoWritesDaemonSetsDoesNotWriteWhoseTurnItIs(t *testing.T) {
	server, admin, place, _ := installed(t, "grace")
	verbs := rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "daemonsets/status"}, Verbs: []string{"get", "list", "create", "update", "patch", "delete"}}
	user := tenant(t, server, place, "chuck", verbs)
	trusted := tenant(t, server, place, "trent", verbs, rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"privilege"}})
	operator := account(t, server, "system:serviceaccount:"+namespace+":flowfleet-manager", "system:serviceaccounts", "system:authenticated")
	idle, rolls := daemonSet(place, "idle-collector", map[string]string{"flowfleet.io/asked": "v2-1"}), daemonSet(place, "rolls-collector", map[string]string{"flowfleet.io/asked": "v2-1", "flowfleet.io/turn": "Ready"})
	for _, o := range []*appsv1.DaemonSet{idle, rolls} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	annotate := func(o *appsv1.DaemonSet, annotations string) func(client.Client) error {
		return func(c client.Client) error {
			return c.Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":`+annotations+`}}`)), client.DryRunAll)
		}
	}
	annotateByStatus := func(o *appsv1.DaemonSet, annotations string) func(client.Client) error {
		return func(c client.Client) error { // who writes a status may write annotations with it
			return c.Status().Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":`+annotations+`}}`)), client.DryRunAll)
		}
	}
	eventually(t, func() error {
		if err := annotate(idle, `{"flowfleet.io/turn":"Ready"}`)(user); err == nil {
			return fmt.Errorf("the policy does not refuse yet")
		}
		return nil
	})
	for about, test := range map[string]struct {
		attempt func(client.Client) error
		names   string // empty where it is allowed
	}{
		"to hold the others":                            {annotate(idle, `{"flowfleet.io/turn":"Ready"}`), "metadata.annotations"},
		"to be taken for one that failed":               {annotate(rolls, `{"flowfleet.io/turn":"NotReady"}`), "metadata.annotations"},
		"not to wait":                                   {annotate(idle, `{"flowfleet.io/asked":"v2-2"}`), "metadata.annotations"},
		"not to wait, as if nothing was":                {annotate(idle, `{"flowfleet.io/asked":null}`), "metadata.annotations"},
		"to be taken for one that the operator changes": {annotate(idle, `{"flowfleet.io/applied":"1"}`), "metadata.annotations"},
		"to be taken for an older one by a new one": {func(c client.Client) error {
			return c.Create(t.Context(), daemonSet(place, "new-collector", map[string]string{"flowfleet.io/applied": "1"}), client.DryRunAll)
		}, "metadata.annotations"},
		"not to wait, with no annotations": {annotate(idle, `null`), "metadata.annotations"},
		"to hold the others by a new one": {func(c client.Client) error {
			return c.Create(t.Context(), daemonSet(place, "new-collector", map[string]string{"flowfleet.io/turn": "Ready"}), client.DryRunAll)
		}, "metadata.annotations"},
		"to hold the others by its status":  {annotateByStatus(idle, `{"flowfleet.io/turn":"Ready"}`), "metadata.annotations"},
		"not to wait, by its status":        {annotateByStatus(idle, `{"flowfleet.io/asked":"v2-2"}`), "metadata.annotations"},
		"another annotation, by its status": {annotateByStatus(rolls, `{"a":"b"}`), ""},
		"to let the others go on":           {annotate(rolls, `{"flowfleet.io/turn":null}`), ""},
		"another annotation":                {annotate(rolls, `{"a":"b"}`), ""},
		"a DaemonSet that is no fleet's": {func(c client.Client) error {
			return c.Create(t.Context(), daemonSet(place, "own", nil), client.DryRunAll)
		}, ""},
		"to delete one that it may delete": {func(c client.Client) error { return c.Delete(t.Context(), idle.DeepCopy(), client.DryRunAll) }, ""},
	} {
		t.Run(about, func(t *testing.T) {
			checkRefusal(t, test.attempt(user), test.names, "flowfleet-flowcollector-privileged")
			others := map[string]client.Client{"an administrator": admin, "who has the verb": trusted, "the operator": operator}
			if strings.HasSuffix(about, "by its status") { // for which the operator has no right, nor need of one
				delete(others, "the operator")
			}
			for who, c := range others {
				if err := test.attempt(c); err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
		})
	}
}
