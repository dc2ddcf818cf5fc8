package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/flowfleet/flowfleet/hack/cluster/image"
)

// place is where a rig's cluster is.
type place interface {
	// up brings the cluster up, and returns the path of the administrator's kubeconfig.
	up(ctx context.Context) (kubeconfig string, err error)
	// load gives an image to the nodes.
	load(ctx context.Context, i image.Image) error
	// exec returns a command that runs where exporters are, or in another of the cluster's networks where it has such.
	exec(ctx context.Context, network string, arguments ...string) *exec.Cmd
	// down takes down what up has brought up.
	down(ctx context.Context) error
}

// Clusters that Options.Cluster names.
const (
	OnThisMachine = ""         // hack/cluster
	Kind          = "kind"     // kind, with docker
	Existing      = "existing" // the one of KUBECONFIG
)

func (r *Rig) newPlace() (place, error) {
	switch r.options.Cluster {
	case OnThisMachine:
		return &machine{r: r}, nil
	case Kind:
		return &kind{r}, nil
	case Existing:
		return newExisting(r)
	}
	return nil, fmt.Errorf("cluster %q: it is kind, existing, or left out for one on this machine", r.options.Cluster)
}

// machine is hack/cluster: nodes can be switched off, and routes changed.
type machine struct {
	r     *Rig
	begun bool // by this rig, which takes it down too
}

func (m *machine) up(ctx context.Context) (string, error) {
	if err := m.r.build(ctx, "cluster", "./hack/cluster"); err != nil {
		return "", err
	}
	if m.r.options.Reuse && m.runs(ctx) {
		m.r.Say("cluster %s is up already, and is used as it is", m.r.options.Name)
		return m.kubeconfig(ctx)
	}
	m.begun = true
	command := m.command(ctx, "up", "--proxy-mode", m.r.options.ProxyMode, "--balancer", m.r.options.Balancer)
	// What is built the first time takes many minutes, and tells how far it is.
	command.Stderr = m.r.options.Progress
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("bringing the cluster up: %w", err)
	}
	return m.kubeconfig(ctx)
}

func (m *machine) kubeconfig(ctx context.Context) (string, error) {
	path, err := m.r.Cluster(ctx, "kubeconfig")
	return strings.TrimSpace(path), err
}

// runs reports whether the cluster is up.
func (m *machine) runs(ctx context.Context) bool {
	_, err := m.r.Cluster(ctx, "status")
	return err == nil
}

func (m *machine) load(ctx context.Context, i image.Image) error {
	arguments := []string{"load-image", "--tag", i.Tag, "--entrypoint", strings.Join(i.Entrypoint, ",")}
	for target, file := range i.Files {
		arguments = append(arguments, "--file", target+"="+file)
	}
	_, err := m.r.Cluster(ctx, arguments...)
	return err
}

func (m *machine) exec(ctx context.Context, network string, arguments ...string) *exec.Cmd {
	return m.command(ctx, append([]string{"exec", network, "--"}, arguments...)...)
}

func (m *machine) command(ctx context.Context, arguments ...string) *exec.Cmd {
	return m.r.here(ctx, m.r.built("cluster"), append([]string{"--name", m.r.options.Name}, arguments...)...)
}

func (m *machine) down(ctx context.Context) error {
	if !m.begun {
		return nil
	}
	_, err := m.r.Cluster(ctx, "down")
	return err
}

// kind makes a cluster with kind. It was written without a docker engine to try it with.
type kind struct{ r *Rig }

func (k *kind) run(ctx context.Context, arguments ...string) error {
	_, err := output(exec.CommandContext(ctx, "kind", append(arguments, "--name", k.r.options.Name)...))
	return err
}

func (k *kind) up(ctx context.Context) (string, error) {
	for _, program := range []string{"docker", "kind"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("CLUSTER=kind needs docker and kind: %w", err)
		}
	}
	kubeconfig := filepath.Join(k.r.folder, "kubeconfig")
	return kubeconfig, k.run(ctx, "create", "cluster", "--kubeconfig", kubeconfig, "--wait", "2m")
}

func (k *kind) load(ctx context.Context, i image.Image) error {
	archive := filepath.Join(k.r.folder, "image.tar")
	if err := i.Write(archive); err != nil {
		return err
	}
	return errors.Join(k.run(ctx, "load", "image-archive", archive), os.Remove(archive))
}

func (k *kind) exec(ctx context.Context, _ string, arguments ...string) *exec.Cmd {
	return k.r.here(ctx, arguments[0], arguments[1:]...)
}

func (k *kind) down(ctx context.Context) error { return k.run(ctx, "delete", "cluster") }
