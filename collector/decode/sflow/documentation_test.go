package sflow

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestTheDocumentedReasonsAreThoseOfTheCode reads the table of reasons in docs/flow-format.md.
func TestTheDocumentedReasonsAreThoseOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../../docs/flow-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| Reason | `forwarding_status` (element 89) |\n|---|---|\n")
	if !found {
		t.Fatal("docs/flow-format.md has no table of reasons")
	}
	documented := make(map[uint32]uint32)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		status, err := strconv.ParseUint(strings.TrimSpace(strings.SplitN(cells[2], ",", 2)[0]), 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for reason := range strings.SplitSeq(cells[1], ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(reason), 10, 32)
			if err != nil {
				continue // others
			}
			documented[uint32(n)] = uint32(status)
		}
	}
	for reason := range uint32(400) {
		want, ok := documented[reason]
		if !ok {
			want = dropped
		}
		if got := discarded(reason); got != want {
			t.Errorf("reason %d gives %d, documented is %d", reason, got, want)
		}
	}
}
