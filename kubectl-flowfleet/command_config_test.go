package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
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
	config := func() (string, error) {
		var out bytes.Buffer
		command := newCommand()
		command.SetOut(&out)
		command.SetArgs([]string{"config", "--kubeconfig", s.Kubeconfig(), "-n", namespace, "edge"})
		err := command.ExecuteContext(t.Context())
		return out.String(), err
	}
	if _, err := config(); err == nil || !strings.Contains(err.Error(), "kubectl flowfleet status edge -n "+namespace) {
		t.Errorf("before there is one: %v", err)
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: controllers.ObjectName(f)},
		Data: map[string]string{controllers.ConfigurationFile: "instance: edge\n"}}
	if err := c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, err := config(); err != nil || got != "instance: edge\n" {
		t.Errorf("%q, %v", got, err)
	}
}
