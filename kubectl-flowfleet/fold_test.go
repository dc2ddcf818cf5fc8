package main

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
)

func TestTextOfATableIsFoldedInItsColumn(t *testing.T) {
	for name, test := range map[string]struct{ line, want string }{
		"what fits":               {"1. an address  ok  exporters can send", "1. an address  ok  exporters can send"},
		"what does not":           {"1. an address  ok  exporters can send to 10.79.0.2 (netflow 2055, ipfix 4739)", "1. an address  ok  exporters can send to\n                   10.79.0.2 (netflow 2055,\n                   ipfix 4739)"},
		"a column too far right":  {"SourceIPPreserved  Unknown  OneSender  all flows come from one address, which is right here", "SourceIPPreserved  Unknown  OneSender  \n    all flows come from one address, which is\n    right here"},
		"a heading":               {"PROTOCOL  RECORDS/S  RECORDS  SENT  MISSED  LOSS  NAMED  LAST HEARD", "PROTOCOL  RECORDS/S  RECORDS  SENT  MISSED  LOSS  NAMED  LAST HEARD"},
		"capitals in a cell":      {"1. an address  ok  NATS IS AWAY AND NOTHING IS SHARED MEANWHILE", "1. an address  ok  NATS IS AWAY AND NOTHING\n                   IS SHARED MEANWHILE"},
		"figures":                 {"n1  edge-collector-jlnmx  true  0  devel  15293  0  0  0  152660", "n1  edge-collector-jlnmx  true  0  devel  15293  0  0  0  152660"},
		"a word that is too long": {"Stream  " + strings.Repeat("x", 60) + " ok", "Stream  " + strings.Repeat("x", 60) + "\n        ok"},
		"a command stays whole":   {"Ready   False   it was lost; type: kubectl flowfleet check minimal -n flows; or wait for it", "Ready   False   it was lost; type:\n                kubectl flowfleet check minimal -n flows;\n                or wait for it"},
		"text without a table":    {strings.Repeat("word ", 10) + "end", "word word word word word word word word word\nword end"},
	} {
		if got := fold(test.line, 45); got != test.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, test.want)
		}
	}
}

func TestATableIsFoldedLineByLine(t *testing.T) {
	var out strings.Builder
	w := tabwriter.NewWriter(&folding{out: &out, width: 48}, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "A\tok\tthe bucket is read and written by all of them\nLONGER\tNOT OK\tno\n")
	_ = w.Flush()
	if want := "A       ok      the bucket is read and written\n                by all of them\nLONGER  NOT OK  no\n"; out.String() != want {
		t.Errorf("\n%s\nwant:\n%s", &out, want)
	}
}
