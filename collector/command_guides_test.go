package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// invocation is a command of ours as guides print it: on a laptop, in a pod, and in the examples of commands.
var invocation = regexp.MustCompile(`(?m)^ {4}(?:.*(?:bin| |--)/)?collector((?: [^|#\n]*)?)`)

// Commands that README and guides tell to type exist, with their arguments and flags.
func TestCommandsThatTheGuidesPrintExist(t *testing.T) {
	guides, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, guide := range append(guides, "../README.md", "../charts/flowfleet/templates/NOTES.txt") {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range invocation.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(strings.NewReplacer("[", "", "]", "", "\\", "", "...", "").Replace(found[1]))
			if len(words) == 0 || strings.ContainsAny(words[0], ">=:.") {
				continue
			}
			if i := slices.Index(words, ">"); i > 0 { // the shell's
				words = words[:i]
			}
			command, rest, err := newCommand().Find(words)
			if err != nil || command.Name() == "collector" {
				t.Errorf("%s prints \"collector%s\": %v", guide, found[1], err)
				continue
			}
			looked++
			command.InheritedFlags() // makes cobra join them
			if err := command.ParseFlags(rest); err != nil {
				t.Errorf("%s prints \"collector%s\": %v", guide, found[1], err)
				continue
			}
			if err := command.ValidateArgs(command.Flags().Args()); err != nil {
				t.Errorf("%s prints \"collector%s\": %v", guide, found[1], err)
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d were looked at", looked)
	}
}
