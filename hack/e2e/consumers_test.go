package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// A reader that is named in the spec has a place in the stream at once, whose messages are counted; nobody has read from it yet, and
// the fleet is well all the same. Taken out of the spec it is gone.
func TestAReaderThatTheSpecNamesHasAPlaceThatIsLookedAfter(t *testing.T) {
	diagnose(t)
	patch(t, `{"spec":{"output":{"consumers":[{"name":"database"}]}}}`)
	t.Cleanup(func() {
		patch(t, `{"spec":{"output":{"consumers":null}}}`)
	})
	condition(t, "ConsumersKeepUp", "False", "database was never read from")
	complete(t, begin(t, "--exporters", "3", "--rate", "20", "--duration", "5s")())
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "flowcollector", fleet.Name, "-o", "jsonpath={.status.consumers}")
		if err != nil {
			return err
		}
		var consumers []v1alpha1.ConsumerStatus
		if err := json.Unmarshal([]byte(out), &consumers); err != nil {
			return fmt.Errorf("%q: %w", out, err)
		}
		if len(consumers) != 1 || consumers[0].Pending == 0 || consumers[0].Lost != 0 {
			return fmt.Errorf("its place is not looked after: %s", out)
		}
		return nil
	}))
	condition(t, "Ready", "True", "")
	patch(t, `{"spec":{"output":{"consumers":null}}}`)
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "flowcollector", fleet.Name, "-o", "jsonpath={.status.consumers}")
		if err == nil && out != "" && out != "[]" {
			return fmt.Errorf("it is still there: %s", out)
		}
		return err
	}))
}
