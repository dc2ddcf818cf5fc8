package exporters

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// sets is a FlowExporter that was made so many minutes after noon, and sets a rate where it is not 0.
func sets(name string, minute int, rate int64, addresses ...v1alpha1.ExporterAddress) *v1alpha1.FlowExporter {
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute))}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: addresses, SamplingRate: rate}
	return o
}

// judged is the condition Configured of an object of a fleet whose configuration has what is asked for; nil where it has none.
func judged(objects []*v1alpha1.FlowExporter, name string) *metav1.Condition {
	m := newMemory()
	m.settings = SettingsOf(objects, nil)
	m.configured, m.uptake = newInForce(m.settings.Devices), uptake{answered: 1}
	i := slices.IndexFunc(objects, func(o *v1alpha1.FlowExporter) bool { return o.Name == name })
	s := Judge(m.facts(objects[i], noon, noon))
	return meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionConfigured)
}

func TestAnAddressCountsForTheEldestThatNamesItAndBothAreTold(t *testing.T) {
	objects := []*v1alpha1.FlowExporter{
		sets("young", 2, 300, "192.0.2.1", "192.0.2.9"), sets("old", 1, 0, "192.0.2.1"), sets("alone", 3, 5, "2001:db8::1"),
		sets("b", 4, 7, "192.0.2.5"), sets("a", 4, 8, "::ffff:192.0.2.5"), sets("nothing", 1, 0, "192.0.2.7"),
	}
	want := []config.Device{
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, SamplingRate: 300}, // 192.0.2.1 is the old one's, which sets nothing
		{Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")}, SamplingRate: 5},
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.5")}, SamplingRate: 8}, // of the same age: by name
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")}},                  // collectors keep room for those that set nothing, too
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
	}
	for range 10 {
		if got := SettingsOf(objects, nil).Devices; !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v", got)
		}
		objects = append(objects[1:], objects[0]) // in whatever order they are listed
	}
	for name, rival := range map[string]string{"young": "old", "old": "young", "a": "b", "b": "a"} {
		if c := judged(objects, name); c == nil || c.Status != metav1.ConditionFalse || c.Reason != ReasonAddressShared || !strings.Contains(c.Message, "FlowExporter "+rival+",") {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := judged(objects, "young"); !strings.Contains(c.Message, "192.0.2.1 ") || !strings.Contains(c.Message, "of old, the older one") {
		t.Errorf("%s", c.Message)
	}
	if c := judged(objects, "b"); !strings.Contains(c.Message, "of a, whose name is first") || strings.Contains(c.Message, "older") {
		t.Errorf("two of one age: %s", c.Message)
	}
	if c := judged(objects, "alone"); c == nil || c.Status != metav1.ConditionTrue || c.Reason != ReasonConfigured {
		t.Errorf("%+v", c)
	}
	if c := judged(objects, "nothing"); c != nil {
		t.Errorf("nothing is asked for, and there is %+v", c)
	}
}

func TestSettingsThatDoNotFitAreToldAndTakeNothingFromThoseOfOlderObjects(t *testing.T) {
	var objects []*v1alpha1.FlowExporter
	for i := range config.MaxDevices + 2 {
		objects = append(objects, sets(fmt.Sprintf("r%04d", i), i, 9, v1alpha1.ExporterAddress(fmt.Sprintf("10.0.%d.%d", i/256, i%256))))
	}
	if got := SettingsOf(objects, nil); len(got.Devices) != config.MaxDevices || got.Devices[0].Addresses[0] != netip.MustParseAddr("10.0.0.0") {
		t.Errorf("%d devices", len(got.Devices))
	}
	if c := judged(objects, "r1025"); c == nil || c.Status != metav1.ConditionFalse || c.Reason != ReasonNoRoomForSettings {
		t.Errorf("%+v", c)
	}
	if c := judged(objects, "r0000"); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("%+v", c)
	}
	// The names of one device are a tenth of what there is room for.
	for i := range objects {
		for j := range 120 {
			objects[i].Spec.Interfaces = append(objects[i].Spec.Interfaces, v1alpha1.ExporterInterface{Index: int64(j), Name: strings.Repeat("x y\"", 60)})
		}
	}
	devices := SettingsOf(objects, nil).Devices
	text, err := yaml.Marshal(config.Exporters{Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) < 5 || len(text) > maxSettings {
		t.Errorf("%d devices take %d bytes", len(devices), len(text))
	}
}

func TestTheSizeOfSettingsIsNoLessThanInTheFile(t *testing.T) {
	for _, name := range []string{"x", "Te0/0/0", `a "b" 'c' \d`, strings.Repeat("word ", 50) + "w", strings.Repeat("é", 127), strings.Repeat("\U0001F600", 63), "true", "- x: #y"} {
		o := sets("r", 0, 4294967295, "2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8:1111:2222:3333:4444:5555:6667")
		for i := range 500 {
			o.Spec.Interfaces = append(o.Spec.Interfaces, v1alpha1.ExporterInterface{Index: 4294960000 + int64(i), Name: name, Description: name})
		}
		asked := SettingsOf([]*v1alpha1.FlowExporter{o}, nil)
		d := device(o, nil)
		d.Addresses = []netip.Addr{netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"), netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6667")}
		text, err := config.Render(&config.Config{Exporters: config.Exporters{Devices: []config.Device{*d}}})
		if err != nil {
			t.Fatal(err)
		}
		bare, err := config.Render(&config.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(text) - len(bare); sizeOf(d) < n {
			t.Errorf("%q: %d bytes, and %d in the file (%+v)", name, sizeOf(d), n, asked.of["r"].wrong)
		}
	}
}

// One FlowExporter that the collectors would refuse must not keep the fleet from its configuration.
func TestSettingsThatCollectorsRefuseAreLeftOutAndTold(t *testing.T) {
	wrong := sets("wrong", 0, 5, "192.0.2.1")
	wrong.Spec.Interfaces = []v1alpha1.ExporterInterface{{Index: 3, Name: "zero\u200bwidth"}}
	objects := []*v1alpha1.FlowExporter{wrong, sets("right", 1, 5, "192.0.2.2")}
	if got := SettingsOf(objects, nil).Devices; len(got) != 2 || got[0].Addresses[0] != netip.MustParseAddr("192.0.2.2") || len(got[1].Interfaces) != 0 || got[1].SamplingRate != 0 {
		t.Errorf("%+v", got)
	}
	if c := judged(objects, "wrong"); c == nil || c.Status != metav1.ConditionFalse || c.Reason != ReasonSettingsWrong || !strings.Contains(c.Message, "spec.interfaces[0].name") {
		t.Errorf("%+v", c)
	}
}

func TestADiscoveredObjectWithSettingsIsTheUsers(t *testing.T) {
	mine := found("192.0.2.1", noon.Add(-48*time.Hour), 9)
	mine.Spec.SamplingRate = 100
	if c := choose([]*v1alpha1.FlowExporter{mine}, nil, 10, settledLook, noon); len(c.remove) != 0 {
		t.Errorf("after a day of silence, %+v", c.remove)
	}
	if d := SettingsOf([]*v1alpha1.FlowExporter{mine, found("192.0.2.2", noon, 9)}, nil).Devices; len(d) != 1 || d[0].SamplingRate != 100 {
		t.Errorf("%+v", d)
	}
}
