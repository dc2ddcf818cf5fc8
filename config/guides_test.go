package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/guides"
)

var (
	code   = regexp.MustCompile("`[^`\n]*`")
	linked = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	named  = regexp.MustCompile(`\b(?:config|charts|docs|hack|kubectl-flowfleet)/[-a-z0-9_/]+(?:\.ya?ml|\.md)?\b`)
	target = regexp.MustCompile(`(?m)(?:^ {4}|` + "`" + `)make ([a-z][-a-z0-9]*)((?: [A-Z_]+=[^ \x60]+)*)`)
)

// A merge that was not finished is no text for users.
func TestNoGuideHasTheMarksOfAMerge(t *testing.T) {
	for guide, text := range guides.Pages(t) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "<<<<<<< ") || strings.HasPrefix(line, ">>>>>>> ") {
				t.Errorf("%s: %s", guide, line)
			}
		}
	}
}

// braces are words that a shell makes several of: helm takes lists in them.
var braces = regexp.MustCompile(`=\{[^ }'"]*,[^ }'"]*\}`)

// A command is typed as it is printed, so what a shell would take apart is quoted.
func TestListsInPrintedCommandsAreQuoted(t *testing.T) {
	for guide, text := range guides.Pages(t) {
		for line := range strings.Lines(text) {
			if command, indented := strings.CutPrefix(line, "    "); indented && strings.Contains(command, "--set") {
				for _, found := range braces.FindAllString(unquoted(command), -1) {
					t.Errorf("%s: a shell makes several arguments of %q: quote it", guide, found)
				}
			}
		}
	}
}

// unquoted leaves out what is in single quotes.
func unquoted(command string) (out string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 0 {
			out += part
		}
	}
	return out
}

// What README and the guides tell to read or to type is there.
func TestFilesAndTargetsThatTheGuidesNameAreThere(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for guide, text := range guides.Pages(t) {
		there := func(path string) {
			looked++
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s names %s, which is not there", guide, path)
			}
		}
		for _, link := range linked.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			there(filepath.Join("..", filepath.Dir(guide), link[1]))
		}
		for line := range strings.Lines(text) {
			if command, indented := strings.CutPrefix(line, "    "); indented {
				for _, path := range named.FindAllString(command, -1) {
					if strings.HasPrefix(command, "git ") || strings.Contains(command, "://"+path) {
						continue
					}
					there(filepath.Join("..", path))
				}
			}
		}
		for _, name := range target.FindAllStringSubmatch(text, -1) {
			looked++
			if !strings.Contains(string(makefile), "\n"+name[1]+":") {
				t.Errorf("%s names \"make %s\", which is no target", guide, name[1])
			}
			for _, variable := range strings.Fields(name[2]) {
				if variable, _, _ = strings.Cut(variable, "="); !strings.Contains(string(makefile), variable) {
					t.Errorf("%s sets %s for \"make %s\", which the Makefile does not use", guide, variable, name[1])
				}
			}
		}
	}
	if looked < 60 {
		t.Errorf("only %d were looked at", looked)
	}
}
