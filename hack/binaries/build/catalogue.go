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
}
