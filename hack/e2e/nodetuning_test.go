package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// tuning is a fleet whose pods raise their nodes' limit for receive buffers.
const tuning = `apiVersion: flowfleet.io/v1alpha1
kind: FlowCollector
metadata: {name: tuned, namespace: on-tuned-nodes}
spec:
  nats: {urls: ["nats://nats.nats:4222"]}
  # The servers have little room, which other tests need.
  templateStore: {maxBytes: 16Mi, deletionPolicy: Delete}
  output: {stream: {maxBytes: 64Mi, deletionPolicy: Delete}}
  service: {type: None}
  collector: {nodeTuning: ReceiveBuffer}
`

// A namespace that forbids privileged pods gets none and is told what to type. Once it allows them, each pod has tried to raise its
// node's limit before the collector began, and says what came of it: also where the node did not allow it the collectors run.
func TestAFleetThatTunesItsNodesNeedsTheirNamespacesLeave(t *testing.T) {
	diagnose(t)
	const namespace = `apiVersion: v1
kind: Namespace
metadata: {name: on-tuned-nodes, labels: {pod-security.kubernetes.io/enforce: %s}}
`
	f := rig.Fleet{Namespace: "on-tuned-nodes", Name: "tuned", Server: fleet.Server}
	must(t, cluster.Apply(t.Context(), fmt.Sprintf(namespace, "restricted")))
	defer func() {
		ctx := context.WithoutCancel(t.Context())
		if t.Failed() {
			t.Log(cluster.Diagnose(ctx, f))
		}
		_, err := cluster.Kubectl(ctx, "--namespace", f.Namespace, "delete", "flowcollector", f.Name, "--ignore-not-found", "--timeout=1m")
		must(t, err)
		_, err = cluster.Kubectl(ctx, "delete", "namespace", f.Namespace, "--timeout=5m")
		must(t, err)
	}()
	must(t, cluster.Apply(t.Context(), tuning))
	conditionOf(t, f, 5*time.Minute, "CollectorsAvailable", "False", "pod-security.kubernetes.io/enforce=privileged")

	must(t, cluster.Apply(t.Context(), fmt.Sprintf(namespace, "privileged")))
	must(t, cluster.Ready(t.Context(), f))
	said, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "logs", "--selector", "app.kubernetes.io/instance="+f.Name, "--container", "tune-node")
	must(t, err)
	t.Logf("tune-node:\n%s", said)
	if n := strings.Count(said, "limit for receive buffers") + strings.Count(said, "allows receive buffers"); n != 3 {
		t.Errorf("%d of 3 pods said what came of tuning their node", n)
	}
}
