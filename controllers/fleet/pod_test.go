package fleet

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

func containers(texts ...string) []v1alpha1.Container {
	var out []v1alpha1.Container
	for _, t := range texts {
		out = append(out, v1alpha1.Container{RawExtension: runtime.RawExtension{Raw: []byte(t)}})
	}
	return out
}

// The schema leaves containers open: what is wrong with them is said, and does not end in a loop of refusals.
func TestContainersThatCannotBeAreNamedWithTheirPlace(t *testing.T) {
	for _, test := range []struct {
		about string
		spec  v1alpha1.Collector
		want  []string
	}{
		{"a sidecar", v1alpha1.Collector{Pod: v1alpha1.Pod{Sidecars: containers(`{"name":"a","image":"b:v1","env":[{"name":"X","value":"y"}]}`)}}, nil},
		{"a field that Kubernetes does not have", v1alpha1.Collector{Pod: v1alpha1.Pod{Sidecars: containers(`{"name":"a","image":"b","commands":["x"]}`)}},
			[]string{`collector.sidecars[0]: it is no container as Kubernetes has it: json: unknown field "commands"`}},
		{"a field of another type", v1alpha1.Collector{Pod: v1alpha1.Pod{InitContainers: containers(`{"name":"a","image":1}`)}}, []string{"collector.initContainers[0]"}},
		{"no image", v1alpha1.Collector{Pod: v1alpha1.Pod{Sidecars: containers(`{"name":"a"}`)}}, []string{"collector.sidecars[0]: name and image are required"}},
		{"the collector's own name", v1alpha1.Collector{Pod: v1alpha1.Pod{Sidecars: containers(`{"name":"collector","image":"b"}`)}}, []string{"collector.sidecars[0].name"}},
		{"the name of the container that tunes the node", v1alpha1.Collector{NodeTuning: v1alpha1.NodeTuningReceiveBuffer,
			Pod: v1alpha1.Pod{InitContainers: containers(`{"name":"tune-node","image":"b"}`)}},
			[]string{`collector.initContainers[0].name: "tune-node" is the operator's own name too`}},
		{"one name twice", v1alpha1.Collector{Pod: v1alpha1.Pod{InitContainers: containers(`{"name":"a","image":"b"}`), Sidecars: containers(`{"name":"a","image":"b"}`)}},
			[]string{`collector.sidecars[0].name: "a" is collector.initContainers[0]'s name too`}},
		{"no nameserver", v1alpha1.Collector{Pod: v1alpha1.Pod{DNSPolicy: corev1.DNSNone}}, []string{"collector.dnsConfig.nameservers"}},
	} {
		got := Problems(&v1alpha1.FlowCollector{Spec: v1alpha1.FlowCollectorSpec{Collector: test.spec}})
		if len(got) != len(test.want) {
			t.Errorf("%s: %q", test.about, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("%s: %q", test.about, got[i])
			}
		}
	}
}
