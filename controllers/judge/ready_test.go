package judge

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// Collectors that start wait for the bucket before they are ready: that they are not ready yet is not what somebody can mend.
func TestReadySaysWhatKeepsCollectorsThatStartFromTheBucket(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *Facts)
		reason string
		says   string
	}{
		"NATS answers": {func(*Facts) {}, ReasonStarting, "CollectorsAvailable: 3 of 3 nodes are without a collector"},
		"NATS is away": {func(f *Facts) {
			f.NATS.Bucket.Class, f.NATS.Bucket.Error = jetstream.ClassUnreachable, "connection refused"
		}, ReasonNATSUnreachable, "TemplateStoreReady: bucket flowfleet-flows-edge: connection refused"},
		"NATS is away, and their image too": {func(f *Facts) {
			broken(f)
			f.NATS.Bucket.Class, f.NATS.Bucket.Error = jetstream.ClassUnreachable, "connection refused"
		}, ReasonUnavailable, "ImagePullBackOff"},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable, f.Collectors.Reports = 0, 0, nil
			f.Pods = []corev1.Pod{}
			test.change(f)
			v := Judge(f)
			ready := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionReady)
			if ready.Reason != test.reason || !strings.Contains(ready.Message, test.says) {
				t.Errorf("Ready is %+v, not %s saying %q", ready, test.reason, test.says)
			}
		})
	}
}
