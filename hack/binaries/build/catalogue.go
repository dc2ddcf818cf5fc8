package build

import "strings"

// Program is one program and how it is built.
type Program struct {
	Name    string // the file's name
	Module  string // folder below hack/modules that pins it
	Package string // import path of its main package
	Tags    string // build tags, comma-separated
	LDFlags string // beside -s -w; {version} stands for the version of the package's module, {minor} for its second number
	CGO     bool   // needs a C compiler, and what the comment at its entry says
	Note    string // said before it is built: what makes it slow
}

// kubernetesVersion makes the programs report their version: built as a dependency they say v0.0.0 otherwise.
var kubernetesVersion = func() string {
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, value := range []string{"gitVersion={version}", "gitMajor=1", "gitMinor={minor}", "gitTreeState=clean",
			"buildDate=1970-01-01T00:00:00Z"} {
			flags = append(flags, "-X "+pkg+"."+value)
		}
	}
	return strings.Join(flags, " ")
}()

// helmVersion and helm3Version make helm report its version.
const (
	helmVersion  = "-X helm.sh/helm/v4/internal/version.version={version}"
	helm3Version = "-X helm.sh/helm/v3/internal/version.version={version}"
)

// Catalogue holds every program that can be asked for.
var Catalogue = []Program{
	{Name: "etcd", Module: "etcd", Package: "go.etcd.io/etcd/server/v3"},
	{Name: "kube-apiserver", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kube-apiserver", LDFlags: kubernetesVersion,
		Note: "8 to 15 minutes on 2 cores when nothing is cached"},
	{Name: "kube-controller-manager", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kube-controller-manager",
		LDFlags: kubernetesVersion, Note: "2 to 4 minutes on 2 cores, after the API server"},
	{Name: "kube-scheduler", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kube-scheduler", LDFlags: kubernetesVersion},
	{Name: "kubelet", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kubelet", LDFlags: kubernetesVersion,
		Note: "1 to 2 minutes on 2 cores, after the API server"},
	{Name: "kube-proxy", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kube-proxy", LDFlags: kubernetesVersion},
	{Name: "kubectl", Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/kubectl", LDFlags: kubernetesVersion},

	// What runs containers on a node.
	{Name: "containerd", Module: "containerd", Package: "github.com/containerd/containerd/v2/cmd/containerd",
		Tags: containerdTags, LDFlags: containerdVersion, Note: "1 to 2 minutes on 2 cores"},
	{Name: "containerd-shim-runc-v2", Module: "containerd",
		Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", Tags: containerdTags, LDFlags: containerdVersion},
	{Name: "ctr", Module: "containerd", Package: "github.com/containerd/containerd/v2/cmd/ctr", Tags: containerdTags,
		LDFlags: containerdVersion},
	// Without seccomp every pod fails, and runc has it through a C library: gcc, pkg-config and libseccomp-dev are needed.
	{Name: "runc", Module: "runc", Package: "github.com/opencontainers/runc", Tags: "seccomp", CGO: true,
		LDFlags: "-X main.version={version}", Note: "needs the packages gcc, libc6-dev, pkg-config and libseccomp-dev"},
	{Name: "bridge", Module: "cni", Package: "github.com/containernetworking/plugins/plugins/main/bridge"},
	{Name: "loopback", Module: "cni", Package: "github.com/containernetworking/plugins/plugins/main/loopback"},
	{Name: "host-local", Module: "cni", Package: "github.com/containernetworking/plugins/plugins/ipam/host-local"},

	// What runs in the cluster, as images.
	{Name: "coredns", Module: "coredns", Package: "github.com/flowfleet/flowfleet/hack/modules/coredns",
		Note: "about a minute on 2 cores"},
	{Name: "metallb-controller", Module: "metallb", Package: "go.universe.tf/metallb/controller",
		Note: "1 to 3 minutes on 2 cores"},
	{Name: "metallb-speaker", Module: "metallb", Package: "go.universe.tf/metallb/speaker"},
	{Name: "nats-server", Module: "nats-server", Package: "github.com/nats-io/nats-server/v2"},

	// What installs the operator.
	{Name: "helm", Module: "helm", Package: "helm.sh/helm/v4/cmd/helm", LDFlags: helmVersion, Note: "1 to 2 minutes on 2 cores"},
	{Name: "helm3", Module: "helm3", Package: "helm.sh/helm/v3/cmd/helm", LDFlags: helm3Version, Note: "1 to 4 minutes on 2 cores"},
	{Name: "helm-docs", Module: "helm-docs", Package: "github.com/norwoodj/helm-docs/cmd/helm-docs"},
	{Name: "kustomize", Module: "kustomize", Package: "sigs.k8s.io/kustomize/kustomize/v5"},

	// What tries the alerts, without the ways of finding targets that they do not need.
	{Name: "promtool", Module: "prometheus", Package: "github.com/prometheus/prometheus/cmd/promtool", Tags: "remove_all_sd",
		Note: "2 to 4 minutes on 2 cores"},

	// What lists what the programs are made of.
	{Name: "cyclonedx-gomod", Module: "cyclonedx", Package: "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod"},
}

const (
	containerdTags    = "no_btrfs,no_zfs,no_devmapper,no_aufs"
	containerdVersion = "-X github.com/containerd/containerd/v2/version.Version={version}"
)
