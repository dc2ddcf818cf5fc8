package rig

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
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
		{"a definition of somebody's", "", nil, true, "customresourcedefinition", false},
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
