package exporters

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What users ask for is another thing when they change it, and the same when only the operator does.
func TestWhatFlowExportersAskForIsWhatTheirUsersSay(t *testing.T) {
	made := func(change func(o *v1alpha1.FlowExporter, named *Named)) []string {
		o, other, found := sets("router", 1, 100, "192.0.2.1"), sets("switch", 2, 0, "192.0.2.2"), sets("found", 3, 0, "192.0.2.3")
		found.Labels = map[string]string{v1alpha1.LabelDiscovered: "true"}
		found.OwnerReferences = []metav1.OwnerReference{{Kind: "FlowCollector", Controller: new(true)}}
		o.UID, o.Generation, other.UID = "a", 1, "b"
		from := map[string]*Named{"router": {file: &interfaceFile{lines: []namedLine{{index: 7}}, text: "sum of the file"}}}
		change(o, from["router"])
		return Asked([]*v1alpha1.FlowExporter{o, other, found}, from)
	}
	before := made(func(*v1alpha1.FlowExporter, *Named) {})
	for about, test := range map[string]struct {
		change func(o *v1alpha1.FlowExporter, named *Named)
		same   bool
	}{
		"another spec":                     {func(o *v1alpha1.FlowExporter, _ *Named) { o.Generation++ }, false},
		"another object of the name":       {func(o *v1alpha1.FlowExporter, _ *Named) { o.UID = "c" }, false},
		"another file":                     {func(_ *v1alpha1.FlowExporter, named *Named) { named.file.text = "another sum" }, false},
		"the operator reads the file anew": {func(_ *v1alpha1.FlowExporter, named *Named) { named.file.lines[0].index = 8 }, true},
		"the operator's status, annotations": {func(o *v1alpha1.FlowExporter, _ *Named) {
			o.ResourceVersion, o.Annotations = "9", map[string]string{"a": "b"}
		}, true},
	} {
		if got := made(test.change); slices.Equal(got, before) != test.same {
			t.Errorf("%s: %q, before %q", about, got, before)
		}
	}
	if len(before) != 2 {
		t.Errorf("%q: one that the operator made asks for nothing", before)
	}
	one, two := readInterfaces(&v1alpha1.ConfigMapKey{}, "a"), readInterfaces(&v1alpha1.ConfigMapKey{}, "b")
	if one.text == two.text || one.text == "" {
		t.Error("two files have the same hash")
	}
}
