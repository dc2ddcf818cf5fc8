package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// steady is traffic whose templates are sent once: who does not know them from others decodes nothing.
var steady = []string{"--exporters", "24", "--rate", "1000", "--template-interval", "0", "--quiet", "60s"}

// What collectors know fills the bucket again. Then all of them are replaced by new ones, which know from it what exporters
// have said once, before it was deleted.
func TestBucketThatIsDeletedIsFilledAgainFromTheCollectorsMemory(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	bucket, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "flowcollector", fleet.Name, "-o", "jsonpath={.status.bucket.name}")
	must(t, err)
	complete(t, during(t, func() {
		js, disconnect, err := cluster.JetStream(t.Context(), rig.NATSServers[0])
		must(t, err)
		defer disconnect()
		before := keys(t, js, bucket)
		if len(before) < 24 { // of 12 exporters with NetFlow v9 or IPFIX, a template and a sampling rate at least
			t.Fatalf("the bucket has %d keys: %v", len(before), before)
		}
		must(t, js.DeleteKeyValue(t.Context(), bucket))
		deleted := time.Now()
		must(t, rig.Await(t.Context(), 2*time.Minute, func() error {
			after, err := listKeys(t.Context(), js, bucket)
			if err != nil {
				return err
			}
			var missing []string
			for _, key := range before {
				if !slices.Contains(after, key) {
					missing = append(missing, key)
				}
			}
			if len(missing) > 0 {
				return fmt.Errorf("%d of %d keys are not in the bucket again, such as %s", len(missing), len(before), missing[0])
			}
			return nil
		}))
		t.Logf("%d keys were in the bucket again after %s", len(before), time.Since(deleted).Round(time.Second))
		well(t)
		info, err := js.Stream(t.Context(), "KV_"+bucket)
		must(t, err)
		if replicas := info.CachedInfo().Config.Replicas; replicas != 3 {
			t.Errorf("the new bucket has %d replicas", replicas)
		}
		_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
		must(t, err)
		must(t, cluster.Ready(t.Context(), fleet))
		ended(t)
	}, steady...))
}

func keys(t *testing.T, js jetstream.JetStream, bucket string) []string {
	t.Helper()
	list, err := listKeys(t.Context(), js, bucket)
	must(t, err)
	return list
}

func listKeys(ctx context.Context, js jetstream.JetStream, bucket string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	store, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, err
	}
	return store.Keys(ctx)
}

// well waits until the conditions say that the fleet is.
func well(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"TemplateStoreReady", "StreamReady", "Ready"} {
		condition(t, kind, "True", "")
	}
	condition(t, "Degraded", "False", "")
	for _, kind := range []string{"TemplateStoreReady", "StreamReady"} {
		if _, why, err := cluster.Condition(t.Context(), fleet, kind); err != nil || !strings.HasPrefix(why, "Ready") {
			t.Errorf("%s: %s (%v)", kind, why, err)
		}
	}
}
