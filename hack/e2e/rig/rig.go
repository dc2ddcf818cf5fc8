// Package rig brings up a cluster with NATS and the operator on this machine, and drives it: what end-to-end tests and the
// demo stand on.
package rig

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/cluster/image"
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
