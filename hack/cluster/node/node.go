// Package node is the first process of a node: it makes the node's view of the machine, runs containerd, the kubelet and
// kube-proxy in it, and waits for all that ends in it. When it ends, the kernel ends the whole node.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// entered marks the second stage.
const entered = "FLOWFLEET_NODE_ENTERED=1"

// Run runs node number of the cluster until it is told to end. It runs itself anew once it is in its control groups, since
// the namespace of control groups belongs to a thread.
func Run(p plan.Plan, number int) error {
	if os.Getpid() != 1 {
		return errors.New("a node has to be the first process of a PID namespace")
	}
	if os.Getenv("FLOWFLEET_NODE_ENTERED") == "" {
		return enter(p, number)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	n := node{plan: p, number: number, name: plan.NodeName(number), reaper: process.NewReaper()}
	if err := n.mount(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(n.name)); err != nil {
		return err
	}
	if err := n.configure(); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// enter puts this process into the node's control groups, makes them the root of what it sees, and starts it again.
func enter(p plan.Plan, number int) error {
	for _, parent := range p.Cgroups {
		path := filepath.Join(parent, plan.NodeName(number))
		// A node that was switched off leaves the groups of its containers. A kubelet that finds them asks for each of these containers for three
		// seconds before the node is Ready, a minute and a half for a dozen pods. One that cannot be removed costs only these seconds.
		_ = cgroup.Remove(path)
		if err := cgroup.Add(path); err != nil {
			return err
		}
		if cgroup.Unified() {
			// A group that gives controllers to others holds no processes itself.
			leaf := filepath.Join(path, "node")
			if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			path = leaf
		}
		if err := cgroup.Enter(path); err != nil {
			return err
		}
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("namespace of control groups: %w", err)
	}
	return unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), entered))
}

type node struct {
	plan   plan.Plan
	number int
	name   string
	reaper *process.Reaper
}

// start starts containerd, gives it the images, and starts the rest.
func (n node) start(ctx context.Context) error {
	path := "PATH=" + n.plan.Binaries + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// /tmp cannot be written where the machine's own is seen there (hidden): runc would run nothing in a container that runs.
	environment := []string{path, "TMPDIR=/run"}
	keep := func(name string, arguments ...string) error {
		return (&process.Process{Name: name, Path: n.plan.Program(name), Arguments: arguments, Env: environment,
			Log: n.plan.Log(n.name + "-" + name)}).Keep(n.reaper)
	}
	if err := keep("containerd", "--config", containerdConfig); err != nil {
		return err
	}
	if err := await(ctx, containerdSocket); err != nil {
		return err
	}
	images, err := filepath.Glob(n.plan.Path("images", "*.tar"))
	if err != nil {
		return err
	}
	for _, image := range images {
		if err := n.load(ctx, image); err != nil {
			return err
		}
	}
	return errors.Join(
		keep("kubelet", "--config", kubeletConfig, "--kubeconfig", n.plan.Kubeconfig(n.name), "--hostname-override", n.name,
			"--node-ip", plan.NodeAddress(n.number).String(), "--v=2"),
		keep("kube-proxy", "--config", proxyConfig, "--v=2"),
	)
}

// load imports an image.
func (n node) load(ctx context.Context, image string) error {
	log, err := os.OpenFile(n.plan.Log(n.name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(n.plan.Program("ctr"), ImportArguments(containerdSocket, image)...)
	command.Stdout, command.Stderr = log, log
	if err := n.reaper.Run(ctx, command); err != nil {
		return fmt.Errorf("importing %s: %w", image, err)
	}
	return nil
}

// ImportArguments are those with which ctr imports an image through a containerd's socket.
func ImportArguments(socket, image string) []string {
	return []string{"--address", socket, "--namespace", "k8s.io", "images", "import", "--local", image}
}

// Socket returns the path of a node's containerd socket as seen from the machine. Its first process has this PID in the
// supervisor's PID namespace.
func Socket(supervisor, pid int) string {
	return filepath.Join("/proc", strconv.Itoa(supervisor), "root/proc", strconv.Itoa(pid), "root", containerdSocket)
}

// await waits until something listens on the socket.
func await(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
