package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// Paths inside a node.
const (
	containerdSocket = "/run/containerd/containerd.sock"
	containerdConfig = "/run/node/containerd.toml"
	kubeletConfig    = "/run/node/kubelet.yaml"
	proxyConfig      = "/run/node/kube-proxy.yaml"
	cniFolder        = "/run/node/cni"
)

// PauseImage is the image of a pod's first container.
const PauseImage = "flowfleet.io/pause:1"

// configure writes the configurations of what runs on the node. They are in memory, and made anew at each start.
func (n node) configure() error {
	snapshotter, err := snapshotter("/var/lib/containerd")
	if err != nil {
		return err
	}
	values := map[string]any{
		"Name": n.name, "Binaries": n.plan.Binaries, "PKI": n.plan.Path("pki"), "Pause": PauseImage, "Snapshotter": snapshotter,
		"CNI": cniFolder, "Socket": containerdSocket, "Pods": plan.Pods, "NodePods": plan.NodePods(n.number), "DNS": plan.DNS,
		"ProxyMode": n.plan.ProxyMode, "ProxyKubeconfig": n.plan.Kubeconfig("kube-proxy"),
	}
	for path, text := range map[string]string{
		containerdConfig: containerdTemplate,
		kubeletConfig:    kubeletTemplate,
		proxyConfig:      proxyTemplate,
		filepath.Join(cniFolder, "10-pods.conflist"): cniTemplate,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var out bytes.Buffer
		if err := template.Must(template.New(path).Option("missingkey=error").Parse(text)).Execute(&out, values); err != nil {
			return err
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// snapshotter is overlayfs, but for folders that are on an overlay themselves, as in a container.
func snapshotter(folder string) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return "", fmt.Errorf("file system of %s: %w", folder, err)
	}
	if stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native", nil
	}
	return "overlayfs", nil
}

// restrict_oom_score_adj: a machine may not let even root lower that score.
const containerdTemplate = `version = 3
disabled_plugins = ['io.containerd.internal.v1.opt'] # it would make a folder below /opt
[plugins.'io.containerd.cri.v1.images']
  snapshotter = '{{.Snapshotter}}'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{{.Pause}}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '{{.Binaries}}/runc'
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{{.Binaries}}']
    conf_dir = '{{.CNI}}'
`

const kubeletTemplate = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "{{.PKI}}/ca.crt"}
authorization: {mode: Webhook}
tlsCertFile: "{{.PKI}}/{{.Name}}.crt"
tlsPrivateKeyFile: "{{.PKI}}/{{.Name}}.key"
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: "unix://{{.Socket}}"
clusterDNS: ["{{.DNS}}"]
clusterDomain: cluster.local
resolvConf: ""
volumePluginDir: /run/node/volume-plugins
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
imageMaximumGCAge: 0s
evictionHard: {memory.available: 100Mi, nodefs.available: "1%", imagefs.available: "1%"}
`

// conntrack: the machine's limits are not a node's to change.
const proxyTemplate = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: "{{.ProxyMode}}"
clusterCIDR: "{{.Pods}}"
hostnameOverride: "{{.Name}}"
clientConnection: {kubeconfig: "{{.ProxyKubeconfig}}"}
conntrack: {maxPerCore: 0, min: 0}
metricsBindAddress: 127.0.0.1:10249
`

const cniTemplate = `{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "{{.NodePods}}"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
`
