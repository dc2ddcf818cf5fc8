package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

func TestTheFirstLineSaysWhichClusterAndWhy(t *testing.T) {
	for name, test := range map[string]struct {
		kubeconfig, cluster, image string
		want, line, refused        string
	}{
		"nothing is set":                   {"", "", "", rig.OnThisMachine, "on this machine, because KUBECONFIG names no other", ""},
		"as the demo's own hint says":      {"/root/.cache/flowfleet/clusters/flowfleet/pki/admin.kubeconfig", "", "", rig.OnThisMachine, "on this machine", ""},
		"a cluster of one's own":           {"/home/me/.kube/config", "", "registry.example.com/flowfleet:v1", rig.Existing, "KUBECONFIG=/home/me/.kube/config, because that is set", ""},
		"without an image for it":          {"/home/me/.kube/config", "", "", rig.Existing, "KUBECONFIG=/home/me/.kube/config", "IMAGE="},
		"kind, asked for in so many words": {"", rig.Kind, "", rig.Kind, "CLUSTER=kind", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", test.kubeconfig)
			t.Setenv("CLUSTER", test.cluster)
			t.Setenv("IMAGE", test.image)
			var out strings.Builder
			options, err := choose(&out)
			if options.Cluster != test.want || !strings.Contains(out.String(), test.line) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("cluster %q, said: %s", options.Cluster, out.String())
			}
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%v, want one about %q", err, test.refused)
			}
		})
	}
}

func TestNothingOfSomebodysClusterIsChangedUnasked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no terminal")
	if err := os.WriteFile(path, []byte("y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := agree(rig.Options{Cluster: rig.Existing}, false, in, io.Discard); err == nil || !strings.Contains(err.Error(), "YES=1") {
		t.Errorf("nobody was asked: %v", err)
	}
	if err := agree(rig.Options{Cluster: rig.Existing}, true, in, io.Discard); err != nil {
		t.Errorf("with YES=1: %v", err)
	}
	if err := agree(rig.Options{Cluster: rig.OnThisMachine}, false, in, io.Discard); err != nil {
		t.Errorf("a cluster of the demo's own: %v", err)
	}
}
