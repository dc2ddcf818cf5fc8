package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/guides"
)

// invocation is a command of ours as guides print it: on a laptop, in a pod, and in the examples of commands.
var invocation = regexp.MustCompile(`(?m)^ {4}(?:.*(?:bin| |--)/)?collector((?: [^|#\n]*)?)`)

// Commands that README and guides tell to type exist, with their arguments and flags.
func TestCommandsThatTheGuidesPrintExist(t *testing.T) {
	looked := 0
	for guide, text := range guides.Pages(t) {
		for _, found := range invocation.FindAllStringSubmatch(text, -1) {
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
