package install_test

import (
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
)

// Raw datagrams tell who talks to whom: viewers of a fleet do not get them, and who gets them leaves his name.
func TestCapturingIsARightThatViewersDoNotHave(t *testing.T) {
	server := controllertest.Start(t)
	admin, place := server.Client(t), server.Namespace(t)
	ensureNamespace(t, admin)
	helm(t, server, "install", release, chart, "--take-ownership", "--force-conflicts")
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	o := collector(t, place, "edge", `{}`)
	if err := admin.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "edge-1",
		Labels: controllers.Selector(&v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "edge"}})},
		Spec: corev1.PodSpec{NodeName: "nowhere", Containers: []corev1.Container{{Name: "collector", Image: "collector"}}}}
	if err := admin.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	// As who may run programs by the older way of kubectl only.
	older := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "older-" + place}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"pods/exec"}, Verbs: []string{"create"}},
	}}
	if err := admin.Create(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Delete(t.Context(), older) }) // it is bound in no other test
	for role, may := range map[string]struct{ trace, capture bool }{
		"flowfleet-fleet-viewer":   {false, false},
		"flowfleet-fleet-capturer": {true, true},
		older.Name:                 {false, true},
	} {
		user := "user-of-" + role
		if err := admin.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: user},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}}); err != nil {
			t.Fatal(err)
		}
		c, err := fleet.NewClient(server.User(t, user), place)
		if err != nil {
			t.Fatal(err)
		}
		var f *v1alpha1.FlowCollector
		eventually(t, func() error { // the API server takes a binding up soon
			f, err = c.FlowCollector(t.Context(), "edge")
			return err
		})
		name, err := c.User(t.Context())
		if err != nil || name != user {
			t.Errorf("%s is %q: %v", user, name, err)
		}
		if err := c.Trace(t.Context(), f, fleet.ReasonCaptured, name+" captures"); (err == nil) != may.trace || err != nil && !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%s leaves an event: %v", user, err)
		}
		all, err := c.Collectors(t.Context(), f)
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		// There is no such node: who may gets an error, too, of the server's way to it.
		err = c.Exec(t.Context(), all[0], strings.NewReader(""), io.Discard, io.Discard, "capture", "192.0.2.1")
		if err == nil || strings.Contains(err.Error(), "forbidden") == may.capture {
			t.Errorf("%s runs a program in a pod: %v", user, err)
		}
	}
	var events corev1.EventList
	if err := admin.List(t.Context(), &events, client.InNamespace(place)); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range events.Items {
		if e.Reason == fleet.ReasonCaptured && e.InvolvedObject.Name == "edge" && e.InvolvedObject.Kind == "FlowCollector" &&
			strings.HasPrefix(e.Message, "user-of-flowfleet-fleet-capturer ") {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d events tell of the capture: %+v", found, events.Items)
	}
}
