package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// onHostNetwork is a fleet that binds the nodes' own ports: those of the usual listeners and of the metrics, all moved up.
const onHostNetwork = `apiVersion: flowfleet.io/v1alpha1
kind: FlowCollector
metadata: {name: %[1]s, namespace: on-nodes}
spec:
  nats: {urls: ["nats://nats.nats:4222"]}
  templateStore: {replicas: 3}
  output: {stream: {replicas: 3, maxBytes: 256Mi}}
  service: {type: None}
  collector: {hostNetwork: true, metricsPort: %[2]d8080}
  listeners:
  - {name: netflow, port: %[2]d2055}
  - {name: ipfix, port: %[2]d4739}
  - {name: sflow, port: %[2]d6343}
`

// hostFleet is one of these.
func hostFleet(name string) rig.Fleet {
	return rig.Fleet{Namespace: "on-nodes", Name: name, Server: fleet.Server}
}

// sendTo sends to a node's ports as the fleet with that number has them.
func sendTo(t *testing.T, f rig.Fleet, number int, node string) (end func() check.Report) {
	t.Helper()
	f.Address = node
	return beginTo(t, f, "--exporters", "12", "--rate", "200", "--duration", "5s", "--netflow-port", fmt.Sprintf("%d2055", number),
		"--ipfix-port", fmt.Sprintf("%d4739", number), "--sflow-port", fmt.Sprintf("%d6343", number))
}

// Each gets what is sent to its own ports of each node. One that wants ports of another gets none, is told so, leaves the other in
// peace, and has what it needs once its ports are changed.
func TestFleetsOnTheHostNetworkLiveSideBySideOnPortsOfTheirOwn(t *testing.T) {
	long(t)
	ownNodes(t) // exporters reach each node
	diagnose(t)
	must(t, cluster.Apply(t.Context(), `apiVersion: v1
kind: Namespace
metadata: {name: on-nodes, labels: {pod-security.kubernetes.io/enforce: privileged}}
`))
	first, second := hostFleet("first"), hostFleet("second")
	defer func() {
		ctx := context.WithoutCancel(t.Context())
		for _, f := range []rig.Fleet{first, second} {
			if t.Failed() {
				t.Log(cluster.Diagnose(ctx, f))
			}
			_, err := cluster.Kubectl(ctx, "--namespace", f.Namespace, "delete", "flowcollector", f.Name, "--ignore-not-found", "--timeout=1m")
			must(t, err)
		}
		_, err := cluster.Kubectl(ctx, "delete", "namespace", "on-nodes", "--timeout=5m")
		must(t, err)
	}()
	must(t, cluster.Apply(t.Context(), fmt.Sprintf(onHostNetwork, first.Name, 1)))
	must(t, cluster.Ready(t.Context(), first))
	alone := lives(t, first)

	must(t, cluster.Apply(t.Context(), fmt.Sprintf(onHostNetwork, second.Name, 1)))
	conditionOf(t, second, time.Minute, "CollectorsAvailable", "False", "another pod has one of 12055/UDP, 14739/UDP, 16343/UDP, 18080/TCP")
	_, why, err := cluster.Condition(t.Context(), second, "CollectorsAvailable")
	must(t, err)
	t.Logf("CollectorsAvailable of the second: %s", why)
	conditionOf(t, second, time.Minute, "Ready", "False", "CollectorsAvailable")
	conditionOf(t, first, time.Minute, "Ready", "True", "")
	if now := lives(t, first); now != alone {
		t.Errorf("the second fleet reached the first; before, then after:\n%s\n%s", alone, now)
	}

	must(t, cluster.Apply(t.Context(), fmt.Sprintf(onHostNetwork, second.Name, 2)))
	must(t, cluster.Ready(t.Context(), second))
	var nodes []struct{ Address string }
	list, err := cluster.Kubectl(t.Context(), "--namespace", second.Namespace, "get", "flowcollector", second.Name, "-o", "jsonpath={.status.addresses}")
	must(t, err)
	must(t, json.Unmarshal([]byte(list), &nodes))
	if len(nodes) != strings.Count(alone, "\n") {
		t.Errorf("exporters are told to send to %v", nodes)
	}
	for _, node := range nodes {
		endFirst, endSecond := sendTo(t, first, 1, node.Address), sendTo(t, second, 2, node.Address)
		for i, report := range []check.Report{endFirst(), endSecond()} {
			complete(t, report)
			if report.Foreign != 0 {
				t.Errorf("fleet %d got %d records that were sent to the other, or to another node", i+1, report.Foreign)
			}
		}
	}
	if now := lives(t, first); now != alone {
		t.Errorf("the second fleet reached the first; before, then after:\n%s\n%s", alone, now)
	}
}
