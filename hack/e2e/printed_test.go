package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// A trouble is something that goes wrong with a fleet, and what kubectl prints of it.
type trouble struct {
	// name of the FlowCollector, and title of its part of the page.
	name, title string
	// what was done, in a sentence.
	done string
	// needs is a manifest that is applied before.
	needs string
	// spec is a merge patch of troubled, applied with it; later is one that is applied once the fleet is Ready.
	spec, later string
	// cause does what no spec does, once the fleet is Ready, and returns what undoes it.
	cause func(t *testing.T, f rig.Fleet) (undo func())
	// kind of the condition that tells of it, its status, and its reason with the beginning of its message.
	kind, status, says string
}

// troubled is the fleet that they happen to.
const troubled = `{"apiVersion": "flowfleet.io/v1alpha1", "kind": "FlowCollector", "metadata": {"name": %q, "namespace": "lab"}, "spec": {
  "nats": {"urls": ["nats://nats.nats:4222"]},
  "templateStore": {"replicas": 3, "maxBytes": "16Mi"}, "output": {"stream": {"replicas": 3, "maxBytes": "64Mi"}}}}`

var troubles = []trouble{
	{
		name: "image", title: "An image that is not there",
		done:  "`collector.image` of a running fleet has a typo. The old collectors go on; nothing is lost.",
		later: `{"spec": {"collector": {"image": "registry.invalid/flowfleet:typo", "progressDeadline": "1m"}}}`,
		kind:  "Degraded", status: "True", says: "ProgressDeadlineExceeded",
	}, {
		name: "address", title: "No address",
		done: "`service.loadBalancerClass` names a class that no load balancer serves.",
		spec: `{"spec": {"service": {"loadBalancerClass": "example.com/nobody"}}}`,
		kind: "ServiceReady", status: "False", says: "AddressPending",
	}, {
		name: "toleration", title: "Kubernetes refuses the spec",
		done: "`collector.tolerations` has an operator that Kubernetes does not know.",
		spec: `{"spec": {"collector": {"tolerations": [{"key": "edge", "operator": "Sometimes"}]}}}`,
		kind: "ConfigurationValid", status: "False", says: "Refused",
	}, {
		name: "subjects", title: "Collectors would refuse the spec",
		done: "`output.stream.subjects` leaves out the subject that the fleet publishes on.",
		spec: `{"spec": {"output": {"stream": {"subjects": ["other.>"]}}}}`,
		kind: "ConfigurationValid", status: "False", says: "InvalidConfiguration",
	}, {
		name: "urls", title: "A change that would cut off a running fleet",
		done:  "`nats.urls` of a running fleet has a typo. The operator tries it first, and leaves the collectors as they are.",
		later: `{"spec": {"nats": {"urls": ["nats://nast.nats:4222"]}}}`,
		kind:  "ConfigurationValid", status: "False", says: "RolloutHeld",
	}, {
		name: "one-bucket", title: "Two fleets, one bucket",
		done: "`templateStore.bucket` names the bucket of another fleet.",
		spec: `{"spec": {"templateStore": {"bucket": "flowfleet-flows-edge"}}}`,
		kind: "TemplateStoreReady", status: "False", says: "Bucket",
	}, {
		name: "unseen", title: "The operator does not reach the collectors",
		done:  "A packet filter keeps the operator from the port `collector.metricsPort`, as a network policy would.",
		cause: keepOperatorAway,
		kind:  "NothingLost", status: "Unknown", says: "CollectorsUnreachable",
	}, {
		name: "buffers", title: "Receive buffers are smaller than asked for",
		done: "`listeners[].receiveBuffer` asks for more than the nodes' `net.core.rmem_max`.",
		spec: `{"spec": {"listeners": [{"name": "netflow", "port": 2055, "receiveBuffer": "1Gi"}]}}`,
		kind: "ReceiveBuffersGranted", status: "False", says: "BuffersSmaller",
	}, {
		name: "spool", title: "A spool that cannot be written",
		done: "`output.buffer.spool.hostPath` is a folder of the nodes to which the collectors' user may not write.",
		spec: `{"spec": {"output": {"buffer": {"spool": {"maxBytes": "64Mi", "hostPath": {"path": "/sys/kernel"}}}}}}`,
		kind: "Degraded", status: "True", says: "SpoolUnusable",
	}, {
		name: "rights", title: "The operator lacks a right",
		done:  "The right to patch DaemonSets was taken from the operator; then `collector.labels` were changed.",
		cause: withoutPatch,
		kind:  "Progressing", status: "True", says: "OperatorForbidden",
	}, {
		name: "drops", title: "The kernel drops datagrams",
		done:  "`listeners[].receiveBuffer` is 64Ki, and an exporter sends 60,000 datagrams a second.",
		spec:  `{"spec": {"listeners": [{"name": "netflow", "port": 2055, "receiveBuffer": "64Ki"}]}}`,
		cause: sends("--exporters", "1", "--protocols", "v5", "--rate", "60000", "--duration", "10s"),
		kind:  "NothingLost", status: "False", says: "KernelDrops",
	}, {
		name: "publish", title: "The user of NATS may not publish flows",
		done:  "`nats.user` is one that the server lets do everything but publish on `flows.>`. It shows when the first flows come.",
		needs: strictNATS,
		spec: `{"spec": {"nats": {"urls": ["nats://strict:4222"], "user": {"name": "flows", "password": {"name": "strict", "key": "password"}}},
  "templateStore": {"replicas": 1}, "output": {"stream": {"replicas": 1}}}}`,
		cause: sends("--exporters", "12", "--rate", "200", "--duration", "10s"),
		kind:  "StreamReady", status: "False", says: "CollectorsCutOff",
	}, {
		// The last: what NATS held is gone with its pods.
		name: "nats", title: "NATS is away",
		done: "The StatefulSet of NATS was scaled to 0. Collectors go on, and keep flows in memory.",
		cause: func(t *testing.T, _ rig.Fleet) func() {
			scaleNATS(t, "0")
			return func() {
				scaleNATS(t, "3")
				must(t, cluster.NATSReady(context.WithoutCancel(t.Context())))
			}
		},
		kind: "StreamReady", status: "False", says: "NATSUnreachable",
	},
}

// What a user sees of each trouble is what the page docs/kubectl-output.md shows: "make kubectl-output" writes it anew.
func TestKubectlTellsEachTrouble(t *testing.T) {
	file := os.Getenv("FLOWFLEET_PRINT_TO")
	if file == "" {
		t.Skip(`provokes each kind of trouble, and writes docs/kubectl-output.md: run "make kubectl-output"`)
	}
	ownNodes(t)
	must(t, cluster.Apply(t.Context(), `apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {pod-security.kubernetes.io/enforce: privileged}}
`))
	defer func() {
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "namespace", "lab", "--timeout=3m")
		must(t, err)
	}()
	end := begin(t, "--exporters", "12", "--rate", "200", "--duration", "10s")
	complete(t, end())
	// A collector that was asked in its first second leaves this unknown until it is asked again, which is no picture of health.
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "wait", "--for=condition=ReceiveBuffersGranted", "flowcollector/"+fleet.Name,
		"--timeout=2m")
	must(t, err)
	var page strings.Builder
	page.WriteString(printedIntroduction)
	show(t, &page, "kubectl get fcol -A -o wide")
	show(t, &page, "kubectl describe fcol -n flows edge")
	showExporter(t, &page)
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) { trouble.happens(t, &page) })
	}
	if !t.Failed() {
		must(t, os.WriteFile(file, []byte(page.String()), 0o644))
	}
}

const printedIntroduction = `# What kubectl prints

What the commands print on a cluster of three nodes with MetalLB and three NATS servers: of a fleet that is well, and of each kind of
trouble. "make kubectl-output" provokes them, and writes this page. Of a fleet in trouble, conditions that are as they should be are left
out here. [Conditions](conditions.md) says what to do about each reason.

## Healthy

`

// happens provokes it, waits until it is told, and prints what is told.
func (w trouble) happens(t *testing.T, page *strings.Builder) {
	f := rig.Fleet{Namespace: "lab", Name: w.name, Server: fleet.Server}
	if w.needs != "" {
		must(t, cluster.Apply(t.Context(), w.needs))
		_, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "wait", "--for=condition=Ready", "pod", "-l", "needed=yes", "--timeout=1m")
		must(t, err)
	}
	spec := cmp.Or(w.spec, "{}")
	_, err := cluster.Shell(t.Context(), fmt.Sprintf("echo '%s' | kubectl patch --local -f - --type=merge -p '%s' -o json | kubectl apply -f -",
		fmt.Sprintf(troubled, w.name), spec))
	must(t, err)
	undo := func() {}
	defer func() {
		undo()
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", f.Namespace, "delete", "flowcollector", f.Name, "--timeout=5m")
		must(t, err)
	}()
	if w.later != "" || w.cause != nil {
		must(t, cluster.Ready(t.Context(), f))
	}
	if w.cause != nil {
		undo = w.cause(t, f)
	}
	if w.later != "" {
		patchOf(t, f, w.later)
	}
	conditionOf(t, f, 3*time.Minute, w.kind, w.status, w.says)
	time.Sleep(5 * time.Second) // what follows from it is judged, too
	fmt.Fprintf(page, "\n## %s\n%s\n\n", w.title, w.done)
	show(t, page, "kubectl get fcol -n lab "+f.Name)
	tellConditions(t, page, f)
}

// show prints a command and what it prints.
func show(t *testing.T, page *strings.Builder, command string) {
	t.Helper()
	out, err := cluster.Shell(t.Context(), command)
	must(t, err)
	fmt.Fprintf(page, "    $ %s\n%s", command, indent(out))
}

// asWanted is the status of each condition of a fleet that is well; no traffic is well, too.
var asWanted = map[string]string{"Progressing": "False", "Degraded": "False", "LoadDistributed": "Unknown", "SourceIPPreserved": "Unknown"}

// tellConditions prints those conditions of a fleet that are not as they should be, as kubectl describe has them.
func tellConditions(t *testing.T, page *strings.Builder, f rig.Fleet) {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "flowcollector", f.Name, "-o", "jsonpath={.status.conditions}")
	must(t, err)
	var conditions []metav1.Condition
	must(t, json.Unmarshal([]byte(out), &conditions))
	fmt.Fprintf(page, "    $ kubectl describe fcol -n %s %s\n    ...\n      Conditions:\n", f.Namespace, f.Name)
	for _, c := range conditions {
		if wanted := cmp.Or(asWanted[c.Type], "True"); string(c.Status) == wanted || c.Status == "True" && wanted == "Unknown" {
			continue
		}
		fmt.Fprintf(page, "        Message:  %s\n        Reason:   %s\n        Status:   %s\n        Type:     %s\n", c.Message, c.Reason, c.Status, c.Type)
	}
}

// indent as Markdown does what was printed.
func indent(text string) (indented string) {
	for line := range strings.Lines(text) {
		indented += "    " + strings.TrimRight(line, " \n") + "\n"
	}
	return indented
}

// strictNATS is a server with a user that may do everything but publish flows.
const strictNATS = `apiVersion: v1
kind: Secret
metadata: {name: strict, namespace: lab}
stringData:
  password: flows
  nats.conf: |
    jetstream { store_dir: /data }
    authorization { users: [{user: flows, password: flows, permissions: {publish: {deny: ["flows.>"]}}}] }
---
apiVersion: v1
kind: Service
metadata: {name: strict, namespace: lab}
spec: {selector: {needed: "yes"}, ports: [{name: client, port: 4222}]}
---
apiVersion: v1
kind: Pod
metadata: {name: strict, namespace: lab, labels: {needed: "yes"}}
spec:
  securityContext: {runAsNonRoot: true, fsGroup: 65532}
  containers:
  - name: nats
    image: flowfleet.io/nats-server:e2e
    args: ["--config", "/etc/nats/nats.conf"]
    readinessProbe: {tcpSocket: {port: 4222}, periodSeconds: 2}
    volumeMounts: [{name: config, mountPath: /etc/nats, readOnly: true}, {name: data, mountPath: /data}]
  volumes: [{name: config, secret: {secretName: strict}}, {name: data, emptyDir: {}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: flowfleet-secret-reader, namespace: lab}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flowfleet-secret-reader}
subjects: [{kind: ServiceAccount, name: flowfleet-manager, namespace: flowfleet-system}]
`

// sends has exporters send to the fleet, as flowgen's arguments say.
func sends(arguments ...string) func(t *testing.T, f rig.Fleet) (undo func()) {
	return func(t *testing.T, f rig.Fleet) func() {
		t.Helper()
		var err error
		f.Address, err = cluster.Address(t.Context(), f)
		must(t, err)
		must(t, cluster.NextHops(t.Context(), f, 3))
		must(t, cluster.Send(t.Context(), f, arguments...))
		return func() {}
	}
}

func scaleNATS(t *testing.T, servers string) {
	t.Helper()
	_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", rig.NATSNamespace, "scale", "statefulset/nats", "--replicas="+servers)
	must(t, err)
}

// keepOperatorAway has each node drop what the operator sends to collectors.
func keepOperatorAway(t *testing.T, _ rig.Fleet) (undo func()) {
	t.Helper()
	operator, err := cluster.Kubectl(t.Context(), "--namespace", rig.OperatorNamespace, "get", "pods", "-l", "app.kubernetes.io/component=operator",
		"-o", "jsonpath={.items[0].spec.nodeName} {.items[0].status.podIP}")
	must(t, err)
	node, address, _ := strings.Cut(operator, " ")
	filter := cluster.Exec(t.Context(), node, "nft", "-f", "-")
	filter.Stdin = strings.NewReader(fmt.Sprintf(`table ip trouble {
  chain away { type filter hook prerouting priority -300; ip saddr %s tcp dport 8080 drop; }
}`, address))
	must(t, filter.Run())
	return func() {
		must(t, cluster.Exec(context.WithoutCancel(t.Context()), node, "nft", "delete", "table", "ip", "trouble").Run())
	}
}

// operatorRole is the operator's ClusterRole.
const operatorRole = "flowfleet-manager"

// withoutPatch takes the right to patch DaemonSets from the operator.
func withoutPatch(t *testing.T, f rig.Fleet) (undo func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	whole, err := cluster.Kubectl(ctx, "get", "clusterrole", operatorRole, "-o", "json")
	must(t, err)
	var role rbacv1.ClusterRole
	must(t, json.Unmarshal([]byte(whole), &role))
	for i, rule := range role.Rules {
		if slices.Contains(rule.Resources, "daemonsets") {
			role.Rules[i].Verbs = slices.DeleteFunc(rule.Verbs, func(verb string) bool { return verb == "patch" })
		}
	}
	rules, err := json.Marshal(role.Rules)
	must(t, err)
	replace := func(rules string) {
		_, err := cluster.Kubectl(ctx, "patch", "clusterrole", operatorRole, "--type=merge", "-p", `{"rules": `+rules+`}`)
		must(t, err)
	}
	var before struct{ Rules json.RawMessage }
	must(t, json.Unmarshal([]byte(whole), &before))
	replace(string(rules))
	patchOf(t, f, `{"spec": {"collector": {"labels": {"team": "network"}}}}`)
	return func() { replace(string(before.Rules)) }
}
