package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// typed is a command of the collector as the guides tell to type it: in a block of its own, or between back quotes.
var typed = regexp.MustCompile("(?m)(?:^ {4}(?:.* )?(?:bin/|/)?|`)collector ((?:run|decode|templates|tail|ledger|config|schema|names|size|version)\\b[^`#|\n]*)")

func TestCommandsOfTheGuidesHaveTheFlagsThatTheGuidesName(t *testing.T) {
	guides, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, guide := range append(guides, "../README.md") {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range typed.FindAllStringSubmatch(string(text), -1) {
			tried++
			arguments := strings.Fields(strings.TrimRight(match[1], ").,:; "))
			command, rest, err := newCommand().Find(arguments)
			if err != nil {
				t.Errorf("%s: collector %s: %v", filepath.Base(guide), match[1], err)
				continue
			}
			for _, argument := range rest {
				name, _, _ := strings.Cut(strings.TrimLeft(argument, "-"), "=")
				if strings.HasPrefix(argument, "--") && name != "" && command.Flag(name) == nil && name != "help" {
					t.Errorf("%s: collector %s: %q has no flag --%s", filepath.Base(guide), match[1], command.CommandPath(), name)
				}
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d commands were found", tried)
	}
}
