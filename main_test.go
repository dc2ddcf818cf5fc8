package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

// An operator that starts while the API server is away, as after a failure of a whole cluster, waits for it. One that ended would be back minutes
// after the API server, since Kubernetes waits longer and longer before it starts it again. It is ready while it works or could; without the rights
// on its lease it is not, and says which it lacks.
func TestTheOperatorWaitsForTheAPIServerIsReadyOnceItHasTheRightsOnItsLeaseAndThenWorks(t *testing.T) {
	s := controllertest.Start(t)
	c, namespace := s.Client(t), s.Namespace(t)
	const user = "main"
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"", "apps", "events.k8s.io", "flowfleet.io", "networking.k8s.io", "policy"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edge"}}
	fc.Spec.NATS.URLs = []string{"nats://127.0.0.1:1"}
	for _, o := range []client.Object{fc, role, &rbacv1.ClusterRoleBinding{ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}}} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	config := rest.CopyConfig(s.User(t, user))
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := natstest.NewProxyTo(t, server.Host)
	proxy.Cut()
	server.Host = proxy.Address()
	config.Host = server.String()
	t.Setenv("KUBECONFIG", kubeconfig(t, config))
	health := fmt.Sprintf("127.0.0.1:%d", natstest.FreePort(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, options{metricsAddress: "0", healthAddress: health, leaderElect: true, leaderElectionID: "flowfleet", concurrentReconciles: 1, qps: 100, burst: 100,
			collectorImage: "example.com/flowfleet:v1", sinks: true, logLevel: "info", logFormat: "text", namespace: namespace, serviceAccount: "x"})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
	}()
	ask := func(path string) (int, string) {
		response, err := http.Get("http://" + health + path) //nolint:noctx // it ends with the test
		if err != nil {
			return 0, ""
		}
		defer func() { _ = response.Body.Close() }() // it was read
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(text)
	}
	ready := func() (int, string) { return ask("/readyz?verbose") }
	natstest.Eventually(t, "it lives", func() bool { code, _ := ask("/healthz"); return code == http.StatusOK })
	proxy.Heal()
	natstest.Eventually(t, "it is not ready", func() bool {
		code, text := ready()
		return code == http.StatusInternalServerError && strings.Contains(text, "[-]election failed") && strings.Contains(text, "[+]watches ok")
	})
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}})
	if err := c.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is ready", func() bool { code, _ := ready(); return code == http.StatusOK })
	natstest.Eventually(t, "it works", func() bool {
		return c.Get(t.Context(), client.ObjectKeyFromObject(fc), fc) == nil && fc.Status.Operator != nil
	})
}

// kubeconfig writes a file by which a program is a user.
func kubeconfig(t *testing.T, user *rest.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{CurrentContext: "x",
		Clusters: map[string]*clientcmdapi.Cluster{"x": {Server: user.Host, CertificateAuthorityData: user.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"x": {ClientCertificateData: user.CertData, ClientKeyData: user.KeyData, Token: user.BearerToken,
			Impersonate: user.Impersonate.UserName}},
		Contexts: map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x"}}}, file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
