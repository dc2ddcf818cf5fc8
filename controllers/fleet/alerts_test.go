package fleet

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

// The directory holds the rules of the fleet flows/edge as Prometheus reads them, and a file of promtool's with the tests of each
// alert: its series when the fault is there, when it is not, and what the alert says.
const alertTests = "testdata/alerts"

// promtool runs Prometheus' own tool, which the first call builds where it is not cached, and returns what it says.
func promtool(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	directory, err := promtoolDirectory()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(directory, "promtool"), arguments...).CombinedOutput()
	return string(out), err
}

var promtoolDirectory = sync.OnceValues(func() (string, error) {
	builder, err := build.New(os.Stderr)
	if err != nil {
		return "", err
	}
	return builder.Build(context.Background(), "promtool")
})

// ruleFile is the spec of a FlowCollector's PrometheusRule, which is what Prometheus reads as a file.
func ruleFile(t *testing.T, c *v1alpha1.FlowCollector) []byte {
	t.Helper()
	c.Spec.Monitoring.PrometheusRule.Enabled = true
	file, err := yaml.Marshal(New(c, "image", "system", "", nil).PrometheusRule().Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// alertTest is what this test reads of promtool's format.
type alertTest struct {
	Tests []struct {
		Name  string `json:"name"`
		Input []struct {
			Series string `json:"series"`
		} `json:"input_series"`
		Alerts []struct {
			Name     string `json:"alertname"`
			Expected []any  `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

func readAlertTest(t *testing.T, alert string) (tests alertTest) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(alertTests, alert+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(file, &tests); err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestAlertsFireOnTheirFaultsAndOnNothingElse(t *testing.T) {
	golden := filepath.Join(alertTests, "rules.golden.yaml")
	compareGolden(t, golden, ruleFile(t, readCollector(t, "testdata/minimal.yaml")))
	if out, err := promtool(t, "check", "rules", "--lint=all", "--lint-fatal", golden); err != nil {
		t.Fatal(out)
	}
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		t.Run(a.name, func(t *testing.T) {
			fires, silent := false, false
			for _, test := range readAlertTest(t, a.name).Tests {
				last := test.Alerts[len(test.Alerts)-1]
				fires = fires || last.Name == a.name && len(last.Expected) > 0
				silent = silent || last.Name == a.name && len(last.Expected) == 0
			}
			if !fires || !silent {
				t.Errorf("has a test in which it fires: %v; in which it stays silent: %v", fires, silent)
			}
			if out, err := promtool(t, "test", "rules", filepath.Join(alertTests, a.name+".yaml")); err != nil {
				t.Error(out)
			}
		})
	}
}

// A test that promtool passes whatever the rules are would be worth nothing.
func TestAlertsThatSayTheContraryFailTheirTests(t *testing.T) {
	rules := ruleFile(t, readCollector(t, "testdata/minimal.yaml"))
	directory := t.TempDir()
	swapped := strings.NewReplacer(" > ", " < ", " < ", " > ", " == ", " != ", " != ", " == ").Replace(string(rules))
	if err := os.WriteFile(filepath.Join(directory, "rules.golden.yaml"), []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		test, err := os.ReadFile(filepath.Join(alertTests, a.name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(directory, a.name+".yaml")
		if err := os.WriteFile(file, test, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := promtool(t, "test", "rules", file); err == nil || !strings.Contains(out, "FAILED") {
			t.Errorf("%s: %v: %s", a.name, err, out)
		}
	}
}

func TestFleetsWithoutABucketAreNotToldThatTheySeeNone(t *testing.T) {
	c := readCollector(t, "testdata/minimal.yaml")
	c.Spec.TemplateStore.Disabled = true
	if rules := ruleFile(t, c); bytes.Contains(rules, []byte("TemplatesNotShared")) || !bytes.Contains(rules, []byte("StreamUnavailable")) {
		t.Errorf("%s", rules)
	}
}

func TestAlertsOfTwoFleetsDiffer(t *testing.T) {
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		labels := a.rule(readCollector(t, "testdata/customized.yaml"))["labels"].(map[string]any)
		if labels["namespace"] != "flows" || labels["flowcollector"] != "big" {
			t.Errorf("%s has the labels %v", a.name, labels)
		}
		if a.summary == "" || a.whatToDo == "" || a.wait == "" {
			t.Errorf("%s does not say what is wrong and what to do", a.name)
		}
	}
}

// The alert and the condition CollectorsAvailable have one limit, for each form of minReady.
func TestCollectorsAreMissingWhereMinReadySaysSo(t *testing.T) {
	for want, bearable := range map[string]string{
		"":     `kube_daemonset_status_desired_number_scheduled{namespace="flows",daemonset="edge-collector"} * 1 / 100 `,
		"80%":  `kube_daemonset_status_desired_number_scheduled{namespace="flows",daemonset="edge-collector"} * 20 / 100 `,
		"100%": `kube_daemonset_status_desired_number_scheduled{namespace="flows",daemonset="edge-collector"} * 0 / 100 `,
		"5":    `clamp_min(kube_daemonset_status_desired_number_scheduled{namespace="flows",daemonset="edge-collector"} - 5, 0) `,
	} {
		c := readCollector(t, "testdata/minimal.yaml")
		if want != "" {
			c.Spec.Collector.MinReady = new(intstr.Parse(want))
		}
		if got := missing(c); !strings.Contains(got, " > "+bearable) {
			t.Errorf("minReady %q: %s", want, got)
		}
	}
}
