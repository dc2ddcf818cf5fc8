package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// testName is the cluster's that these tests bring up, beside any other.
const testName = "flowfleet-test"

// rig is a cluster under test, driven by its command as a person drives it.
type rig struct {
	t      *testing.T
	binary string
}

func newRig(t *testing.T) rig {
	t.Helper()
	if os.Getenv("FLOWFLEET_TEST_CLUSTER") == "" {
		t.Skip("brings up a whole cluster, as root: run \"make test-cluster\"")
	}
	if os.Geteuid() != 0 {
		t.Fatal("a cluster needs root")
	}
	r := rig{t, filepath.Join(t.TempDir(), "cluster")}
	if out, err := exec.Command("go", "build", "-o", r.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { r.run("down") })
	return r
}

// run runs the command, and fails the test when it fails.
func (r rig) run(arguments ...string) string {
	r.t.Helper()
	out, err := r.command(context.Background(), arguments...).Output()
	if err != nil {
		r.t.Fatalf("cluster %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

func (r rig) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, r.binary, append([]string{"--name", testName}, arguments...)...)
	command.Stderr = os.Stderr
	return command
}

func (r rig) kubectl(arguments ...string) string {
	r.t.Helper()
	return r.run(append([]string{"kubectl"}, arguments...)...)
}

// eventually tries for a minute.
func (r rig) eventually(what string, try func() string) {
	r.t.Helper()
	problem := "?"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if problem = try(); problem == "" {
			return
		}
	}
	r.t.Errorf("%s: %s", what, problem)
	r.t.Logf("%s\n%s", r.run("status"), r.kubectl("get", "pods,services", "-A", "-o", "wide"))
	r.t.FailNow()
}

// sinks returns what each sink has received, by node: the number of datagrams by source address.
func (r rig) sinks() map[string]map[string]int {
	r.t.Helper()
	counts := map[string]map[string]int{}
	for line := range strings.Lines(r.kubectl("get", "pods", "-l", "app=sink", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}`)) {
		name, node, _ := strings.Cut(strings.TrimSpace(line), " ")
		var received map[string]int
		out := r.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/"+name+":8080/proxy/")
		if err := json.Unmarshal([]byte(out), &received); err != nil {
			r.t.Fatal(err)
		}
		counts[node] = received
	}
	return counts
}

// send sends one datagram from each of 30 addresses behind the router.
func (r rig) send(target string) {
	r.t.Helper()
	r.run("exec", "exporter", "--", r.build("../flowgen"), "send", "--target", target, "--source", "10.78.128.1",
		"--protocols", "v5", "--exporters", "30", "--datagrams", "30", "--rate", "100")
}

// build builds a static program.
func (r rig) build(pkg string) string {
	r.t.Helper()
	program := filepath.Join(r.t.TempDir(), filepath.Base(pkg))
	command := exec.Command("go", "build", "-o", program, pkg)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func TestClusterCarriesTrafficAndLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.run("down") // of a run that was killed
	before := traces(t)
	r.run("up", "--nodes", "3")
	t.Run("status names each part", func(t *testing.T) {
		status := r.run("status")
		for _, part := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "router", "n1", "n2", "n3"} {
			if !strings.Contains(status, "\n"+part+" ") {
				t.Errorf("no %s in\n%s", part, status)
			}
		}
		if strings.Contains(status, " off ") {
			t.Errorf("something does not run:\n%s", status)
		}
	})

	r.run("load-image", "--tag", "flowfleet.io/sink:1", "--file", "/sink="+r.build("./testdata/sink"), "--entrypoint", "/sink")
	r.kubectl("apply", "-f", "testdata/sink.yaml")
	r.eventually("a sink on each node", func() string {
		if ready := r.kubectl("get", "daemonset", "sink", "-o", "jsonpath={.status.numberReady}"); ready != "3" {
			return ready + " are ready"
		}
		return ""
	})
	address := map[string]string{}
	for _, mode := range []string{"bgp", "l2"} {
		r.eventually("an address for "+mode, func() string {
			address[mode] = r.kubectl("get", "service", "sink-"+mode, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
			if address[mode] == "" {
				return "none yet"
			}
			return ""
		})
	}
	r.routes(address["bgp"], 3)

	t.Run("BGP spreads flows over all nodes and keeps their addresses", func(t *testing.T) {
		r.send(address["bgp"])
		r.eventually("30 datagrams", func() string { return missing(r.sinks(), 30) })
		for node, received := range r.sinks() {
			if len(received) == 0 {
				t.Errorf("%s got nothing", node)
			}
			for source := range received {
				if !plan.MoreExporters.Contains(netip.MustParseAddr(source)) {
					t.Errorf("%s saw %s, which is no exporter's address", node, source)
				}
			}
		}
	})
	t.Run("L2 brings all to one node and keeps their addresses", func(t *testing.T) {
		before := r.sinks()
		r.send(address["l2"])
		r.eventually("30 datagrams more", func() string { return missing(r.sinks(), 60) })
		nodes := 0
		for node, received := range r.sinks() {
			if total(received) != total(before[node]) {
				nodes++
			}
		}
		if nodes != 1 {
			t.Errorf("%d nodes got some", nodes)
		}
	})
	t.Run("a cable that is pulled takes its node out of the route", func(*testing.T) {
		r.run("node", "cut", "n1")
		r.routes(address["bgp"], 2)
		r.run("node", "join", "n1")
		r.routes(address["bgp"], 3)
	})
	t.Run("a node that is added takes part", func(*testing.T) {
		r.run("node", "start", "n4")
		r.routes(address["bgp"], 4)
	})
	t.Run("a node that is switched off leaves, and comes back", func(*testing.T) {
		r.run("node", "kill", "n2")
		r.routes(address["bgp"], 3)
		r.run("node", "start", "n2")
		r.routes(address["bgp"], 4)
	})
	t.Run("programs run in the network of a node", func(t *testing.T) {
		out := r.run("exec", "n1", "--", "cat", "/proc/net/dev")
		if !strings.Contains(out, "eth0") {
			t.Errorf("n1 has no eth0:\n%s", out)
		}
	})

	r.run("down")
	if diff := cmp.Diff(before, traces(t)); diff != "" {
		t.Errorf("left behind (+) or taken away (-):\n%s", diff)
	}
}

// routes waits until the router has so many next hops for the address.
func (r rig) routes(address string, number int) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d next hops for %s", number, address), func() string {
		out := r.run("exec", "router", "--", "ip", "route", "show", address)
		if hops := strings.Count(out, "via "); hops != number {
			return out
		}
		return ""
	})
}

func total(received map[string]int) (n int) {
	for _, datagrams := range received {
		n += datagrams
	}
	return n
}

func missing(sinks map[string]map[string]int, want int) string {
	got := 0
	for _, received := range sinks {
		got += total(received)
	}
	if got != want {
		return fmt.Sprintf("%d of %d arrived: %v", got, want, sinks)
	}
	return ""
}

func TestInterruptedClusterLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.run("down")
	before := traces(t)
	for _, after := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 12 * time.Second} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		command := r.command(ctx, "up", "--nodes", "2")
		command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
		if err := command.Run(); err == nil {
			t.Errorf("it was up within %s", after)
			r.run("down")
		}
		cancel()
		if diff := cmp.Diff(before, traces(t)); diff != "" {
			t.Errorf("interrupted after %s: left behind (+) or taken away (-):\n%s", after, diff)
		}
	}
}

// traces returns what a cluster could leave on the machine. Other things that run here must not be in it.
func traces(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, path := range []string{"/run/netns", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/etc/cni",
		"/opt/containerd", "/usr/libexec/kubernetes", "/run/containerd", "/var/run/kubernetes"} {
		entries, err := os.ReadDir(path)
		found[path] = fmt.Sprint(len(entries), err != nil)
	}
	for _, setting := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"} {
		content, err := os.ReadFile(filepath.Join("/proc/sys", setting))
		if err != nil {
			t.Fatal(err)
		}
		found[setting] = string(content)
	}
	groups, err := cgroup.Paths("flowfleet-cluster-" + testName)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups {
		_, err := os.Stat(group)
		found[group] = fmt.Sprint(err == nil)
	}
	folder, err := directory(testName)
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(folder)
	found[folder] = fmt.Sprint(err == nil)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	found["mounts"] = fmt.Sprint(strings.Count(string(mounts), "\n"))
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		found["interface "+link.Name()] = ""
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		if content, err := os.ReadFile(process); err == nil && strings.Contains(string(content), folder) {
			found["process "+strings.ReplaceAll(string(content), "\x00", " ")] = process
		}
	}
	return found
}
