// Package addon holds what runs in a cluster from its beginning: cluster DNS, and the balancer of LoadBalancer Services.
package addon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"text/template"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// Images of the addons.
const (
	CoreDNSImage    = "flowfleet.io/coredns:1"
	ControllerImage = "flowfleet.io/metallb-controller:1"
	SpeakerImage    = "flowfleet.io/metallb-speaker:1"
)

// MetalLB returns MetalLB's own manifest, from the module that hack/modules/metallb pins, with the images built here.
func MetalLB(ctx context.Context, modules string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", "go.universe.tf/metallb")
	command.Dir = filepath.Join(modules, "metallb")
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("getting the module of MetalLB: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, fmt.Errorf("getting the module of MetalLB: %w", err)
	}
	path := filepath.Join(module.Dir, "config", "manifests", "metallb-native.yaml")
	manifest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for pattern, replacement := range map[string]string{
		`image: \S*metallb/controller:\S+`: "image: " + ControllerImage,
		`image: \S*metallb/speaker:\S+`:    "image: " + SpeakerImage,
		// Numbers of autonomous systems have 32 bits without a sign; Kubernetes now checks formats.
		`format: int32(\s+maximum: 4294967295)`: "format: int64$1",
	} {
		expression := regexp.MustCompile(pattern)
		if !expression.Match(manifest) {
			return nil, fmt.Errorf("%s has no %s", path, pattern)
		}
		manifest = expression.ReplaceAll(manifest, []byte(replacement))
	}
	return manifest, nil
}

// Pools returns what MetalLB announces, and how. Services get an address of the one pool or the other by default, or name
// theirs in the annotation metallb.io/address-pool: bgp or l2.
func Pools(balancer string) []byte {
	return execute(poolsTemplate, map[string]any{
		"BGP": plan.BGPPool, "L2": plan.L2Pool, "AutoBGP": balancer == "bgp", "AutoL2": balancer == "l2",
		"NodeAS": plan.NodeAS, "RouterAS": plan.RouterAS, "Router": plan.Router,
	})
}

// CoreDNS returns the cluster's DNS server. It knows the cluster's names, and no others.
func CoreDNS() []byte {
	return execute(coreDNSTemplate, map[string]any{"Image": CoreDNSImage, "Address": plan.DNS})
}

func execute(text string, values any) []byte {
	var out bytes.Buffer
	if err := template.Must(template.New("").Option("missingkey=error").Parse(text)).Execute(&out, values); err != nil {
		panic(err) // a template of ours with values of ours
	}
	return out.Bytes()
}

const poolsTemplate = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bgp, namespace: metallb-system}
spec:
  addresses: ["{{.BGP}}"]
  autoAssign: {{.AutoBGP}}
  avoidBuggyIPs: true
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: l2, namespace: metallb-system}
spec:
  addresses: ["{{.L2}}"]
  autoAssign: {{.AutoL2}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec:
  myASN: {{.NodeAS}}
  peerASN: {{.RouterAS}}
  peerAddress: "{{.Router}}"
  holdTime: 6s
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: bgp, namespace: metallb-system}
spec: {ipAddressPools: [bgp]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: metallb-system}
spec: {ipAddressPools: [l2]}
`

const coreDNSTemplate = `apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    .:1053 {
        errors
        health :8080
        ready :8181
        kubernetes cluster.local in-addr.arpa ip6.arpa {
            ttl 5
        }
        cache 5
        loadbalance
    }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 2
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: coredns
      priorityClassName: system-cluster-critical
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {k8s-app: kube-dns}}
      containers:
      - name: coredns
        image: {{.Image}}
        args: ["-conf", "/etc/coredns/Corefile"]
        ports:
        - {name: dns, containerPort: 1053, protocol: UDP}
        - {name: dns-tcp, containerPort: 1053, protocol: TCP}
        readinessProbe: {httpGet: {path: /ready, port: 8181}, periodSeconds: 1}
        livenessProbe: {httpGet: {path: /health, port: 8080}}
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 170Mi}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: config, mountPath: /etc/coredns, readOnly: true}]
      volumes: [{name: config, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: {{.Address}}
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, targetPort: dns, protocol: UDP}
  - {name: dns-tcp, port: 53, targetPort: dns-tcp, protocol: TCP}
`
