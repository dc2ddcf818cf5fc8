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
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/cluster/image"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// Names of what is installed.
const (
	Release           = "flowfleet" // of the chart
	OperatorNamespace = "flowfleet-system"
	Operator          = "deployment/flowfleet-manager"
	NATSNamespace     = "nats"
	FleetNamespace    = "flows"
)

//go:embed nats.yaml
var natsManifest string

// Options say what kind of cluster it is.
type Options struct {
	Cluster   string // OnThisMachine, Kind or Existing
	Name      string // the cluster's, where it is made here
	ProxyMode string // nftables or iptables, on this machine
	Balancer  string // bgp or l2, on this machine
	Image     string // of operator and collectors, and of NATS, where they cannot be given to the nodes
	NATSImage string
	Progress  io.Writer
	Values    []string // of the operator's chart, such as sinks.enabled=true, beside the rig's own
	// Namespaces that it makes; those of the constants where they are empty.
	Namespaces Namespaces
	// Reuse takes a cluster of this machine that is up already, or what a rig has installed in an existing one, and leaves it up whatever
	// happens.
	Reuse bool
}

// FromEnvironment returns options with what the variables CLUSTER, IMAGE and NATS_IMAGE say.
func FromEnvironment() Options {
	return Options{Cluster: os.Getenv("CLUSTER"), Image: os.Getenv("IMAGE"), NATSImage: os.Getenv("NATS_IMAGE"), ProxyMode: "nftables", Balancer: "bgp"}
}

// Rig is a cluster that runs.
type Rig struct {
	Image, Tag string // of operator and collectors
	Collector  string // the program, on this machine

	options    Options
	place      place
	builder    *build.Builder
	natsImage  string
	root       string // of the clone
	folder     string // of what was built
	programs   string // folder with kubectl and helm
	flowgen    string
	kubeconfig string
	began      time.Time
	installing bool // it has begun to change a cluster that is up
}

// Up builds all, brings the cluster up, and installs NATS and the operator. What it began is taken down when it fails.
func Up(ctx context.Context, o Options) (*Rig, error) {
	r, err := newRig(o)
	if err != nil {
		return nil, err
	}
	if err := r.begin(ctx); err != nil {
		u := &Unfinished{Cause: err, Reused: r.Reused(), Down: r.Down(context.WithoutCancel(ctx))}
		if r.installing {
			return nil, u
		}
		return nil, errors.Join(err, u.Down) // nothing was changed, or the cluster's own command took it down
	}
	return r, nil
}

// Unfinished is what Up returns where it failed, or was interrupted, while it changed a cluster.
type Unfinished struct {
	Cause  error
	Reused bool  // the cluster, or what was installed there, was there before, and stays
	Down   error // of taking down what was begun
}

func (u *Unfinished) Error() string   { return errors.Join(u.Cause, u.Down).Error() + "\n" + u.Left() }
func (u *Unfinished) Unwrap() []error { return []error{u.Cause, u.Down} }

// Left says what is left of it, and what to type.
func (u *Unfinished) Left() string { return Left(u.Reused, u.Down) }

// Left says what is left of a demo that failed, where the cluster was up before (reused), or where what it began was taken down.
func Left(reused bool, down error) string {
	switch {
	case down != nil:
		return "Something of it is left: \"make demo-down\" removes it."
	case reused:
		return "What was up before stays as it is now. \"make demo\" tries again, \"make demo-down\" removes it." // on somebody's cluster not the cluster
	}
	return "Nothing of it is left but what was built, for the next \"make demo\"."
}

// newRig begins nothing but a folder of its own.
func newRig(o Options) (*Rig, error) {
	builder, err := build.New(o.Progress)
	if err != nil {
		return nil, err
	}
	r := &Rig{options: o, builder: builder, root: filepath.Dir(filepath.Dir(builder.Modules)), began: time.Now(),
		Image: "flowfleet.io/flowfleet", Tag: "e2e", natsImage: "flowfleet.io/nats-server:e2e"}
	if r.place, err = r.newPlace(); err != nil {
		return nil, err
	}
	r.folder, err = os.MkdirTemp("", "flowfleet-rig-")
	return r, err
}

func (r *Rig) begin(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if r.options.Cluster == Existing {
		r.Say("looking whether the cluster has any of it already")
	} else {
		r.Say("bringing the cluster up")
	}
	var err error
	if r.kubeconfig, err = r.place.up(ctx); err != nil {
		return err
	}
	r.installing = true
	if err := r.install(ctx); err != nil {
		return fmt.Errorf("installing NATS and the operator: %w", err)
	}
	return nil
}

// prepare builds what runs on this machine, and in the images.
func (r *Rig) prepare(ctx context.Context) (err error) {
	r.Say("building operator, collector and tools")
	if r.programs, err = r.builder.Build(ctx, "kubectl", "helm", "nats-server"); err != nil {
		return err
	}
	for program, pkg := range map[string]string{
		"manager": ".", "collector": "./collector", "flowgen": "./hack/flowgen",
	} {
		if err := r.build(ctx, program, pkg); err != nil {
			return err
		}
	}
	r.Collector, r.flowgen = r.built("collector"), r.built("flowgen")
	return nil
}

// Attach returns the rig of a cluster where all is installed already: one of this machine that runs, or an existing one. Down leaves it up.
func Attach(ctx context.Context, o Options) (*Rig, error) {
	o.Reuse = true
	r, err := newRig(o)
	if err != nil {
		return nil, err
	}
	if err = r.prepare(ctx); err == nil {
		switch place := r.place.(type) {
		case *machine:
			if err = r.build(ctx, "cluster", "./hack/cluster"); err == nil && !place.runs(ctx) {
				err = errors.New("no cluster runs here: \"make demo\" brings one up")
			}
			if err == nil {
				r.kubeconfig, err = place.kubeconfig(ctx)
			}
		case *existing:
			err = place.attach(ctx)
		default:
			err = fmt.Errorf("a cluster %q cannot be attached to", o.Cluster)
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.folder))
	}
	return r, nil
}

// Remove takes down what a rig has left, whoever began it: a cluster of this machine, or what was installed in another one.
func Remove(ctx context.Context, o Options) (err error) {
	r, err := newRig(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	switch place := r.place.(type) {
	case *existing:
		if r.programs, err = r.builder.Build(ctx, "kubectl", "helm"); err != nil {
			return err
		}
		if place.ours, err = place.installed(ctx); err == nil && !place.ours {
			r.Say("the demo has installed nothing in that cluster; nothing to do")
			return nil
		}
	case *machine:
		if err = r.build(ctx, "cluster", "./hack/cluster"); err == nil {
			place.begun = true
		}
	}
	if err != nil {
		return err
	}
	// Half of it is worse than either: it goes on when it is interrupted.
	if err = r.place.down(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w\n%s", err, Left(false, err))
	}
	if e, ok := r.place.(*existing); ok && e.kept {
		r.Say("nothing else of the demo is left")
		return nil
	}
	r.Say("nothing of the demo is left but what was built, for the next \"make demo\"")
	return nil
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
	if err := r.place.load(ctx, image.Image{Tag: r.natsImage, Files: map[string]string{"/nats-server": server}, Entrypoint: []string{"/nats-server"}}); err != nil {
		return err
	}
	if err := r.LoadImage(ctx, r.Tag); err != nil {
		return err
	}
	manifest := manifestOfNATS(r.natsImage, r.Namespaces().NATS, r.OwnsNodes())
	if err := r.Apply(ctx, manifest+"---\n"+fmt.Sprintf(namespaceManifest, r.Namespaces().Operator)); err != nil {
		return err
	}
	if err := r.InstallOperator(ctx, r.options.Values...); err != nil {
		return err
	}
	if r.Reused() {
		// It was there before: its image has the same name, and other contents.
		if _, err := r.Kubectl(ctx, "--namespace", r.Namespaces().Operator, "rollout", "restart", Operator); err != nil {
			return err
		}
	}
	if err := r.NATSReady(ctx); err != nil || r.OwnsNodes() {
		return err
	}
	return r.reachesNATS(ctx, 3*time.Minute)
}

// InstallOperator installs the chart, or brings what is installed up to date; values such as sinks.enabled=true go beside the rig's own.
func (r *Rig) InstallOperator(ctx context.Context, values ...string) error {
	arguments := []string{"upgrade", "--install", Release, r.Chart(), "--namespace", r.Namespaces().Operator, "--wait", "--timeout", "2m"}
	for _, value := range append([]string{"image.repository=" + r.Image, "image.tag=" + r.Tag}, values...) {
		arguments = append(arguments, "--set", value)
	}
	_, err := r.Helm(ctx, arguments...)
	return r.explained(ctx, err, r.Namespaces().Operator)
}

// LoadImage gives the nodes the image of operator and collectors under a tag.
func (r *Rig) LoadImage(ctx context.Context, tag string) error {
	return r.place.load(ctx, image.Image{Tag: r.Image + ":" + tag, Entrypoint: []string{"/manager"},
		Files: map[string]string{"/manager": r.built("manager"), "/collector": r.Collector}})
}

// Chart returns the folder of the operator's chart.
func (r *Rig) Chart() string { return filepath.Join(r.root, "charts", "flowfleet") }

// Down takes the cluster down, or removes what was installed in one that others run.
func (r *Rig) Down(ctx context.Context) error {
	return errors.Join(r.place.down(ctx), os.RemoveAll(r.folder))
}

// OwnsNodes tells whether the nodes and the router before them can be switched off and changed: with a cluster of this machine.
func (r *Rig) OwnsNodes() bool { return r.options.Cluster == OnThisMachine }

// Reused reports whether the cluster was up before, and is left up whatever happens.
func (r *Rig) Reused() bool {
	switch place := r.place.(type) {
	case *machine:
		return !place.begun
	case *existing:
		return place.reused
	}
	return false
}

// Leave leaves the cluster up, and removes what was built for it.
func (r *Rig) Leave() error { return os.RemoveAll(r.folder) }

// Say tells what happens next, and when.
func (r *Rig) Say(format string, args ...any) {
	if r.options.Progress != nil {
		fmt.Fprintf(r.options.Progress, "[%5.1fs] %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// Cluster runs the command of a cluster on this machine.
func (r *Rig) Cluster(ctx context.Context, arguments ...string) (string, error) {
	m, ok := r.place.(*machine)
	if !ok {
		return "", fmt.Errorf("a cluster %q has no such command: %s", r.options.Cluster, strings.Join(arguments, " "))
	}
	return output(m.command(ctx, arguments...))
}

// Exec returns a command that runs where exporters are ("exporter"), or in another of the networks of a cluster on this machine.
func (r *Rig) Exec(ctx context.Context, network string, arguments ...string) *exec.Cmd {
	return r.place.exec(ctx, network, arguments...)
}

// Stay starts a program in one of the networks of a cluster on this machine, which outlives the rig and ends with the cluster. It takes only
// what time the nodes leave it.
func (r *Rig) Stay(ctx context.Context, network string, arguments ...string) error {
	if !r.OwnsNodes() {
		return fmt.Errorf("a cluster %q keeps no programs of this machine: %s", r.options.Cluster, strings.Join(arguments, " "))
	}
	command := append([]string{"-n", "19", r.built("cluster"), "--name", r.options.Name, "exec", "--stay", network, "--"}, arguments...)
	_, err := output(r.here(ctx, "nice", command...))
	return err
}

// Program builds a program of the clone, and returns its path. The file is there until Leave or Down.
func (r *Rig) Program(ctx context.Context, name, pkg string) (string, error) {
	return r.built(name), r.build(ctx, name, pkg)
}

// here returns a command of this machine. It is ended in order, and ends what it began: flowgen waits for what may still come, up to
// a minute in some tests.
func (r *Rig) here(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = r.root
	ownGroup(command, 2*time.Minute)
	return command
}

// ownGroup keeps what is typed on a terminal from a program: Ctrl-C would end what takes a cluster down, and leave half of it. A program is
// interrupted by its context, or because this program has ended, and killed where it does not end within a time.
func ownGroup(command *exec.Cmd, delay time.Duration) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = delay
}

// Kubectl runs kubectl.
func (r *Rig) Kubectl(ctx context.Context, arguments ...string) (string, error) {
	return output(r.KubectlCommand(ctx, arguments...))
}

// KubectlCommand returns kubectl, to be run.
func (r *Rig) KubectlCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	return r.client(ctx, filepath.Join(r.programs, "kubectl"), arguments...)
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

// Plugin runs the plugin of kubectl, which the first call builds: a demo has no use for it.
func (r *Rig) Plugin(ctx context.Context, arguments ...string) (string, error) {
	const program = "kubectl-flowfleet"
	if _, err := os.Stat(r.built(program)); err != nil {
		if err := r.build(ctx, program, "./"+program); err != nil {
			return "", err
		}
	}
	return output(r.client(ctx, r.built(program), arguments...))
}

// client returns a program that asks the cluster's API server.
func (r *Rig) client(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig)
	ownGroup(command, 10*time.Second)
	return command
}

// Helm runs helm.
func (r *Rig) Helm(ctx context.Context, arguments ...string) (string, error) {
	return output(r.client(ctx, filepath.Join(r.programs, "helm"), arguments...))
}

// Send sends flows from the exporters' network with flowgen, whose arguments these are, and verifies nothing.
func (r *Rig) Send(ctx context.Context, f Fleet, arguments ...string) error {
	_, err := output(r.Exec(ctx, "exporter", append([]string{r.flowgen, "send", "--target", f.Address}, arguments...)...))
	return err
}

// Traffic sends and verifies flows from the exporters' network with flowgen, whose arguments these are. When the context ends
// so does the sending; what was sent is verified nevertheless.
func (r *Rig) Traffic(ctx context.Context, f Fleet, arguments ...string) (check.Report, error) {
	all := []string{r.flowgen, "run", "--json", "--target", f.Address, "--server", f.Server, "--stream", f.Stream()}
	if r.OwnsNodes() {
		all = append(all, "--source", "10.78.128.1") // elsewhere exporters have one address, and differ in their ports
	}
	command := r.Exec(ctx, "exporter", append(all, arguments...)...)
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
		// Without the folder: somebody may want to type it.
		name := strings.Join(append([]string{filepath.Base(command.Args[0])}, command.Args[1:]...), " ")
		return "", fmt.Errorf("%s: %w\n%s%s", name, err, out, bytes.TrimSpace(problems.Bytes()))
	}
	return string(out), nil
}
