package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/top"
)

// The time of a table ends now, not with the last flow: silence after a burst lowers the rates.
func TestTopReportsUpToNow(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(41, 42))
	assertNumbers(t, s, 41, 42)
	asked := time.Now()
	report := topReport(t, s.URL())
	if report.To.Before(asked) {
		t.Errorf("the table ends at %v, %v before it was asked for", report.To, asked.Sub(report.To))
	}
	if report.From.Before(asked.Add(-time.Minute)) || report.From.After(asked) {
		t.Errorf("the table of %v begins at %v", asked, report.From)
	}
}

// Programs read a list where there are no rows, and keys as they are.
func TestTopPrintsJSONForPrograms(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(41, 42))
	assertNumbers(t, s, 41, 42)
	for _, test := range []struct{ by, want string }{{"conversation", ` -> `}, {"destination-as", `"rows":[],`}} {
		if out, err := execute(t, "", "top", "--once", "--json", "--by", test.by, "--server", s.URL()); err != nil || !strings.Contains(out, test.want) {
			t.Errorf("by %s: %v: %q is not in %s", test.by, err, test.want, out)
		}
	}
}

func topReport(t *testing.T, url string) (report top.Report) {
	t.Helper()
	out, err := execute(t, "", "top", "--once", "--json", "--server", url)
	if err == nil {
		err = json.Unmarshal([]byte(out), &report)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return report
}

func TestTopSaysWhichFlagCannotBe(t *testing.T) {
	for args, want := range map[string]string{
		"--window 5s":    "--window 5s: 12s is the least",
		"--interval 1ms": "--interval 1ms: 100ms is the least",
		"--rows 0":       "--rows 0: 1 is the least",
		"--port 99999":   "--port 99999: from 1 to 65535 is possible",
		"--port=-1":      "--port -1: from 1 to 65535 is possible",
	} {
		if out, err := execute(t, "", append([]string{"top"}, strings.Fields(args)...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}
