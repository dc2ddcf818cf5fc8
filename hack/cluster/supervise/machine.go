package supervise

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/network"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// machine is one node: a network namespace with a cable to the LAN, and a process that is the first of its own PID, mount,
// host name and IPC namespaces (and, once it has entered its control groups, of their namespace too).
type machine struct {
	number    int
	namespace *network.Namespace
	process   *process.Process
}

// StartNode switches a node on, which is made when it has not been there before.
func (s *supervisor) StartNode(number int) error {
	if number < 1 || number > plan.MaxNodes {
		return fmt.Errorf("node numbers go from 1 to %d", plan.MaxNodes)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name := plan.NodeName(number)
	if node, ok := s.nodes[number]; ok {
		if node.process.State().PID > 0 {
			return fmt.Errorf("node %s runs already", name)
		}
		if err := s.forget(node); err != nil {
			return err
		}
	}
	namespace, err := s.cable(number)
	if err != nil {
		return err
	}
	node := &machine{number: number, namespace: namespace, process: &process.Process{
		Name: name, Path: "/proc/self/exe", Arguments: []string{"node-init", s.plan.Directory, strconv.Itoa(number)},
		Log: s.plan.Log(name), Once: true,
		Attr: syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC},
		Start: func(command *exec.Cmd) error { return namespace.Do(command.Start) },
	}}
	s.nodes[number] = node
	return node.process.Keep(s.reaper)
}

// cable makes the node's network namespace, and routes between its pods and everyone else.
func (s *supervisor) cable(number int) (*network.Namespace, error) {
	name, address := plan.NodeName(number), plan.NodeAddress(number)
	namespace, err := network.Create(name)
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return s.lan.Plug(lanBridge, name, namespace, nic) },
		func() error { return namespace.Address(nic, netip.PrefixFrom(address, plan.LAN.Bits())) },
		func() error { return namespace.Sysctl("ipv4.ip_forward", "1") },
		func() error { return namespace.Route(netip.Prefix{}, plan.Router) },
		func() error { return s.lan.Route(plan.NodePods(number), address) },
		func() error { return s.router.Route(plan.NodePods(number), address) },
	}
	for _, other := range s.nodes {
		if other.number == number {
			continue
		}
		steps = append(steps,
			func() error { return namespace.Route(plan.NodePods(other.number), plan.NodeAddress(other.number)) },
			func() error { return other.namespace.Route(plan.NodePods(number), address) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return namespace, nil
}

// forget removes what a node that was switched off has left.
func (s *supervisor) forget(node *machine) error {
	delete(s.nodes, node.number)
	if err := s.lan.Unplug(plan.NodeName(node.number)); err != nil {
		return err
	}
	return node.namespace.Delete()
}

// KillNode switches a node off at once, as a power cut does. What it had on disk stays.
func (s *supervisor) KillNode(number int) error {
	return s.node(number, func(node *machine) error {
		// The cable first: the kernel ends the connections of processes that end, and a node without power says no goodbye.
		err := s.lan.Down(plan.NodeName(number))
		node.process.Stop(syscall.SIGKILL, 5*time.Second)
		return err
	})
}

// CutNode pulls a node's cable: everything on it goes on running.
func (s *supervisor) CutNode(number int) error {
	return s.node(number, func(*machine) error { return s.lan.Down(plan.NodeName(number)) })
}

// JoinNode puts the cable back.
func (s *supervisor) JoinNode(number int) error {
	return s.node(number, func(*machine) error { return s.lan.Up(plan.NodeName(number)) })
}

func (s *supervisor) node(number int, do func(*machine) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	node, ok := s.nodes[number]
	if !ok {
		return fmt.Errorf("there is no node %s", plan.NodeName(number))
	}
	return do(node)
}
