// Package rig brings up a cluster with NATS and the operator on this machine, and drives it: what end-to-end tests and the
// demo stand on.
package rig

import (
	"bytes"
	"context"
	_ "embed" // for the manifests
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// Names of what is installed.
const (
	Image             = "flowfleet.io/flowfleet"
	Tag               = "e2e"
	NATSImage         = "flowfleet.io/nats-server:e2e"
	Release           = "flowfleet" // of the chart
	OperatorNamespace = "flowfleet-system"
	NATSNamespace     = "nats"
)

//go:embed nats.yaml
var natsManifest string

// Options say what kind of cluster it is.
type Options struct {
	Name      string // the cluster's
	ProxyMode string // nftables or iptables
	Balancer  string // bgp or l2
	Progress  io.Writer
}

// Rig is a cluster that runs.
type Rig struct {
	options    Options
	root       string // of the clone
	folder     string // of what was built
	cluster    string // the program
	programs   string // folder with kubectl and helm
	Collector  string // the program, on this machine
	flowgen    string
	kubeconfig string
	began      time.Time
}

// Up builds all, brings the cluster up, and installs NATS and the operator. What it began is taken down when it fails.
func Up(ctx context.Context, o Options) (r *Rig, err error) {
	builder, err := build.New(o.Progress)
	if err != nil {
		return nil, err
	}
	r = &Rig{options: o, root: filepath.Dir(filepath.Dir(builder.Modules)), began: time.Now()}
	if r.folder, err = os.MkdirTemp("", "flowfleet-rig-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Down(context.WithoutCancel(ctx)))
		}
	}()
	r.Say("building operator, collector and tools")
	if r.programs, err = builder.Build(ctx, "kubectl", "helm", "nats-server"); err != nil {
		return nil, err
	}
	for program, pkg := range map[string]string{
		"manager": ".", "collector": "./collector", "cluster": "./hack/cluster", "flowgen": "./hack/flowgen",
	} {
		if err := r.build(ctx, program, pkg); err != nil {
			return nil, err
		}
	}
	r.cluster, r.Collector, r.flowgen = r.built("cluster"), r.built("collector"), r.built("flowgen")
	r.Say("bringing the cluster up")
	if _, err := r.Cluster(ctx, "up", "--proxy-mode", o.ProxyMode, "--balancer", o.Balancer); err != nil {
		return nil, err
	}
	kubeconfig, err := r.Cluster(ctx, "kubeconfig")
	if err != nil {
		return nil, err
	}
	r.kubeconfig = strings.TrimSpace(kubeconfig)
	return r, r.install(ctx)
}

func (r *Rig) build(ctx context.Context, program, pkg string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", r.built(program), pkg)
	command.Dir = r.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := output(command)
	return err
}

func (r *Rig) built(program string) string { return filepath.Join(r.folder, program) }

// install gives the nodes the images, and installs NATS and the operator.
func (r *Rig) install(ctx context.Context) error {
	r.Say("installing NATS (3 servers) and the operator (helm)")
	server, err := filepath.EvalSymlinks(filepath.Join(r.programs, "nats-server"))
	if err != nil {
		return err
	}
	if _, err := r.Cluster(ctx, "load-image", "--tag", NATSImage, "--file", "/nats-server="+server, "--entrypoint", "/nats-server"); err != nil {
		return err
	}
	if err := r.LoadImage(ctx, Tag); err != nil {
		return err
	}
	if err := r.Apply(ctx, natsManifest+"---\n"+fmt.Sprintf(namespaceManifest, OperatorNamespace)); err != nil {
		return err
	}
	if err := r.InstallOperator(ctx); err != nil {
		return err
	}
	_, err = r.Kubectl(ctx, "--namespace", NATSNamespace, "rollout", "status", "statefulset/nats", "--timeout=2m")
	return err
}

// InstallOperator installs the chart.
func (r *Rig) InstallOperator(ctx context.Context) error {
	_, err := r.Helm(ctx, "install", Release, r.Chart(), "--namespace", OperatorNamespace,
		"--set", "image.repository="+Image, "--set", "image.tag="+Tag, "--wait", "--timeout", "2m")
	return err
}

// LoadImage gives the nodes the image of operator and collectors under a tag.
func (r *Rig) LoadImage(ctx context.Context, tag string) error {
	_, err := r.Cluster(ctx, "load-image", "--tag", Image+":"+tag, "--file", "/manager="+r.built("manager"),
		"--file", "/collector="+r.Collector, "--entrypoint", "/manager")
	return err
}

// Chart returns the folder of the operator's chart.
func (r *Rig) Chart() string { return filepath.Join(r.root, "charts", "flowfleet") }

// Down takes the cluster down.
func (r *Rig) Down(ctx context.Context) error {
	var err error
	if r.cluster != "" {
		_, err = r.Cluster(ctx, "down")
	}
	return errors.Join(err, os.RemoveAll(r.folder))
}

// Leave leaves the cluster up, and removes what was built for it.
func (r *Rig) Leave() error { return os.RemoveAll(r.folder) }

// Say tells what happens next, and when.
func (r *Rig) Say(format string, args ...any) {
	if r.options.Progress != nil {
		fmt.Fprintf(r.options.Progress, "[%5.1fs] %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// Cluster runs the cluster's command.
func (r *Rig) Cluster(ctx context.Context, arguments ...string) (string, error) {
	return output(r.clusterCommand(ctx, arguments...))
}

func (r *Rig) clusterCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, r.cluster, append([]string{"--name", r.options.Name}, arguments...)...)
	command.Dir = r.root
	// It ends in order, and takes down what it began.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	return command
}

// Exec returns a command that runs in one of the cluster's networks.
func (r *Rig) Exec(ctx context.Context, network string, arguments ...string) *exec.Cmd {
	return r.clusterCommand(ctx, append([]string{"exec", network, "--"}, arguments...)...)
}

// Kubectl runs kubectl.
func (r *Rig) Kubectl(ctx context.Context, arguments ...string) (string, error) {
	return output(r.KubectlCommand(ctx, arguments...))
}

// KubectlCommand returns kubectl, to be run.
func (r *Rig) KubectlCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(r.programs, "kubectl"), arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig)
	return command
}

// Shell runs a script whose kubectl is the cluster's, and returns what it prints.
func (r *Rig) Shell(ctx context.Context, script string) (string, error) {
	command := exec.CommandContext(ctx, "sh", "-euc", script)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig, "PATH="+r.programs+":"+os.Getenv("PATH"))
	return output(command)
}

// Apply applies manifests.
func (r *Rig) Apply(ctx context.Context, manifests string, arguments ...string) error {
	command := r.KubectlCommand(ctx, append([]string{"apply", "-f", "-"}, arguments...)...)
	command.Stdin = strings.NewReader(manifests)
	_, err := output(command)
	return err
}

// Helm runs helm.
func (r *Rig) Helm(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(r.programs, "helm"), arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig)
	return output(command)
}

// Traffic sends and verifies flows from the exporters' network with flowgen, whose arguments these are.
func (r *Rig) Traffic(ctx context.Context, f Fleet, arguments ...string) (check.Report, error) {
	all := append([]string{r.flowgen, "run", "--json", "--target", f.Address, "--source", "10.78.128.1", "--server", f.Server,
		"--stream", f.Stream()}, arguments...)
	command := r.Exec(ctx, "exporter", all...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	var report check.Report
	// The status is 1 for a report of losses too.
	if decoding := json.Unmarshal(out, &report); decoding != nil {
		return report, fmt.Errorf("flowgen: %w: %s", errors.Join(err, decoding), problems.Bytes())
	}
	return report, nil
}

// Await tries until there is no error, for as long as limit.
func Await(ctx context.Context, limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func output(command *exec.Cmd) (string, error) {
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command.Args, " "), err, out, problems.Bytes())
	}
	return string(out), nil
}
