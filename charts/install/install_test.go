// Package install_test installs the chart into a real API server. There is no kubelet: the operator runs as a process, with
// the flags, the environment and the rights that the chart gives its pod.
package install_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	_ "github.com/flowfleet/flowfleet/controllers" // the operator is built from it: a change makes a cached result invalid
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

const (
	chart      = "../flowfleet"
	release    = "flowfleet"
	namespace  = "flowfleet-system"
	definition = "flowcollectors.flowfleet.io"
	patience   = 60 * time.Second
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

var programs = sync.OnceValues(func() (string, error) {
	builder, err := build.New(os.Stderr)
	if err != nil {
		return "", err
	}
	return builder.Build(context.Background(), helmProgram)
})

// helmProgram is "helm", or the one of another version that HELM names among those of hack/binaries.
var helmProgram = cmp.Or(os.Getenv("HELM"), "helm")

// kubeconfig writes a file with which programs reach the server as config does.
func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"test": {Server: "https://" + strings.TrimPrefix(config.Host, "https://"),
			CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
			Token: config.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// helm runs helm as an administrator, also when the test has ended.
func helm(t *testing.T, server *controllertest.Server, arguments ...string) {
	t.Helper()
	if out, err := tryHelm(t, server, arguments...); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}

// tryHelm does the same, and returns what helm says where it fails.
func tryHelm(t *testing.T, server *controllertest.Server, arguments ...string) (string, error) {
	t.Helper()
	directory, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(directory, helmProgram), append(arguments, "--namespace", namespace)...)
	if helmProgram == "helm3" { // it applies no objects on the server, and so meets no conflicts
		command.Args = slices.DeleteFunc(command.Args, func(a string) bool { return a == "--force-conflicts" })
	}
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "XDG_CACHE_HOME=" + home, "KUBECONFIG=" + kubeconfig(t, server.Config)}
	out, err := command.CombinedOutput()
	return string(out), err
}

// eventually waits until check says nothing.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// definitions returns a client that knows CustomResourceDefinitions, too.
func definitions(t *testing.T, server *controllertest.Server) client.Client {
	t.Helper()
	if err := apiextensionsv1.AddToScheme(server.Scheme); err != nil {
		t.Fatal(err)
	}
	return server.Client(t)
}

// describes returns whether the definition's description of the spec has the text; false, too, where there is no definition.
func describes(t *testing.T, c client.Client, text string) bool {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	err := c.Get(t.Context(), client.ObjectKey{Name: definition}, &crd)
	if apierrors.IsNotFound(err) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Description, text)
}

func TestDefinitionIsUpgradedWithTheChartAndOutlivesIt(t *testing.T) {
	server := controllertest.Start(t)
	c := definitions(t, server)
	place := server.Namespace(t)
	ensureNamespace(t, c)
	// The server has the definition as "kubectl apply" leaves it; an older chart describes the spec otherwise.
	const old, current = "as it was before", "is the fleet that is wanted"
	previous := filepath.Join(t.TempDir(), "flowfleet")
	if err := os.CopyFS(previous, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(previous, "files", "crds", "flowfleet.io_flowcollectors.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(current)) {
		t.Fatalf("the definition does not have the words %q", current)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte(current), []byte(old)), 0o644); err != nil {
		t.Fatal(err)
	}

	helm(t, server, "install", release, previous, "--take-ownership", "--force-conflicts")
	if !describes(t, c, old) {
		t.Error("a definition that kubectl installed was not taken over")
	}
	fc := &v1alpha1.FlowCollector{}
	fc.Name, fc.Namespace = "edge", place
	if err := c.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		err := c.Get(t.Context(), client.ObjectKeyFromObject(fc), &v1alpha1.FlowCollector{})
		return err == nil
	}

	helm(t, server, "upgrade", release, chart)
	if !describes(t, c, current) || !there() {
		t.Error("the upgrade left the definition as it was, or lost the FlowCollector")
	}
	helm(t, server, "upgrade", release, chart, "--set", "crds.enabled=false")
	if !describes(t, c, current) || !there() {
		t.Error("turning the definition off removed it")
	}
	helm(t, server, "upgrade", release, chart, "--reset-values")
	helm(t, server, "uninstall", release)
	if !describes(t, c, current) || !there() {
		t.Error("uninstalling removed the definition")
	}
	helm(t, server, "install", release, chart)
	if !there() {
		t.Error("installing again lost the FlowCollector")
	}
	helm(t, server, "upgrade", release, chart, "--set", "crds.keep=false")
	helm(t, server, "uninstall", release)
	eventually(t, func() error {
		if describes(t, c, current) {
			return fmt.Errorf("crds.keep=false keeps the definition")
		}
		return nil
	})
	helm(t, server, "install", release, chart) // for the tests that follow
	helm(t, server, "uninstall", release)
}

// What docs/installation.md says of the way from kubectl to Helm is typed here as it stands, on what "kubectl apply -k" leaves. kubectl is
// an owner of every field then, and the upgrade changes some.
func TestTheDocumentedWayFromKubectlToHelmWorks(t *testing.T) {
	server := controllertest.Start(t)
	c := definitions(t, server)
	server.Kubectl(t, "", "apply", "-k", "../../config/default")
	page, err := os.ReadFile("../../docs/installation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n### From kubectl to Helm\n")
	if !found {
		t.Fatal("the page has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.ReplaceAll(section, "\\\n", "") // one command of two lines
	var commands [][]string
	for line := range strings.Lines(section) {
		if command, indented := strings.CutPrefix(line, "    helm "); indented {
			commands = append(commands, strings.Fields(strings.ReplaceAll(command, "charts/flowfleet --namespace "+namespace, chart)))
		}
	}
	if len(commands) != 2 || commands[0][0] != "install" || commands[1][0] != "upgrade" {
		t.Fatalf("not an installation and an upgrade: %v", commands)
	}
	runs := func(image string) {
		t.Helper()
		var deployment appsv1.Deployment
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "flowfleet-manager"}, &deployment); err != nil {
			t.Fatal(err)
		}
		if got := deployment.Spec.Template.Spec.Containers[0].Image; got != image {
			t.Errorf("the image is %s, not %s", got, image)
		}
	}
	const repository = "registry.example.com/flowfleet:" // what the page says that one's own image is
	helm(t, server, commands[0]...)
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	runs(repository + "v0.1.0")
	for _, tag := range []string{"v9.9.8", "v9.9.9"} { // each is an upgrade that changes fields
		helm(t, server, append(commands[1], "--set", "image.tag="+tag, "--set", "resources.limits.memory=300Mi")...)
		runs(repository + tag)
	}
}

// manager builds the operator and returns where it is.
func manager(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "manager")
	if _, err := os.Stat("../../main.go"); err != nil { // a change makes a cached result invalid
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as "make build" does, which shares its cache
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func TestOperatorWorksWithTheRightsThatTheChartGivesIt(t *testing.T) {
	server := controllertest.Start(t)
	c := definitions(t, server)
	program := manager(t)
	ensureNamespace(t, c)
	for _, test := range []struct {
		name       string
		everywhere bool
		arguments  func(place string) []string
	}{
		{"cluster-wide", true, func(place string) []string { return []string{"--set", "secretNamespaces={" + place + "}"} }},
		{"watched namespaces", false, func(place string) []string { return []string{"--set", "watchNamespaces={" + place + "}"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			place, elsewhere := server.Namespace(t), server.Namespace(t)
			metrics, health := port(t), port(t)
			helm(t, server, append([]string{"install", release, chart, "--take-ownership", "--force-conflicts",
				"--set", fmt.Sprintf("metrics.port=%d,health.port=%d", metrics, health),
				"--set", "metrics.readers[0].name=prometheus,metrics.readers[0].namespace=" + elsewhere}, test.arguments(place)...)...)
			t.Cleanup(func() { helm(t, server, "uninstall", release) })

			var deployment appsv1.Deployment
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "flowfleet-manager"}, &deployment); err != nil {
				t.Fatal(err)
			}
			log := start(t, server, program, &deployment)
			probe := deployment.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path
			eventually(t, func() error {
				if status := get(t, fmt.Sprintf("http://127.0.0.1:%d%s", health, probe), ""); status != http.StatusOK {
					return fmt.Errorf("%s: status %d; the operator says:\n%s", probe, status, log)
				}
				return nil
			})

			// Everything that a FlowCollector stands for is asked for, so that each right is used.
			server.Kubectl(t, `
apiVersion: v1
kind: Secret
metadata: {name: nats}
stringData: {token: abc}
---
apiVersion: flowfleet.io/v1alpha1
kind: FlowCollector
metadata: {name: edge}
spec:
  nats: {urls: ["nats://127.0.0.1:1"], token: {name: nats, key: token}}
  networkPolicy: {enabled: true}
  podDisruption: {minAvailable: 1}
  templateStore: {deletionPolicy: Delete}
  monitoring: {dashboards: {enabled: true}, podMonitor: {enabled: true}, prometheusRule: {enabled: true}}
`, "apply", "--namespace", place, "-f", "-")
			key := client.ObjectKey{Namespace: place, Name: "edge"}
			var fc v1alpha1.FlowCollector
			eventually(t, func() error {
				if err := c.Get(t.Context(), key, &fc); err != nil {
					return err
				}
				for _, condition := range fc.Status.Conditions {
					if condition.Type == "ConfigurationValid" && condition.Status == "True" && condition.Reason == "Valid" {
						return nil
					}
				}
				return fmt.Errorf("conditions %+v; the operator says:\n%s", fc.Status.Conditions, log)
			})
			for kind, name := range map[string]string{"daemonset": "edge-collector", "service": "edge-collector", "configmap": "edge-collector",
				"networkpolicy": "edge-collector", "poddisruptionbudget": "edge-collector", "serviceaccount": "edge-collector"} {
				eventually(t, func() error {
					if server.Kubectl(t, "", "get", kind, name, "--namespace", place, "--ignore-not-found", "-o", "name") == "" {
						return fmt.Errorf("no %s %s; the operator says:\n%s", kind, name, log)
					}
					return nil
				})
			}

			// Who may read Secrets and metrics.
			account := "system:serviceaccount:" + namespace + ":flowfleet-manager"
			for where, want := range map[string]bool{place: true, elsewhere: false, namespace: false} {
				if got := may(t, c, account, "get", where, "", "secrets"); got != want {
					t.Errorf("the operator may get Secrets in %s: %v", where, got)
				}
				if may(t, c, account, "list", where, "", "secrets") {
					t.Errorf("the operator may list Secrets in %s", where)
				}
			}
			if got := may(t, c, account, "list", elsewhere, "flowfleet.io", "flowcollectors"); got != test.everywhere {
				t.Errorf("the operator may list FlowCollectors in another namespace: %v", got)
			}
			url := fmt.Sprintf("https://127.0.0.1:%d/metrics", metrics)
			for who, want := range map[string]int{"": http.StatusUnauthorized, place: http.StatusForbidden, elsewhere: http.StatusOK} {
				token := ""
				if who != "" {
					server.Kubectl(t, "", "create", "serviceaccount", "prometheus", "--namespace", who)
					token = strings.TrimSpace(server.Kubectl(t, "", "create", "token", "prometheus", "--namespace", who))
				}
				if got := get(t, url, token); got != want {
					t.Errorf("metrics for the account of %q: status %d, not %d", who, got, want)
				}
			}

			server.Kubectl(t, "", "annotate", "flowcollectors.flowfleet.io", "edge", "flowfleet.io/abandon=true", "--namespace", place)
			server.Kubectl(t, "", "delete", "flowcollectors.flowfleet.io", "edge", "--namespace", place, "--timeout=60s")
			if strings.Contains(log.String(), "forbidden") {
				t.Errorf("the operator lacks rights:\n%s", log)
			}
			// Two releases in one namespace must not wait for each other.
			if lease := server.Kubectl(t, "", "get", "leases", "--namespace", namespace, "-o", "name"); !strings.Contains(lease, "/flowfleet-manager\n") {
				t.Errorf("the operator holds the leases %q", lease)
			}
		})
	}
}

// get returns the status of an answer, 0 where there is none.
func get(t *testing.T, url, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer insecure.CloseIdleConnections()
	response, err := insecure.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// Without its rights, Kubernetes' own libraries have much to say.
func TestLogOfTheLibrariesHasTheOperatorsFormat(t *testing.T) {
	server := controllertest.Start(t)
	c := definitions(t, server)
	ensureNamespace(t, c)
	metrics := port(t)
	helm(t, server, "install", release, chart, "--take-ownership", "--force-conflicts", "--set", "rbac.create=false",
		"--set", fmt.Sprintf("metrics.port=%d,health.port=%d", metrics, port(t)))
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	var deployment appsv1.Deployment
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "flowfleet-manager"}, &deployment); err != nil {
		t.Fatal(err)
	}
	log := start(t, server, manager(t), &deployment)
	eventually(t, func() error {
		get(t, fmt.Sprintf("https://127.0.0.1:%d/metrics", metrics), "any") // it may not ask the API server whose token this is
		for _, right := range []string{"tokenreviews", "leases"} {
			if !strings.Contains(log.String(), right) {
				return fmt.Errorf("the operator does not say that it lacks rights on %s:\n%s", right, log)
			}
		}
		return nil
	})
	for line := range strings.Lines(log.String()) {
		if strings.HasSuffix(line, "\n") && !json.Valid([]byte(line)) { // the last one may be on its way
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
}

// start runs the operator as the Deployment's pod would, until the test ends, and returns what it logs.
func start(t *testing.T, server *controllertest.Server, program string, deployment *appsv1.Deployment) *output {
	t.Helper()
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	if got := container.Command; len(got) != 1 || got[0] != "/manager" {
		t.Fatalf("the container runs %v", got)
	}
	config := rest.AnonymousClientConfig(server.Config)
	config.BearerToken = strings.TrimSpace(server.Kubectl(t, "", "create", "token", pod.ServiceAccountName, "--namespace", namespace))
	command := exec.CommandContext(t.Context(), program, container.Args...)
	command.Env = []string{"KUBECONFIG=" + kubeconfig(t, config), "HOME=" + t.TempDir()}
	for _, variable := range container.Env {
		value := variable.Value
		switch from := variable.ValueFrom; {
		case from == nil:
		case from.ResourceFieldRef != nil:
			value = strconv.FormatInt(container.Resources.Limits.Memory().Value(), 10) // as the kubelet does
		default:
			value = map[string]string{"metadata.namespace": deployment.Namespace, "spec.serviceAccountName": pod.ServiceAccountName}[from.FieldRef.FieldPath]
		}
		command.Env = append(command.Env, variable.Name+"="+value)
	}
	var log output
	command.Stdout, command.Stderr = &log, &log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // the test's context has ended
	return &log
}

// output is what a process has printed so far.
type output struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.String()
}

// may asks the API server whether a user has a right.
func may(t *testing.T, c client.Client, user, verb, namespace, group, resource string) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Namespace: namespace, Group: group, Resource: resource}}}
	if err := c.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// ensureNamespace makes the operator's namespace where it is missing.
func ensureNamespace(t *testing.T, c client.Client) {
	t.Helper()
	object := &corev1.Namespace{}
	object.Name = namespace
	if err := c.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// port returns a TCP port that is free at this moment.
func port(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
