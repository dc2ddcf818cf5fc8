// Package plan says what a cluster is made of: its addresses, its files and its choices.
package plan

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Addresses exist only inside network namespaces that the cluster makes, so that clusters cannot collide with each other or
// with the machine's own networks.
var (
	// LAN joins the control plane, the nodes and the router.
	LAN = netip.MustParsePrefix("10.77.0.0/24")
	// API is where the control plane listens, in the LAN.
	API = netip.MustParseAddr("10.77.0.1")
	// Router is the router's address in the LAN.
	Router = netip.MustParseAddr("10.77.0.254")
	// Exporters is the network on the router's other side.
	Exporters = netip.MustParsePrefix("10.78.0.0/16")
	// ExportersRouter is the router's address in Exporters.
	ExportersRouter = netip.MustParseAddr("10.78.0.1")
	// Exporter is the first address of the exporters' namespace.
	Exporter = netip.MustParseAddr("10.78.0.10")
	// MoreExporters are addresses that any socket in the exporters' namespace may bind without more ado.
	MoreExporters = netip.MustParsePrefix("10.78.128.0/17")
	// BGPPool holds the addresses of Services that MetalLB announces by BGP.
	BGPPool = netip.MustParsePrefix("10.79.0.0/24")
	// L2Pool holds those that it announces by ARP in the LAN.
	L2Pool = "10.77.0.200-10.77.0.219"
	// Pods and Services are Kubernetes' own networks; a node has a /24 of Pods.
	Pods     = netip.MustParsePrefix("10.244.0.0/16")
	Services = netip.MustParsePrefix("10.96.0.0/16")
	// KubernetesService and DNS are Services with addresses that are known beforehand.
	KubernetesService = netip.MustParseAddr("10.96.0.1")
	DNS               = netip.MustParseAddr("10.96.0.10")
)

// Autonomous systems of BGP.
const (
	NodeAS   = 64512
	RouterAS = 64513
)

// MaxNodes is bounded by the LAN's addresses below those of L2Pool.
const MaxNodes = 150

// Plan is one cluster.
type Plan struct {
	Name      string   `json:"name"`
	Directory string   `json:"directory"` // everything that is the cluster's own; absolute
	Store     string   `json:"store"`     // folder of all cached binaries
	Binaries  string   `json:"binaries"`  // folder below Store with a link to each program
	Nodes     int      `json:"nodes"`     // at the start
	ProxyMode string   `json:"proxyMode"` // nftables or iptables
	Balancer  string   `json:"balancer"`  // bgp or l2: which pool gives addresses to Services that name none
	Cgroups   []string `json:"cgroups"`   // the cluster's folder in each cgroup hierarchy
}

// NodeName returns the name of node number, which counts from 1.
func NodeName(number int) string { return fmt.Sprintf("n%d", number) }

// NodeAddress returns a node's address in the LAN.
func NodeAddress(number int) netip.Addr { return offset(LAN, 10+number) }

// NodePods returns the network of a node's pods.
func NodePods(number int) netip.Prefix {
	address := Pods.Addr().As4()
	address[2] = byte(number)
	return netip.PrefixFrom(netip.AddrFrom4(address), 24)
}

func offset(prefix netip.Prefix, n int) netip.Addr {
	address := prefix.Addr().As4()
	address[3] += byte(n)
	return netip.AddrFrom4(address)
}

// Path returns the path of one of the cluster's files.
func (p Plan) Path(elements ...string) string {
	return filepath.Join(append([]string{p.Directory}, elements...)...)
}

// Program returns the path of a program.
func (p Plan) Program(name string) string { return filepath.Join(p.Binaries, name) }

// Log returns the path of a component's log.
func (p Plan) Log(component string) string { return p.Path("logs", component+".log") }

// Kubeconfig returns the path of a user's kubeconfig: admin is for this machine, the others for inside the cluster.
func (p Plan) Kubeconfig(user string) string { return p.Path("pki", user+".kubeconfig") }

// Socket returns the path of the supervisor's control socket.
func (p Plan) Socket() string { return p.Path("control.sock") }

// Write stores the plan in its directory.
func (p Plan) Write() error {
	content, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.Path("plan.json"), append(content, '\n'), 0o600)
}

// Read returns the plan that is stored in directory.
func Read(directory string) (Plan, error) {
	content, err := os.ReadFile(filepath.Join(directory, "plan.json"))
	if err != nil {
		return Plan{}, err
	}
	var plan Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", filepath.Join(directory, "plan.json"), err)
	}
	return plan, nil
}
