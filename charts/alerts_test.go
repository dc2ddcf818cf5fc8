package charts_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const operatorAlerts = chart + "/files/alerts/operator.yaml"

// Prometheus' own tool evaluates the alerts: each fires when its fault is there, and is silent otherwise.
func TestTheOperatorsAlertsFireForTheirFaultsOnly(t *testing.T) {
	for _, arguments := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", operatorAlerts},
		{"test", "rules", "testdata/alerts.test.yaml"},
	} {
		if out, errs, err := run(t, "promtool", arguments...); err != nil {
			t.Errorf("promtool %s: %v\n%s%s", strings.Join(arguments, " "), err, out, errs)
		}
	}
}

// Each alert links to a page of docs/ and, where it names one, a heading on it.
func TestRunbooksOfTheOperatorsAlertsAreThere(t *testing.T) {
	text, err := os.ReadFile(operatorAlerts)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`runbook_url: \S+/main/(docs/[a-z-]+\.md)(?:#(\S+))?\n`).FindAllStringSubmatch(string(text), -1)
	if alerts := strings.Count(string(text), "- alert:"); alerts == 0 || len(links) != alerts {
		t.Fatalf("%d alerts have %d runbooks", alerts, len(links))
	}
	notAnchor := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, link := range links {
		page, err := os.ReadFile("../" + link[1])
		if err != nil {
			t.Error(err)
			continue
		}
		found := link[2] == ""
		for line := range strings.Lines(string(page)) {
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				anchor := strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
				found = found || anchor == link[2]
			}
		}
		if !found {
			t.Errorf("%s has no heading %s", link[1], link[2])
		}
	}
}
