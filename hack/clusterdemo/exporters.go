package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// needsRoot says what somebody who is not root has to type instead of a target of make. sudo takes variables away: without KUBECONFIG the demo
// would run on another cluster than the one that was asked for.
func needsRoot(user int, target string) error {
	if user == 0 {
		return nil
	}
	command := "sudo make " + target
	for _, name := range []string{"KUBECONFIG", "IMAGE", "NATS_IMAGE", "CLUSTER"} {
		if value := os.Getenv(name); value != "" {
			if strings.ContainsFunc(value, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("'\"`$&|;<>()*?#\\", c) }) {
				value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
			}
			command += " " + name + "=" + value
		}
	}
	return fmt.Errorf("cluster and exporters need root: run \"%s\", or \"make demo-local\" for a demo without Kubernetes", command)
}

// prepare sees to it that the exporters are there.
func prepare(ctx context.Context) error {
	_, softflowd := exec.LookPath("softflowd")
	_, pmacctd := exec.LookPath("pmacctd")
	if softflowd == nil && pmacctd == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this is no Debian to install packages on: install softflowd and pmacct")
	}
	for _, arguments := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "softflowd", "pmacct"}} {
		command := exec.CommandContext(ctx, "apt-get", arguments...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %v: %w\n%s", arguments, err, out)
		}
	}
	return nil
}

// network is how the addresses begin that traffic.go plays: offices and servers in a network that is the demo's alone, and addresses
// that every machine has on its loopback interface elsewhere.
func network(cluster *rig.Rig) string {
	if cluster.OwnsNodes() {
		return "10.20"
	}
	return "127.20"
}

// agentAddress is the one that sFlow carries: where exporters have a network of their own, theirs, else this machine's on the way to a fleet.
func agentAddress(ownNodes bool, fleet string) (netip.Addr, error) {
	if ownNodes {
		return plan.Exporter, nil
	}
	socket, err := net.Dial("udp", net.JoinHostPort(fleet, "6343")) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = socket.Close() }()
	local, err := netip.ParseAddrPort(socket.LocalAddr().String())
	return local.Addr(), err
}

// startExporters starts exporters, and traffic for them, in the network behind the router. Flows time out quickly.
func startExporters(ctx context.Context, cluster *rig.Rig, fleet rig.Fleet) (stop func(), err error) {
	agent, err := agentAddress(cluster.OwnsNodes(), fleet.Address)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "flowfleet-exporters-")
	if err != nil {
		return nil, err
	}
	network := network(cluster)
	watched := "net " + network + ".0.0/16"
	pmacctd := filepath.Join(folder, "pmacctd.conf")
	if err := os.WriteFile(pmacctd, []byte(fmt.Sprintf(`daemonize: false
pcap_interface: lo
pcap_filter: %s
plugins: nfprobe[ipfix], sfprobe[sflow]
aggregate[ipfix]: src_host, dst_host, src_port, dst_port, proto, tos
nfprobe_receiver[ipfix]: %s:4739
nfprobe_version[ipfix]: 10
nfprobe_timeouts[ipfix]: tcp=2:tcp.rst=1:tcp.fin=1:udp=2:icmp=1:general=2:maxlife=2:expint=1
sfprobe_receiver[sflow]: %s:6343
sfprobe_agentip[sflow]: %s
sampling_rate[sflow]: 100
`, watched, fleet.Address, fleet.Address, agent)), 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	softflowd := func(version string) []string {
		return []string{"softflowd", "-d", "-i", "1:lo", "-v", version, "-n", fleet.Address + ":2055", "-t", "maxlife=2", "-t", "udp=2",
			"-t", "expint=1", "-c", filepath.Join(folder, version+".ctl"), "-p", filepath.Join(folder, version+".pid"), watched}
	}
	var commands []*exec.Cmd
	stop = sync.OnceFunc(func() {
		for _, command := range commands {
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
			timer := time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
			_ = command.Wait() // how it ends does not matter
			timer.Stop()
		}
		_ = os.RemoveAll(folder)
	})
	for _, arguments := range [][]string{{self, "-traffic", network}, softflowd("5"), softflowd("9"), {"pmacctd", "-f", pmacctd}} {
		command := cluster.Exec(ctx, "exporter", arguments...)
		// A group of its own: pmacctd's plugins are processes too.
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if err := command.Start(); err != nil {
			stop()
			return nil, fmt.Errorf("starting %s: %w", arguments[0], err)
		}
		commands = append(commands, command)
	}
	return stop, nil
}
