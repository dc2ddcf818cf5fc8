package charts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	alertFile  = chart + "/files/alerts.yaml"
	alertTests = "testdata/alerts/tests.yaml"
)

// Each is tried by Prometheus' own engine, where its fault is there and where it is not.
func TestAlertsOfTheOperatorFireOnTheirFaultsAndOnNothingElse(t *testing.T) {
	if out, errs, err := run(t, "promtool", "check", "rules", "--lint=all", "--lint-fatal", alertFile); err != nil {
		t.Fatal(out, errs)
	}
	if out, errs, err := run(t, "promtool", "test", "rules", alertTests); err != nil {
		t.Error(out, errs)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	read(t, alertFile, func(text []byte) error { return yaml.Unmarshal(text, &rules) })
	tests, err := os.ReadFile(filepath.FromSlash(alertTests))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Groups[0].Rules {
		fires := strings.Count(string(tests), "- alertname: "+rule.Alert+"\n")
		silent := strings.Count(string(tests), "{alertname: "+rule.Alert+", ")
		if fires == 0 || silent == 0 {
			t.Errorf("%s: %d tests in which it fires, %d in which it stays silent", rule.Alert, fires, silent)
		}
	}
}
