package exporters

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// shelf is a reader of ConfigMaps that a test has: by name, the text of the key names.csv.
type shelf struct {
	client.Reader
	texts map[string]string
	err   error
	reads int
}

func (s *shelf) Get(_ context.Context, name client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	s.reads++
	text, ok := s.texts[name.Name]
	switch {
	case s.err != nil:
		return s.err
	case !ok:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name.Name)
	}
	o.(*corev1.ConfigMap).Data = map[string]string{"names.csv": text}
	return nil
}

// from is a FlowExporter with names from a ConfigMap.
func from(name, configMap string, addresses ...v1alpha1.ExporterAddress) *v1alpha1.FlowExporter {
	o := sets(name, 0, 0, addresses...)
	o.Namespace, o.Spec.InterfacesFrom = "flows", &v1alpha1.ConfigMapKey{Name: configMap, Key: "names.csv"}
	return o
}

// configuredWith is the condition Configured of an object whose collectors have what is asked for.
func configuredWith(t *testing.T, files *Files, o *v1alpha1.FlowExporter) (metav1.ConditionStatus, string, []config.Interface) {
	t.Helper()
	objects := []*v1alpha1.FlowExporter{o}
	named, err := files.Of(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	m.settings = SettingsOf(objects, named)
	m.configured, m.uptake = newInForce(m.settings.Devices), uptake{answered: 1}
	c, ok := configured(m.facts(o, noon, noon))
	if !ok || len(m.settings.Devices) != 1 {
		t.Fatalf("%+v", m.settings)
	}
	return c.status, c.message, m.settings.Devices[0].Interfaces
}

func TestNamesOfInterfacesComeFromAConfigMapBehindTheDevicesOwn(t *testing.T) {
	s := &shelf{texts: map[string]string{"names": `exporter,table,key,name,description
192.0.2.0/24,interfaces,3,of the network,
192.0.2.1,interfaces,3,three,to Bern
192.0.2.1,interfaces,4,four
192.0.2.0/24,interfaces,5,,five by its description
192.0.2.2,interfaces,6,another device's
192.0.2.1,vrfs,7,red
2001:db8::/32,interfaces,8,eight
0.0.0.0/0,interfaces,9,nine
`}}
	o := from("r", "names", "192.0.2.1", "2001:db8::1")
	o.Spec.Interfaces = []v1alpha1.ExporterInterface{{Index: 4, Name: "its own"}}
	status, message, got := configuredWith(t, NewFiles(s, clocktesting.NewFakePassiveClock(noon)), o)
	want := []config.Interface{{Index: 4, Name: "its own"}, {Index: 3, Name: "three", Description: "to Bern"},
		{Index: 5, Name: "five by its description", Description: "five by its description"}, {Index: 8, Name: "eight"}, {Index: 9, Name: "nine"}}
	if status != metav1.ConditionTrue || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %s: %+v", status, message, got)
	}
}

func TestWhatIsWrongWithAConfigMapIsToldAndTheOtherNamesHold(t *testing.T) {
	s := &shelf{texts: map[string]string{
		"faulty": "192.0.2.1,interfaces,3,three\nsecret-one,interfaces,x\n192.0.2.1,interfaces,secret-two,five\n",
		"other":  "192.0.2.99,interfaces,3,three\n",
	}}
	files := NewFiles(s, clocktesting.NewFakePassiveClock(noon))
	for name, want := range map[string]struct {
		says  string
		names int
	}{
		"missing": {"kubectl create configmap missing -n flows --from-file=names.csv", 0},
		"faulty":  {"description (2, 3)", 1},
		"other":   {"add lines such as 192.0.2.1,interfaces,3,xe-0/0/3", 0},
	} {
		status, message, got := configuredWith(t, files, from("r", name, "192.0.2.1"))
		if status != metav1.ConditionFalse || !strings.Contains(message, want.says) || len(got) != want.names || strings.Contains(message, "secret") {
			t.Errorf("%s: %s, %s, %+v", name, status, message, got)
		}
	}
	key := from("r", "other", "192.0.2.1")
	key.Spec.InterfacesFrom.Key = "another.csv"
	if status, message, _ := configuredWith(t, files, key); status != metav1.ConditionFalse || !strings.Contains(message, "has no key another.csv") {
		t.Errorf("%s, %s", status, message)
	}
	many := from("r", "many", "192.0.2.1")
	var lines strings.Builder
	for i := range config.MaxInterfaces + 1 {
		fmt.Fprintf(&lines, "192.0.2.1,interfaces,%d,x\n", i+1)
	}
	s.texts["many"] = lines.String()
	if status, message, got := configuredWith(t, files, many); status != metav1.ConditionFalse || !strings.Contains(message, "more than 512 interfaces") || len(got) != 0 {
		t.Errorf("%s, %s: %d names", status, message, len(got))
	}
}

func TestAChangeOfAConfigMapIsSeenAndItIsNotReadAtEachLook(t *testing.T) {
	s := &shelf{texts: map[string]string{"names": "192.0.2.1,interfaces,3,three\n"}}
	clock := clocktesting.NewFakePassiveClock(noon)
	files := NewFiles(s, clock)
	var objects []*v1alpha1.FlowExporter
	for _, name := range []string{"a", "b", "c"} {
		objects = append(objects, from(name, "names", "192.0.2.1"))
	}
	name := func() string {
		t.Helper()
		named, err := files.Of(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		if n := named["b"].interfaces(); len(n) == 1 {
			return n[0].Name
		}
		return named["b"].file.fault
	}
	for range 5 {
		if got := name(); got != "three" {
			t.Fatal(got)
		}
	}
	if s.reads != 1 {
		t.Errorf("it was read %d times", s.reads)
	}
	s.texts["names"] = "192.0.2.1,interfaces,3,drei\n"
	clock.SetTime(noon.Add(time.Minute))
	if got := name(); got != "drei" {
		t.Error(got)
	}
	// An API server that does not answer is no ConfigMap that is missing: what was read holds.
	s.err = errors.New("the connection broke")
	clock.SetTime(noon.Add(2 * time.Minute))
	if got := name(); got != "drei" {
		t.Error(got)
	}
	if _, err := NewFiles(s, clock).Of(t.Context(), objects); err == nil {
		t.Error("nobody knows what it says, and there is no error")
	}
	// One that may not be read holds up nothing else.
	s.err = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "names", nil)
	if named, err := NewFiles(s, clock).Of(t.Context(), objects); err != nil || !strings.Contains(named["b"].file.fault, "may not read the ConfigMap names") {
		t.Error(named, err)
	}
	s.err = nil
	clock.SetTime(noon.Add(3 * time.Minute))
	delete(s.texts, "names")
	if got := name(); !strings.Contains(got, "there is no ConfigMap names") {
		t.Error(got)
	}
	clock.SetTime(noon.Add(time.Hour))
	if _, err := files.Of(t.Context(), nil); err != nil || len(files.read) != 0 {
		t.Errorf("what nobody asks for stays: %v", files.read)
	}
}

// Who may make FlowExporters decides neither how often the operator asks the API server, nor when the names of other namespaces are read.
func TestFlowExportersOfOneNamespaceDoNotTakeTheReadsOfOthers(t *testing.T) {
	s := &shelf{texts: map[string]string{"names": "192.0.2.1,interfaces,3,three\n"}}
	clock := clocktesting.NewFakePassiveClock(noon)
	files := NewFiles(s, clock)
	of := func(objects []*v1alpha1.FlowExporter) map[string]*Named {
		t.Helper()
		named, err := files.Of(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		return named
	}
	var manyKeys, manyFiles []*v1alpha1.FlowExporter
	for i := range maxFiles + 100 {
		o := from(fmt.Sprintf("k%d", i), "names", "192.0.2.1")
		o.Spec.InterfacesFrom.Key = fmt.Sprintf("names%d.csv", i)
		manyKeys = append(manyKeys, o)
		manyFiles = append(manyFiles, from(fmt.Sprintf("f%d", i), fmt.Sprintf("names%d", i), "192.0.2.1"))
	}
	// All keys of a ConfigMap come with one request, as often as one of them.
	of(manyKeys)
	of(manyKeys)
	if s.reads != 1 {
		t.Errorf("%d keys of a ConfigMap were read with %d requests", len(manyKeys), s.reads)
	}
	clock.SetTime(noon.Add(time.Minute))
	of(manyKeys)
	if s.reads != 2 {
		t.Errorf("a minute later, %d requests", s.reads-1)
	}
	// Of too many ConfigMaps the rest says so, and is not asked for.
	files, s.reads = NewFiles(s, clock), 0
	refused := 0
	for _, named := range of(manyFiles) {
		if strings.Contains(named.file.fault, "put the names of several devices into one") {
			refused++
		}
	}
	if of(manyFiles); s.reads != maxFiles || refused != 100 {
		t.Errorf("%d requests, and %d of %d are not read", s.reads, refused, len(manyFiles))
	}
	// Another namespace's are read and read again as if there was nobody else.
	other := from("r", "names", "192.0.2.1")
	other.Namespace = "other"
	for _, name := range []string{"three", "drei"} {
		s.texts["names"] = "192.0.2.1,interfaces,3," + name + "\n"
		if got := of([]*v1alpha1.FlowExporter{other})["r"].interfaces(); len(got) != 1 || got[0].Name != name {
			t.Errorf("%v, not %s", got, name)
		}
		clock.SetTime(clock.Now().Add(fileAge + 2*eachFileAge))
	}
}

func TestAConfigMapThatChangesIsRenderedAnew(t *testing.T) {
	w := newWorld(t, ordinary)
	changed := 0
	w.keeper.Files, w.keeper.Changed = NewFiles(w.c, w.clock), func(types.NamespacedName) { changed++ }
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.fc.Namespace, Name: "r1"}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: w.fc.Name, Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"},
		InterfacesFrom: &v1alpha1.ConfigMapKey{Name: "zurich"}}
	if err := w.c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	looks := func() {
		for range 4 {
			w.pass()
		}
	}
	looks()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionFalse, ReasonInterfacesFrom)
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.fc.Namespace, Name: "zurich"}, Data: map[string]string{"names.csv": "192.0.2.1,interfaces,3,three\n"}}
	if err := w.c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	before := changed
	looks()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionUnknown, ReasonNotConfigured)
	if changed != before+1 {
		t.Errorf("a new ConfigMap changes the configuration %d times", changed-before)
	}
	m.Data["names.csv"] = "192.0.2.1,interfaces,3,drei\n"
	if err := w.c.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	looks()
	looks()
	if changed != before+2 {
		t.Errorf("a change of it, %d times", changed-before-1)
	}
}
