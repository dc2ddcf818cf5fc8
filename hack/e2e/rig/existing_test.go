package rig

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

// On somebody else's cluster nothing that is there already is touched, unless a demo made it: that is used again.
func TestWhatIsNotTheDemosIsLeftAlone(t *testing.T) {
	server := controllertest.Start(t) // with the definitions
	c := server.Client(t)
	t.Setenv("KUBECONFIG", server.Kubeconfig())
	for _, test := range []struct {
		name      string
		theirs    string // a namespace that somebody made
		rigs      []string
		reuse     bool
		refused   string
		wantReuse bool
	}{
		{"a definition of somebody's", "", nil, true, "Flowfleet is installed there", false},
		{"somebody's namespace, beside those of a demo", "second-nats", []string{"second"}, true, "second-nats already, which is not the demo's", false},
		{"a demo's", "", []string{"third", "third-nats", "third-flows"}, true, "", true},
		{"a demo that was interrupted", "", []string{"fourth"}, true, "", true},
		{"a demo's, for a test that needs its own", "", []string{"fifth"}, false, `"make demo-down" removes it`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := "first"
			if len(test.rigs) > 0 {
				first = test.rigs[0]
			}
			for _, name := range append(slices.Clone(test.rigs), test.theirs) {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
				if name != test.theirs {
					key, value, _ := strings.Cut(own, "=")
					namespace.Labels = map[string]string{key: value}
				}
				if name == "" {
					continue
				}
				if err := c.Create(t.Context(), namespace); err != nil {
					t.Fatal(err)
				}
			}
			r, err := newRig(Options{Cluster: Existing, Image: "example.com/flowfleet:v1", Reuse: test.reuse,
				Namespaces: Namespaces{first, first + "-nats", first + "-flows"}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Leave() }()
			if r.programs, err = r.builder.Build(t.Context(), "kubectl"); err != nil {
				t.Fatal(err)
			}
			_, err = r.place.up(t.Context())
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%v, want one about %q", err, test.refused)
			}
			if r.Reused() != test.wantReuse {
				t.Errorf("used again: %v", r.Reused())
			}
			if e := r.place.(*existing); e.ours {
				t.Error("what was there before would be removed at the end")
			}
		})
	}
}

func TestASomebodyElsesClusterGetsNamespacesThatNameTheDemo(t *testing.T) {
	for _, name := range []string{OfItsOwn.Operator, OfItsOwn.NATS, OfItsOwn.Fleet} {
		if !strings.HasPrefix(name, "flowfleet-demo") {
			t.Errorf("%s is a name that somebody may have", name)
		}
	}
	if strings.Contains(strings.ReplaceAll(natsManifest, "NAMESPACE", ""), "namespace: nats") {
		t.Error("the manifest of NATS names a namespace")
	}
}

// The image of NATS that others' clusters pull names no user, and kubelet starts no pod of it that must not be root. A control plane that takes no
// pods must not keep the third server from being placed; nodes of one's own are drained, and a server waits for its own there.
func TestNATSRunsOnClustersOfOthersToo(t *testing.T) {
	for ownNodes, spread := range map[bool]string{true: "DoNotSchedule", false: "ScheduleAnyway"} {
		for document := range strings.SplitSeq(manifestOfNATS("example.com/nats:1", "somewhere", ownNodes), "\n---\n") {
			var servers appsv1.StatefulSet
			if err := yaml.Unmarshal([]byte(document), &servers); err != nil || servers.Kind != "StatefulSet" {
				continue
			}
			pod := servers.Spec.Template.Spec
			if user := pod.SecurityContext.RunAsUser; user == nil || *user == 0 {
				t.Errorf("it runs as the image says: %v", user)
			}
			if got := string(pod.TopologySpreadConstraints[0].WhenUnsatisfiable); got != spread {
				t.Errorf("own nodes %v: %s, want %s", ownNodes, got, spread)
			}
			if servers.Namespace != "somewhere" || pod.Containers[0].Image != "example.com/nats:1" {
				t.Errorf("%s, %s", servers.Namespace, pod.Containers[0].Image)
			}
			spread = ""
		}
		if spread != "" {
			t.Error("there are no servers")
		}
	}
}

// What a demo has left outside of its namespaces is known for its own by what Helm wrote on it, also when the namespaces are gone. The definitions
// stay as long as others have objects of them: with them these would go.
func TestTheDemosDefinitionsGoWithTheLastFlowCollector(t *testing.T) {
	server := controllertest.Start(t)
	c := server.Client(t)
	r := demoRig(t, server)
	var err error
	if r.programs, err = r.builder.Build(t.Context(), "kubectl"); err != nil {
		t.Fatal(err)
	}
	e := r.place.(*existing)
	e.r.kubeconfig = e.kubeconfig
	left := func() []string {
		names, err := e.ofRelease(t.Context(), clusterWide+",customresourcedefinitions")
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if there := left(); len(there) > 0 {
		t.Fatalf("somebody's definitions are taken for a demo's: %s", there)
	}
	t.Cleanup(func() { // for the tests that come after
		_, err := r.Kubectl(context.Background(), "create", "-f", filepath.Join(r.Chart(), "files", "crds"))
		if err == nil {
			_, err = r.Kubectl(context.Background(), "wait", "--for=condition=Established", "customresourcedefinitions", "--all")
		}
		if err != nil {
			t.Error(err)
		}
		_ = r.Leave()
	})
	for _, arguments := range [][]string{
		{"label", "customresourcedefinitions", "--all", "app.kubernetes.io/managed-by=Helm"},
		{"annotate", "customresourcedefinitions", "--all", "meta.helm.sh/release-name=" + Release, "meta.helm.sh/release-namespace=" + OfItsOwn.Operator},
	} {
		if _, err := r.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}
	if there := left(); !slices.Contains(there, "customresourcedefinition.apiextensions.k8s.io/"+definition) {
		t.Errorf("a demo's definitions are not known for its own: %s", there)
	}
	if there, err := e.installed(t.Context()); err != nil || !there {
		t.Errorf("make demo-down finds nothing to do: %v", err)
	}
	if _, err := e.up(t.Context()); err != nil {
		t.Errorf("another demo is refused: %v", err)
	}
	theirs := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Name: "edge", Namespace: "default"},
		Spec: v1alpha1.FlowCollectorSpec{NATS: v1alpha1.NATS{URLs: []string{"nats://nats:4222"}}}}
	if err := c.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if err := e.removeDefinitions(t.Context()); err != nil || !e.kept {
		t.Errorf("%v, kept: %v", err, e.kept)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs); err != nil {
		t.Errorf("what others made is gone: %v", err)
	}
	if err := c.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if err := e.removeDefinitions(t.Context()); err != nil {
		t.Error(err)
	}
	if there := left(); len(there) > 0 {
		t.Errorf("left: %s", there)
	}
}

// While a release cannot be uninstalled, the namespace with Helm's record of it stays: nobody would know what else to remove.
func TestARecordOfHelmIsNotDeletedBeforeItsRelease(t *testing.T) {
	server := controllertest.Start(t)
	c := server.Client(t)
	r := demoRig(t, server)
	kubectl, err := r.builder.Build(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	r.programs, r.kubeconfig = r.folder, server.Kubeconfig()
	if err := os.Symlink(filepath.Join(kubectl, "kubectl"), filepath.Join(r.folder, "kubectl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.folder, "helm"), []byte("#!/bin/sh\necho interrupted >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	key, value, _ := strings.Cut(own, "=")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: OfItsOwn.Operator, Labels: map[string]string{key: value}}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	r.place.(*existing).ours = true
	if err := r.place.down(t.Context()); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace); err != nil || namespace.DeletionTimestamp != nil {
		t.Errorf("%v, deleted: %v", err, namespace.DeletionTimestamp)
	}
}

// Ctrl-C on a terminal goes to the group of the program in front: what takes a cluster down must not be of it.
func TestWhatIsTypedOnATerminalDoesNotReachPrograms(t *testing.T) {
	r := &Rig{programs: t.TempDir()}
	for _, command := range []*exec.Cmd{r.KubectlCommand(t.Context()), r.here(t.Context(), "true")} {
		if command.SysProcAttr == nil || !command.SysProcAttr.Setpgid {
			t.Errorf("%s is of this program's group", command.Path)
		}
	}
}

// Whoever may not make all of it makes none of it: half would be left, which the same user may not remove.
func TestAUserWithoutTheRightsChangesNothing(t *testing.T) {
	server := controllertest.Start(t)
	r := demoRig(t, server)
	var err error
	if r.programs, err = r.builder.Build(t.Context(), "kubectl"); err != nil {
		t.Fatal(err)
	}
	e := r.place.(*existing)
	r.kubeconfig = server.Kubeconfig()
	if err := e.answers(t.Context()); err != nil {
		t.Errorf("an administrator is refused: %v", err)
	}
	user, err := clientcmd.LoadFromFile(server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range user.AuthInfos {
		info.Impersonate = "somebody"
	}
	e.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*user, e.kubeconfig); err != nil {
		t.Fatal(err)
	}
	_, err = e.up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "create clusterroles") {
		t.Error(err)
	}
}

// Of a file that is not there kubectl makes localhost.
func TestAKubeconfigThatIsNotThereIsNoCluster(t *testing.T) {
	missing, there := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	for kubeconfig, refused := range map[string]bool{missing: true, missing + string(filepath.ListSeparator) + there: false} {
		t.Setenv("KUBECONFIG", kubeconfig)
		if _, err := newExisting(&Rig{}); (err != nil) != refused {
			t.Errorf("%s: %v", kubeconfig, err)
		}
	}
}

// A cluster without a load balancer, or with one that this machine does not reach, is told for what it is before a fleet is waited for.
func TestALoadBalancerThatIsNotThereOrNotReachedIsNamed(t *testing.T) {
	server := controllertest.Start(t)
	c := server.Client(t)
	namespace := server.Namespace(t)
	r := &Rig{options: Options{Cluster: Existing, Namespaces: Namespaces{NATS: namespace}}, kubeconfig: server.Kubeconfig()}
	builder, err := build.New(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.programs, err = builder.Build(t.Context(), "kubectl"); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "nats", Namespace: namespace},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 4222}}}}
	if err := c.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	if err := r.reachesNATS(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "no load balancer has given an address") {
		t.Errorf("without one: %v", err)
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "localhost"}}
	if err := c.Status().Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	if address, err := r.address(t.Context(), namespace, "nats"); err != nil || address != "localhost" {
		t.Errorf("one that gives names: %q, %v", address, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := r.reachesNATS(ended, 0); err == nil || strings.Contains(err.Error(), "needs a load balancer") {
		t.Errorf("who interrupts hears of a load balancer: %v", err)
	}
}

// demoRig is that of a demo on a server as somebody's cluster.
func demoRig(t *testing.T, server *controllertest.Server) *Rig {
	t.Helper()
	t.Setenv("KUBECONFIG", server.Kubeconfig())
	r, err := newRig(Options{Cluster: Existing, Image: "example.com/flowfleet:v1", Namespaces: OfItsOwn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Leave() })
	return r
}
