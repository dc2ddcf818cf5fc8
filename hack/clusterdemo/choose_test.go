package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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
	if err := agree(t.Context(), rig.Options{Cluster: rig.Existing}, false, in, io.Discard); err == nil || !strings.Contains(err.Error(), "YES=1") {
		t.Errorf("nobody was asked: %v", err)
	}
	if err := agree(t.Context(), rig.Options{Cluster: rig.Existing}, true, in, io.Discard); err != nil {
		t.Errorf("with YES=1: %v", err)
	}
	if err := agree(t.Context(), rig.Options{Cluster: rig.OnThisMachine}, false, in, io.Discard); err != nil {
		t.Errorf("a cluster of the demo's own: %v", err)
	}
}

// Who presses Ctrl-C at the question has said no, and is not made to press Enter too.
func TestAnInterruptedQuestionChangesNothing(t *testing.T) {
	_, terminal := newTerminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() { asked <- agree(ctx, rig.Options{Cluster: rig.Existing}, false, terminal, io.Discard) }()
	interrupt()
	if err := <-asked; err == nil || err.Error() != "nothing was changed" {
		t.Error(err)
	}
}

func TestOnlyAYesAtTheQuestionGoesOn(t *testing.T) {
	for answer, goesOn := range map[string]bool{"y\n": true, "Y\n": true, "n\n": false, "\n": false, "yonder\n": false} {
		t.Run(strings.TrimSpace(answer), func(t *testing.T) {
			keyboard, terminal := newTerminal(t)
			if _, err := keyboard.WriteString(answer); err != nil {
				t.Fatal(err)
			}
			if err := agree(t.Context(), rig.Options{Cluster: rig.Existing}, false, terminal, io.Discard); (err == nil) != goesOn {
				t.Error(err)
			}
		})
	}
}

// newTerminal returns one, and what types on it.
func newTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return keyboard, terminal
}

// sudo keeps no variables: what is printed for it names the cluster again, or the demo would run on another one.
func TestWhatIsTypedForRootNamesTheSameCluster(t *testing.T) {
	for _, name := range []string{"KUBECONFIG", "IMAGE", "NATS_IMAGE", "CLUSTER"} {
		t.Setenv(name, "")
	}
	if err := needsRoot(1000, "demo"); err == nil || !strings.Contains(err.Error(), `"sudo make demo"`) {
		t.Errorf("a cluster of this machine: %v", err)
	}
	t.Setenv("KUBECONFIG", "/home/me/.kube/config")
	t.Setenv("IMAGE", "registry.example.com/flowfleet:v1")
	const want = `"sudo make demo KUBECONFIG=/home/me/.kube/config IMAGE=registry.example.com/flowfleet:v1"`
	if err := needsRoot(1000, "demo"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("somebody's cluster: %v", err)
	}
	if err := needsRoot(0, "demo"); err != nil {
		t.Errorf("root: %v", err)
	}
}
