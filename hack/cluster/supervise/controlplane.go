package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// startControlPlane starts etcd, the Kubernetes control plane and the router. They wait for each other by themselves.
func (s *supervisor) startControlPlane() error {
	p := s.plan
	if err := os.WriteFile(p.Path("bird.conf"), []byte(birdConfiguration()), 0o644); err != nil {
		return err
	}
	pki := func(name string) string { return p.Path("pki", name) }
	controller := func(name string) []string { // what controllers have in common
		config := p.Kubeconfig(name)
		return []string{"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1", "--leader-elect=false"}
	}
	s.controlPlane = []*process.Process{
		{Name: "etcd", Path: p.Program("etcd"), Arguments: []string{
			"--data-dir=" + p.Path("etcd"), "--log-level=warn", "--unsafe-no-fsync", // a cluster for tests: nothing outlives it
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=default=http://127.0.0.1:2380"}},
		{Name: "kube-apiserver", Path: p.Program("kube-apiserver"), Arguments: []string{
			"--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + plan.API.String(), "--secure-port=6443",
			"--service-cluster-ip-range=" + plan.Services.String(), "--allow-privileged",
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--client-ca-file=" + pki("ca.crt"), "--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"),
			"--kubelet-client-certificate=" + pki("admin.crt"), "--kubelet-client-key=" + pki("admin.key"),
			"--kubelet-preferred-address-types=InternalIP", // there is no DNS for names of nodes
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
			// Webhooks are called at their pods' addresses: no kube-proxy runs beside the API server.
			"--enable-aggregator-routing=true", "--profiling=false"}},
		{Name: "kube-controller-manager", Path: p.Program("kube-controller-manager"), Arguments: append(controller("controller-manager"),
			"--use-service-account-credentials", "--service-account-private-key-file="+pki("sa.key"), "--root-ca-file="+pki("ca.crt"),
			"--cluster-signing-cert-file="+pki("ca.crt"), "--cluster-signing-key-file="+pki("ca.key"),
			"--flex-volume-plugin-dir="+p.Path("flex-volumes"))}, // it would make a folder below /usr
		{Name: "kube-scheduler", Path: p.Program("kube-scheduler"), Arguments: controller("scheduler")},
		{Name: "router", Path: bird, Arguments: []string{"-f", "-c", p.Path("bird.conf"), "-s", p.Path("bird.sock"), "-P", p.Path("bird.pid")},
			Start: func(command *exec.Cmd) error { return s.router.Do(command.Start) }},
	}
	for _, component := range s.controlPlane {
		component.Log = p.Log(component.Name)
		if err := component.Keep(s.reaper); err != nil {
			return err
		}
	}
	return nil
}

// bird is where Debian installs it.
const bird = "/usr/sbin/bird"

// birdConfiguration takes routes to the balancer's addresses from any node, and spreads flows over all that announce one.
// The hold time is the shortest that MetalLB takes, times two: this is how long a node that went silent gets traffic still.
func birdConfiguration() string {
	return strings.TrimSpace(fmt.Sprintf(`
log stderr all;
router id %[1]s;
protocol device { scan time 1; }
protocol kernel {
	merge paths on;
	ipv4 { import none; export where source = RTS_BGP; };
}
protocol bgp node {
	local %[1]s as %[2]d;
	neighbor range %[3]s as %[4]d;
	dynamic name "node";
	hold time 6;
	connect retry time 2;
	error wait time 1, 2; # a node that comes back is heard at once
	ipv4 { import where net ~ [ %[5]s+ ]; export none; };
}
`, plan.Router, plan.RouterAS, plan.LAN, plan.NodeAS, plan.BGPPool)) + "\n"
}
