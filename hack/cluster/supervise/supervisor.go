// Package supervise runs a cluster. The supervisor is the first process of a PID namespace, with mount and network
// namespaces of its own: all else descends from it, and when it ends, however it ends, the kernel ends all processes, and
// with them go the mounts and the network namespaces. What is left to remove then is the cluster's directory and its
// control groups, which is up to whoever started it.
package supervise

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/cluster/mount"
	"github.com/flowfleet/flowfleet/hack/cluster/network"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// Flags are the namespaces that the supervisor has to be started in.
const Flags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// Names of network namespaces, beside those of nodes.
const (
	LAN      = "lan"      // the control plane, and the bridge that joins all
	Router   = "router"   // speaks BGP with the nodes
	Exporter = "exporter" // where exporters run, behind the router
)

// bridges in the LAN's namespace.
const (
	lanBridge      = "lan0"
	exporterBridge = "exporters0"
	nic            = "eth0"
)

type supervisor struct {
	plan   plan.Plan
	reaper *process.Reaper

	mutex        sync.Mutex
	lan          *network.Namespace
	router       *network.Namespace
	exporter     *network.Namespace
	controlPlane []*process.Process
	nodes        map[int]*machine
}

// Run runs the cluster until it is told to end. Connections to the listener, which was made in another network namespace,
// reach the API server.
func Run(p plan.Plan, api net.Listener) error {
	if os.Getpid() != 1 {
		return errors.New("the supervisor has to be the first process of a PID namespace")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s := &supervisor{plan: p, reaper: process.NewReaper(), nodes: map[int]*machine{}}
	if err := prepareMounts(p.Directory); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.startControlPlane(); err != nil {
		return err
	}
	for number := 1; number <= p.Nodes; number++ {
		if err := s.StartNode(number); err != nil {
			return err
		}
	}
	go forward(api)
	listener, err := net.Listen("unix", p.Socket())
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	<-ctx.Done()
	s.stop()
	return nil
}

// prepareMounts makes this mount namespace independent of the machine's, whose files are read-only in it but for the
// cluster's own directory, with a /proc and a /run of its own.
func prepareMounts(directory string) error {
	if err := mount.Private(); err != nil {
		return err
	}
	if err := mount.Protect(directory); err != nil {
		return err
	}
	if err := mount.On("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mount.Empty("/run"); err != nil {
		return err
	}
	return unix.Sethostname([]byte("flowfleet"))
}

// stop ends nodes first: without them nothing writes any more.
func (s *supervisor) stop() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var group sync.WaitGroup
	for _, node := range s.nodes {
		group.Go(func() { node.process.Stop(syscall.SIGKILL, 5*time.Second) })
	}
	group.Wait()
	for _, running := range s.controlPlane {
		group.Go(func() { running.Stop(syscall.SIGTERM, 2*time.Second) })
	}
	group.Wait()
}

// forward joins connections from the machine to the API server.
func forward(listener net.Listener) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = outside.Close() }()
			inside, err := net.Dial("tcp", net.JoinHostPort(plan.API.String(), "6443"))
			if err != nil {
				return
			}
			defer func() { _ = inside.Close() }()
			go func() {
				_, _ = io.Copy(inside, outside)
				_ = inside.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(outside, inside)
		}()
	}
}
