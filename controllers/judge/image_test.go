package judge

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Admission webhooks put containers of their own before a collector's.
func TestTheImageOfASuspendedFleetIsTheCollectorsOwn(t *testing.T) {
	for name, test := range map[string]struct {
		containers []corev1.Container
		want       string
	}{
		"alone":    {[]corev1.Container{{Name: "collector", Image: "before"}}, "before"},
		"with one": {[]corev1.Container{{Name: "proxy", Image: "proxy:v1"}, {Name: "collector", Image: "before"}}, "before"},
		"none":     {nil, "v1"},
	} {
		f := well()
		f.Collector.Spec.Suspend = true
		f.DaemonSet.Spec.Template.Spec.Containers = test.containers
		status := &v1alpha1.FlowCollectorStatus{}
		(&judgement{Facts: f}).counts(status)
		if status.Image != test.want {
			t.Errorf("%s: %s", name, status.Image)
		}
	}
}
