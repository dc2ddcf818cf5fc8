package sizing

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of docs/scaling.md is what the package reckons, rounded as the command prints it.
func TestTheGuidesSizesAreReckonedOnes(t *testing.T) {
	guide, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name                    string
		exporters, flows, nodes int
	}{
		{"small", 100, 50_000, 3},
		{"medium", 1000, 500_000, 4},
		{"large: 3 FlowCollectors, each with", 3334, 1_666_667, 5},
		{"very large: 10 FlowCollectors, each with", 3334, 1_666_667, 5},
	} {
		f := Reckon(usual(func(l *Load) { l.Exporters, l.FlowsPerSecond, l.Nodes = row.exporters, float64(row.flows), row.nodes }))
		want := fmt.Sprintf("| %s | %d | %d | %d | %.0f%% | %.1f | %s, %s | %d | %s | %.1f to %.1f |\n", row.name, row.exporters, row.flows, row.nodes,
			percent(f.Share), f.CPURequest, f.MemoryRequest, f.MemoryLimit, f.Workers, people(f.StreamBytesPerDay), f.LeastServerCPU, f.MostServerCPU)
		if !strings.Contains(string(guide), want) {
			t.Errorf("docs/scaling.md lacks the row\n%s", want)
		}
	}
}

// What was measured stands in the guide as it stands here.
func TestTheGuideHasWhatWasMeasured(t *testing.T) {
	guide, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Measured {
		measured := fmt.Sprintf("%.2f", float64(m.CPU.Nanoseconds())/1000)
		row := fmt.Sprintf("| %s | %.0f | %.0f |", m.Protocol, m.RecordsPerSecond, m.RecordsPerDatagram)
		_, rest, found := strings.Cut(string(guide), row)
		if line, _, _ := strings.Cut(rest, "\n"); !found || !strings.Contains(line, measured) {
			t.Errorf("docs/scaling.md lacks %s in the row %s", measured, row)
		}
	}
}
