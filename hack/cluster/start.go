package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/addon"
	"github.com/flowfleet/flowfleet/hack/cluster/image"
	"github.com/flowfleet/flowfleet/hack/cluster/node"
	"github.com/flowfleet/flowfleet/hack/cluster/pki"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/supervise"
)

// writeImages writes the images that each node has from its beginning.
func writeImages(ctx context.Context, p plan.Plan) error {
	pause := p.Path("images", "pause")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", pause,
		"github.com/flowfleet/flowfleet/hack/cluster/pause")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the pause program: %w\n%s", err, out)
	}
	defer func() { _ = os.Remove(pause) }()
	// The speaker listens for ARP requests, and the manifest takes its other rights away: it has to be root.
	for file, content := range map[string]image.Image{
		"pause":              {Tag: node.PauseImage, Files: map[string]string{"/pause": pause}, Entrypoint: []string{"/pause"}},
		"coredns":            {Tag: addon.CoreDNSImage, Files: map[string]string{"/coredns": p.Program("coredns")}, Entrypoint: []string{"/coredns"}},
		"metallb-controller": {Tag: addon.ControllerImage, Files: map[string]string{"/controller": p.Program("metallb-controller")}, Entrypoint: []string{"/controller"}},
		"metallb-speaker":    {Tag: addon.SpeakerImage, Files: map[string]string{"/speaker": p.Program("metallb-speaker")}, Entrypoint: []string{"/speaker"}, User: "0:0"},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := content.Write(p.Path("images", file+".tar")); err != nil {
			return err
		}
	}
	return nil
}

// startSupervisor starts the cluster's first process, from which everything descends, and waits until it answers.
func startSupervisor(ctx context.Context, p plan.Plan) error {
	// The API server is inside a network namespace. This socket is not: the supervisor joins the two.
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if err := writeKeys(p, "https://"+listener.Addr().String()); err != nil {
		return err
	}
	socket, err := listener.File()
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }()
	log, err := os.OpenFile(p.Log("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	command := exec.Command("/proc/self/exe", "supervise", p.Directory)
	command.ExtraFiles = []*os.File{socket}
	command.Stdout, command.Stderr = log, log
	command.Dir = "/"
	// A session of its own: the interrupt of a terminal is for this command.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: supervise.Flags}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	if err := writeMark(p, command.Process.Pid); err != nil {
		return errors.Join(err, command.Process.Kill())
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	client := supervise.NewClient(p)
	for {
		if _, err := client.Status(ctx); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			content, _ := os.ReadFile(p.Log("supervisor"))
			return fmt.Errorf("the supervisor has ended: %w\n%s", err, content)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// writeKeys makes the cluster's certificates. The server is where this machine reaches the API server.
func writeKeys(p plan.Plan, server string) error {
	authority, err := pki.NewAuthority(p.Path("pki"))
	if err != nil {
		return err
	}
	if _, _, err := authority.Issue("apiserver", pki.Identity{User: "kube-apiserver",
		Names:  []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		Listen: []net.IP{plan.API.AsSlice(), plan.KubernetesService.AsSlice(), net.IPv4(127, 0, 0, 1)}}); err != nil {
		return err
	}
	if err := authority.Kubeconfig("admin", server, pki.Identity{User: "admin", Group: "system:masters"}); err != nil {
		return err
	}
	inside := "https://" + net.JoinHostPort(plan.API.String(), "6443")
	for name, user := range map[string]string{
		"controller-manager": "system:kube-controller-manager",
		"scheduler":          "system:kube-scheduler",
		"kube-proxy":         "system:kube-proxy",
		"inside":             "", // the administrator, from inside the cluster's networks
	} {
		identity := pki.Identity{User: user}
		if user == "" {
			identity = pki.Identity{User: "admin", Group: "system:masters"}
		}
		if err := authority.Kubeconfig(name, inside, identity); err != nil {
			return err
		}
	}
	for number := 1; number <= plan.MaxNodes; number++ { // nodes that may be added later too
		name := plan.NodeName(number)
		if err := authority.Kubeconfig(name, inside, pki.Identity{User: "system:node:" + name, Group: "system:nodes",
			Names: []string{name}, Listen: []net.IP{plan.NodeAddress(number).AsSlice()}}); err != nil {
			return err
		}
	}
	return nil
}

func newSupervise() *cobra.Command {
	return &cobra.Command{
		Use: "supervise DIRECTORY", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error {
			p, err := plan.Read(arguments[0])
			if err != nil {
				return err
			}
			api, err := net.FileListener(os.NewFile(3, "api"))
			if err != nil {
				return err
			}
			return supervise.Run(p, api)
		},
	}
}

func newNodeInit() *cobra.Command {
	return &cobra.Command{
		Use: "node-init DIRECTORY NUMBER", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, arguments []string) error {
			p, err := plan.Read(filepath.Clean(arguments[0]))
			if err != nil {
				return err
			}
			number, err := strconv.Atoi(arguments[1])
			if err != nil {
				return err
			}
			return node.Run(p, number)
		},
	}
}
