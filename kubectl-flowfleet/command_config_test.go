package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

func TestConfigPrintsWhatTheOperatorWrote(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	f := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edge"}}
	if err := c.Create(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	config := func(flags ...string) (string, error) {
		var out bytes.Buffer
		command := newCommand()
		command.SetOut(&out)
		command.SetArgs(append([]string{"config", "--kubeconfig", s.Kubeconfig(), "-n", namespace, "edge"}, flags...))
		err := command.ExecuteContext(t.Context())
		return out.String(), err
	}
	if _, err := config(); err == nil || !strings.Contains(err.Error(), "kubectl flowfleet status edge -n "+namespace) {
		t.Errorf("before there is one: %v", err)
	}
	// Viewers of fleets read no ConfigMaps.
	about := metav1.ObjectMeta{Namespace: namespace, Name: "fleets"}
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: about, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: about, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: about.Name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "viewer"}}},
	} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Eventually(t, "the API server knows the role, and who misses one is told which", func() bool {
		_, err := config("--as", "viewer")
		return err != nil && strings.Contains(err.Error(), "ClusterRole view")
	})
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: controllers.ObjectName(f)},
		Data: map[string]string{controllers.ConfigurationFile: "instance: edge\n"}}
	if err := c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, err := config(); err != nil || got != "instance: edge\n" {
		t.Errorf("%q, %v", got, err)
	}
}
