package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Fleet is a FlowCollector that was applied.
type Fleet struct {
	Namespace, Name string
	Address         string // of its Service
	Server          string // URL of NATS, as seen from the exporters' network
}

// String returns the fleet's namespace and name.
func (f Fleet) String() string { return f.Namespace + "/" + f.Name }

// Stream returns the name of the stream that its flows are on.
func (f Fleet) Stream() string { return config.FleetStream(f.Namespace, f.Name) }

// DaemonSet returns the name of its collectors' DaemonSet.
func (f Fleet) DaemonSet() string { return "daemonset/" + f.Name + "-collector" }

// namespaceManifest is one where nothing runs that does not meet the restricted Pod Security standard; workloads whose pods would not are
// warned of.
const namespaceManifest = `apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels:
    app.kubernetes.io/managed-by: flowfleet-rig
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
`

// Namespace makes a namespace where nothing runs that does not meet the restricted Pod Security standard.
func (r *Rig) Namespace(ctx context.Context, name string) error {
	return r.Apply(ctx, fmt.Sprintf(namespaceManifest, name))
}

// Fleet applies a FlowCollector with three replicas of everything, and what is given more of its spec, in a restricted namespace, and
// waits until it is Ready. The first lines may belong to its output, where they begin with two spaces.
func (r *Rig) Fleet(ctx context.Context, namespace, name string, more ...string) (Fleet, error) {
	f := Fleet{Namespace: namespace, Name: name}
	if err := r.Apply(ctx, fmt.Sprintf(namespaceManifest, namespace)+"---\n"+fleetManifest(f, r.Namespaces().NATS, more)); err != nil {
		return f, err
	}
	if err := r.Ready(ctx, f); err != nil {
		return f, err
	}
	var err error
	if f.Address, err = r.Address(ctx, f); err != nil {
		return f, err
	}
	server, err := r.address(ctx, r.Namespaces().NATS, "nats")
	f.Server = "nats://" + server + ":4222"
	return f, err
}

// fleetManifest is the FlowCollector of Fleet, with NATS in a namespace.
func fleetManifest(f Fleet, nats string, more []string) string {
	return fmt.Sprintf(`apiVersion: flowfleet.io/v1alpha1
kind: FlowCollector
metadata: {name: %s, namespace: %s}
spec:
  nats: {urls: ["nats://nats.%s:4222"]}
  templateStore: {replicas: 3}
  output:
    stream: {replicas: 3, maxBytes: 1Gi}
%s`, f.Name, f.Namespace, nats, indented(more))
}

func indented(lines []string) (text string) {
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	return text
}

// Address returns what exporters send to now: the load balancer's address of the fleet's Service.
func (r *Rig) Address(ctx context.Context, f Fleet) (string, error) {
	return r.address(ctx, f.Namespace, f.Name+"-collector")
}

func (r *Rig) address(ctx context.Context, namespace, service string) (string, error) {
	out, err := r.Kubectl(ctx, "--namespace", namespace, "get", "service", service, "-o",
		"jsonpath={.status.loadBalancer.ingress[0].ip} {.status.loadBalancer.ingress[0].hostname}")
	if err != nil {
		return "", err
	}
	given := strings.Fields(out) // some clouds give a name instead
	if len(given) == 0 {
		return "", fmt.Errorf("no load balancer has given an address to the Service %s/%s", namespace, service)
	}
	return given[0], nil
}

// Ready waits until the fleet is, and its collectors all have the present spec.
func (r *Rig) Ready(ctx context.Context, f Fleet) error {
	if _, err := r.Kubectl(ctx, "--namespace", f.Namespace, "wait", "--for=condition=Ready", "flowcollector/"+f.Name, "--timeout=5m"); err != nil {
		status, statusError := r.Kubectl(ctx, "--namespace", f.Namespace, "describe", "flowcollector", f.Name)
		return errors.Join(err, statusError, errors.New(status))
	}
	_, err := r.Kubectl(ctx, "--namespace", f.Namespace, "rollout", "status", f.DaemonSet(), "--timeout=3m")
	return err
}

// Condition returns a condition of the fleet: its status, and its reason with the message.
func (r *Rig) Condition(ctx context.Context, f Fleet, kind string) (status, why string, err error) {
	out, err := r.Kubectl(ctx, "--namespace", f.Namespace, "get", "flowcollector", f.Name, "-o",
		fmt.Sprintf(`jsonpath={range .status.conditions[?(@.type==%q)]}{.status} {.reason}: {.message}{end}`, kind))
	status, why, _ = strings.Cut(out, " ")
	return status, why, err
}

// Collectors returns the names of the fleet's pods by their nodes, without those that were told to end.
func (r *Rig) Collectors(ctx context.Context, f Fleet) (map[string]string, error) {
	out, err := r.Kubectl(ctx, "--namespace", f.Namespace, "get", "pods", "-l", "app.kubernetes.io/instance="+f.Name, "-o",
		`jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}`)
	if err != nil {
		return nil, err
	}
	pods := map[string]string{}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 2 {
			pods[fields[0]] = fields[1]
		}
	}
	return pods, nil
}

// CollectorReady waits until the fleet's collector on a node, started after a moment, is ready, and returns its name. Kubernetes
// takes the one of a node that was switched off for ready for most of a minute.
func (r *Rig) CollectorReady(ctx context.Context, f Fleet, node string, since time.Time) (pod string, err error) {
	err = Await(ctx, 2*time.Minute, func() error {
		pods, err := r.Collectors(ctx, f)
		if err != nil {
			return err
		}
		pod = pods[node]
		if pod == "" {
			return fmt.Errorf("no collector on %s", node)
		}
		status, err := r.Kubectl(ctx, "--namespace", f.Namespace, "get", "pod", pod, "-o",
			"jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].state.running.startedAt}")
		if err != nil {
			return err
		}
		ready, started, _ := strings.Cut(status, " ")
		if at, err := time.Parse(time.RFC3339, started); ready != "true" || err != nil || at.Before(since.Truncate(time.Second)) {
			return fmt.Errorf("%s on %s is not ready: %s", pod, node, status)
		}
		return nil
	})
	return pod, err
}

// Reachable waits until all that exporters send arrives. An address is given before it is announced, and announced up to a second
// before kube-proxy has the rules for it: it writes them once a second.
func (r *Rig) Reachable(ctx context.Context, f Fleet) error {
	return Await(ctx, time.Minute, func() error {
		report, err := r.Traffic(ctx, f, "--exporters", "30", "--rate", "100", "--duration", "1s", "--protocols", "v5", "--quiet", "3s")
		if err == nil && !report.Good() {
			err = fmt.Errorf("%d of %d datagrams to %s do not arrive", report.LostDatagrams, report.Datagrams, f.Address)
		}
		return err
	})
}

// Diagnose returns what a person wants to see after a failure.
func (r *Rig) Diagnose(ctx context.Context, f Fleet) string {
	var all strings.Builder
	for _, arguments := range [][]string{
		{"get", "nodes,pods,services", "-A", "-o", "wide"},
		{"--namespace", f.Namespace, "describe", "flowcollector", f.Name},
		{"--namespace", f.Namespace, "get", "events", "--sort-by=.lastTimestamp"},
		{"--namespace", r.Namespaces().Operator, "logs", Operator, "--tail=50"},
		{"--namespace", f.Namespace, "logs", "--selector=app.kubernetes.io/instance=" + f.Name, "--tail=50", "--prefix"},
		{"--namespace", r.Namespaces().NATS, "logs", "--selector=app=nats", "--tail=30", "--prefix"},
	} {
		r.diagnose(ctx, &all, arguments...)
	}
	pods, err := r.Collectors(ctx, f)
	if err != nil {
		fmt.Fprintln(&all, err)
	}
	for _, node := range slices.Sorted(maps.Keys(pods)) {
		r.diagnose(ctx, &all, "--namespace", f.Namespace, "exec", pods[node], "--", "/collector", "ledger", "127.0.0.1:8080")
	}
	return all.String()
}

func (r *Rig) diagnose(ctx context.Context, all *strings.Builder, arguments ...string) {
	out, err := r.Kubectl(ctx, arguments...)
	fmt.Fprintf(all, "\n$ kubectl %s\n%s", strings.Join(arguments, " "), out)
	if err != nil {
		fmt.Fprintln(all, err)
	}
}
