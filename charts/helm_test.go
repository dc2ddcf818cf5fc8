// Package charts_test tests the Helm chart: what it renders, what it refuses, and that it says the same as config/.
package charts_test

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/manifest"
)

const (
	chart     = "flowfleet" // its directory
	namespace = "flowfleet-system"
)

// helm is the one that is used: "helm", or the one of another version that HELM names among those of hack/binaries.
var helm = cmp.Or(os.Getenv("HELM"), "helm")

// programs is the directory with helm, helm-docs, kustomize and promtool, which the first call builds where they are not cached.
var programs = sync.OnceValues(func() (string, error) {
	if err := manifest.Look(chart); err != nil {
		return "", err
	}
	builder, err := build.New(os.Stderr)
	if err != nil {
		return "", err
	}
	return builder.Build(context.Background(), helm, "helm-docs", "kustomize", "promtool")
})

// run runs one of the programs, and returns what it printed.
func run(t *testing.T, program string, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	directory, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(directory, program), arguments...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	// Nothing of the user's counts: no cluster, no plugins, no repositories.
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "XDG_CACHE_HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	err = command.Run()
	return out.String(), errs.String(), err
}

// template renders the chart as the release "flowfleet", for a cluster that is always of the same version.
func template(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	out, errs, err := run(t, helm, append([]string{"template", "flowfleet", chart, "--namespace", namespace,
		"--kube-version", "1.37.2"}, arguments...)...)
	if err != nil {
		return "", &refusal{strings.TrimSpace(errs), err}
	}
	return out, nil
}

// refusal is helm's error, with its words.
type refusal struct {
	words string
	err   error
}

func (r *refusal) Error() string { return r.words }
func (r *refusal) Unwrap() error { return r.err }

// render renders the chart, and reads its objects strictly.
func render(t *testing.T, arguments ...string) []manifest.Object {
	t.Helper()
	text, err := template(t, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
