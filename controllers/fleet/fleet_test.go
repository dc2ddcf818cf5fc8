package fleet

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// readCollector reads a FlowCollector and fills in its defaults as the API server does.
func readCollector(t *testing.T, file string) *v1alpha1.FlowCollector {
	t.Helper()
	return controllertest.ReadObject[v1alpha1.FlowCollector](t, file, "flowfleet.io_flowcollectors.yaml")
}

func readFleet(t *testing.T, name string) *Fleet {
	t.Helper()
	return New(readCollector(t, "testdata/"+name+".yaml"), "registry.example.org/flowfleet:1.2.3", "flowfleet-system", "abc", nil)
}

// objects are all that a fleet stands for, in the order of their files.
func objects(t *testing.T, f *Fleet) []any {
	t.Helper()
	configMap, err := f.ConfigMap()
	if err != nil {
		t.Fatal(err)
	}
	daemonSet, err := f.DaemonSet()
	if err != nil {
		t.Fatal(err)
	}
	all := []any{f.ServiceAccount(), configMap, f.NetworkPolicy(), daemonSet, f.DisruptionBudget(), f.Service(), f.MetricsService(),
		f.Dashboard(), f.PodMonitor(), f.PrometheusRule()}
	var out []any
	for _, o := range all {
		if !reflect.ValueOf(o).IsNil() {
			out = append(out, o)
		}
	}
	return out
}

func TestObjectsOfAFleet(t *testing.T) {
	for _, name := range []string{"minimal", "secure", "hostnetwork", "customized", "platform", "nodetuning", "knobs", "without"} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			f := readFleet(t, name)
			for _, o := range objects(t, f) {
				b, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got = append(append(got, "---\n"...), b...)
			}
			got = bytes.ReplaceAll(got, []byte(indented(f.ownDashboard())), []byte("    (dashboard.json)\n"))
			compareGolden(t, filepath.Join("testdata", name+".golden.yaml"), got)
		})
	}
}

// compareGolden compares with a golden file, which -update writes anew.
func compareGolden(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Fatalf("other than %s (-want +got); go test ./controllers/fleet -update writes it anew:\n%s", golden, diff)
	}
}

// indented is a text as the value of a ConfigMap's key.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// Grafana would show the dashboard of one of two fleets only, if both had one identifier or title, or files of one name.
func TestDashboardsOfTwoFleetsStandSideBySide(t *testing.T) {
	type variable struct {
		Name    string
		Current struct{ Text, Value string }
	}
	type shape struct {
		UID, Title string
		Templating struct{ List []variable }
		Panels     []any
	}
	var common shape
	if err := json.Unmarshal([]byte(dashboard), &common); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{common.UID: true, common.Title: true, "flowfleet-collectors.json": true}
	for _, name := range [][2]string{{"a", "b-c"}, {"a-b", "c"}, {"a", "b"}} {
		f := readFleet(t, "minimal")
		f.Collector.Spec.Monitoring.Dashboards.Enabled = true
		f.Collector.Namespace, f.Collector.Name = name[0], name[1]
		for file, text := range f.Dashboard().Data {
			var own shape
			if err := json.Unmarshal([]byte(text), &own); err != nil {
				t.Fatal(err)
			}
			for _, once := range []string{file, own.UID, own.Title} {
				if seen[once] {
					t.Errorf("%s: %q is another's", name, once)
				}
				seen[once] = true
			}
			if len(own.UID) > 40 || len(own.Panels) != len(common.Panels) || !strings.HasPrefix(file, "flowfleet-collectors.") {
				t.Errorf("%s: %s with %d panels and uid %q", name, file, len(own.Panels), own.UID)
			}
			for i, want := range []string{name[0], name[1]} {
				if v := own.Templating.List[1+i]; v.Current.Value != want || v.Current.Text != want {
					t.Errorf("%s: %+v", name, v)
				}
			}
		}
	}
}

func TestCollectorsAcceptTheirConfiguration(t *testing.T) {
	for _, name := range []string{"minimal", "secure", "hostnetwork", "customized", "platform", "nodetuning", "knobs", "without"} {
		t.Run(name, func(t *testing.T) {
			f := readFleet(t, name)
			file, err := config.Render(f.Configuration)
			if err != nil {
				t.Fatal(err)
			}
			if _, problems := config.Parse(file); len(problems) > 0 {
				t.Errorf("%v\n%s", problems, file)
			}
		})
	}
}

func TestPodsAreReplacedForWhatNeedsARestartOnly(t *testing.T) {
	annotations := func(change func(*v1alpha1.FlowCollector)) map[string]string {
		c := readCollector(t, "testdata/minimal.yaml")
		change(c)
		daemonSet, err := New(c, "image", "system", "secrets", nil).DaemonSet()
		if err != nil {
			t.Fatal(err)
		}
		return daemonSet.Spec.Template.Annotations
	}
	before := annotations(func(*v1alpha1.FlowCollector) {})
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.FlowCollector)
		rolls  bool
	}{
		{"log level", func(c *v1alpha1.FlowCollector) { c.Spec.Collector.LogLevel = "debug" }, false},
		{"allowed networks", func(c *v1alpha1.FlowCollector) { c.Spec.Exporters.AllowedNetworks = []v1alpha1.Network{"10.0.0.0/8"} }, false},
		{"limits", func(c *v1alpha1.FlowCollector) { c.Spec.Exporters.Limits.Exporters = 5 }, false},
		{"listener", func(c *v1alpha1.FlowCollector) { c.Spec.Listeners[0].Port = 9995 }, true},
		{"encoding", func(c *v1alpha1.FlowCollector) { c.Spec.Output.Encoding = v1alpha1.EncodingJSON }, true},
		{"template scope", func(c *v1alpha1.FlowCollector) { c.Spec.Exporters.TemplateScope = v1alpha1.ScopeAddress }, true},
	} {
		after := annotations(test.change)
		if rolls := !cmp.Equal(before, after); rolls != test.rolls {
			t.Errorf("%s: pods are replaced: %v, want %v", test.name, rolls, test.rolls)
		}
	}
}

func TestNothingSecretIsRendered(t *testing.T) {
	for _, o := range objects(t, readFleet(t, "secure")) {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON(b); err != nil {
			t.Fatal(err)
		}
		if u.GetKind() == "Secret" {
			t.Errorf("a Secret is made: %s", u.GetName())
		}
	}
}
