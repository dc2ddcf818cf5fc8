package e2e

import (
	"os"
	"strings"
	"testing"
)

// What docs/troubleshooting.md tells to type is typed here as it stands, while exporters send.
func TestCommandsForTroubleshootingWork(t *testing.T) {
	diagnose(t)
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	must(t, err)
	var script strings.Builder
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "## ") {
			break // the tools stand before the first symptom
		}
		if command, indented := strings.CutPrefix(line, "    "); indented {
			script.WriteString(command)
		}
	}
	end := begin(t, "--exporters", "12", "--rate", "200", "--duration", "15s")
	out, err := cluster.Shell(t.Context(), script.String())
	complete(t, end())
	must(t, err)
	for what, words := range map[string]string{
		"flows":     "10.78.128.1",
		"templates": "netflow9",
		"books":     "MISSED",
	} {
		if !strings.Contains(out, words) {
			t.Errorf("no %s (%q) in what was printed:\n%s\n%s", what, words, script.String(), out)
		}
	}
}
