package exporters

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

func declared(address string) *v1alpha1.FlowExporter {
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: "mine", CreationTimestamp: metav1.NewTime(noon)}}
	o.Spec.Addresses = []v1alpha1.ExporterAddress{v1alpha1.ExporterAddress(address)}
	return o
}

func found(address string, made time.Time, records int64) *v1alpha1.FlowExporter {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Name: "edge", UID: "1"}}
	o := object(fc, netip.MustParseAddr(address))
	o.CreationTimestamp, o.Status.Records = metav1.NewTime(made), records
	return o
}

// settledLook tells who is silent.
var settledLook = Look{Since: noon.Add(-time.Hour), Collectors: 1}

// flood is so many senders that are not decoded, and each look hears more of.
func flood(n int) map[netip.Addr]*sender {
	out := make(map[netip.Addr]*sender)
	a := netip.MustParseAddr("10.0.0.0")
	for range n {
		a = a.Next()
		out[a] = &sender{figures: &Figures{Received: 9}, first: noon, heard: noon, grew: 9}
	}
	return out
}

func TestOneDatagramMakesNoObject(t *testing.T) {
	senders := flood(100)
	for _, s := range senders {
		s.grew = 1
	}
	if c := choose(nil, senders, 1000, settledLook, noon); len(c.make) != 0 || c.leftOut != 0 {
		t.Errorf("%+v", c)
	}
}

func TestAFloodMakesNoMoreThanTheLimitAndPushesOutNobodyThatIsDecoded(t *testing.T) {
	senders := flood(5000)
	objects := []*v1alpha1.FlowExporter{declared("192.0.2.1"), found("192.0.2.2", noon, 100), found("192.0.2.3", noon, 100)}
	senders[netip.MustParseAddr("192.0.2.1")] = &sender{figures: &Figures{Received: 9, Records: 9}, grew: 9, heard: noon}
	late := netip.MustParseAddr("192.0.2.4")
	senders[late] = &sender{figures: &Figures{Received: 9, Records: 9}, grew: 2, first: noon.Add(time.Hour), heard: noon}
	c := choose(objects, senders, 10, settledLook, noon)
	if len(c.remove) != 0 || len(c.make) != 8 || c.make[0] != late || c.leftOut != 4993 {
		t.Errorf("%d made, %d removed, %d left out", len(c.make), len(c.remove), c.leftOut)
	}
	// The room is full of what is not decoded: one that is gets a place.
	objects = nil
	for i := range 10 {
		objects = append(objects, found(fmt.Sprintf("10.0.0.%d", i+1), noon.Add(time.Duration(i)*time.Second), 0))
	}
	c = choose(objects, senders, 10, settledLook, noon)
	if len(c.make) != 2 || len(c.remove) != 2 || c.remove[0].Name != "edge-10.0.0.9" {
		t.Errorf("%+v", c)
	}
}

func TestObjectsGoAfterADayOfSilenceAndWhereOneIsDeclared(t *testing.T) {
	old := found("192.0.2.1", noon.Add(-48*time.Hour), 9)
	quiet := found("192.0.2.2", noon.Add(-48*time.Hour), 9)
	heard := metav1.NewTime(noon.Add(-23 * time.Hour))
	quiet.Status.LastHeard = &heard
	twice := found("192.0.2.3", noon, 9)
	forged := declared("192.0.2.4") // the label alone makes nobody's object the operator's
	forged.Labels = map[string]string{v1alpha1.LabelDiscovered: "true"}
	forged.CreationTimestamp = metav1.NewTime(noon.Add(-48 * time.Hour))
	c := choose([]*v1alpha1.FlowExporter{old, quiet, twice, declared("192.0.2.3"), forged}, nil, 10, settledLook, noon)
	if len(c.remove) != 2 || c.remove[0].Name != "edge-192.0.2.1" || c.remove[1].Name != "edge-192.0.2.3" {
		t.Errorf("%+v", c)
	}
	if c := choose([]*v1alpha1.FlowExporter{quiet, declared("192.0.2.9")}, flood(5), 0, settledLook, noon); len(c.remove) != 1 || len(c.make) != 0 {
		t.Errorf("with Declared: %+v", c)
	}
}

// Whatever somebody changes in the spec of an object that the operator made, they mean it to last.
func TestADiscoveredObjectThatSomebodyEditedIsTheirs(t *testing.T) {
	second := netip.MustParseAddr("192.0.2.9")
	for name, edit := range map[string]func(*v1alpha1.FlowExporterSpec){
		"a second address": func(s *v1alpha1.FlowExporterSpec) { s.Addresses = append(s.Addresses, "192.0.2.9") },
		"a name":           func(s *v1alpha1.FlowExporterSpec) { s.DisplayName = "core router" },
		"protocols":        func(s *v1alpha1.FlowExporterSpec) { s.Protocols = []v1alpha1.ExporterProtocol{"IPFIX"} },
		"its silence":      func(s *v1alpha1.FlowExporterSpec) { s.SilentAfter = "24h" },
		"its loss":         func(s *v1alpha1.FlowExporterSpec) { s.MaxLoss = "5%" },
		"its rate":         func(s *v1alpha1.FlowExporterSpec) { s.SamplingRate = 100 },
	} {
		mine := found("192.0.2.1", noon.Add(-48*time.Hour), 9)
		mine.Spec.SilentAfter, mine.Spec.MaxLoss = "5m", "1%" // as the API server has it
		if c := choose([]*v1alpha1.FlowExporter{mine}, nil, 10, settledLook, noon); len(c.remove) != 1 {
			t.Errorf("%s: before it was edited, %+v", name, c)
		}
		edit(&mine.Spec)
		senders := map[netip.Addr]*sender{second: {figures: &Figures{Received: 9}, first: noon, heard: noon, grew: 9}}
		c := choose([]*v1alpha1.FlowExporter{mine}, senders, 0, settledLook, noon)
		if len(c.remove) != 0 {
			t.Errorf("%s: after a day of silence, and with no room, %+v", name, c.remove)
		}
		c = choose([]*v1alpha1.FlowExporter{mine}, senders, 10, settledLook, noon)
		if own := len(mine.Spec.Addresses) > 1; len(c.make) == 0 != own {
			t.Errorf("%s: another object is made of %v", name, c.make)
		}
	}
}
