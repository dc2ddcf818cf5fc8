package charts_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/guides"
)

var (
	continued   = regexp.MustCompile(`\\\n\s*`)
	helmCommand = regexp.MustCompile("(?m)(?:^ {4,}|`)helm ([^`#|&;>\n]+)")
	// A value may stand alone: `--set sinks.enabled=true`.
	setValue = regexp.MustCompile(`--set(?:-json)?[ =]('[^']*'|"[^"]*"|[^\s` + "`" + `]+)`)
	longFlag = regexp.MustCompile(`(?:^|\s)(--[a-z][-a-z]*)`)
)

// Commands of helm that README and guides print have flags that exist, and set values that the chart has.
func TestCommandsOfHelmThatTheGuidesPrintExist(t *testing.T) {
	if helm == "helm3" {
		t.Skip("the guides are for Helm 4, and say where Helm 3 differs")
	}
	help := map[string]string{}
	var values []string
	looked := 0
	for guide, text := range guides.Pages(t) {
		joined := continued.ReplaceAllString(text, " ")
		ofOthers := map[string]bool{} // what is set in other charts
		for _, found := range helmCommand.FindAllStringSubmatch(joined, -1) {
			command := strings.TrimSpace(found[1])
			verb, _, _ := strings.Cut(command, " ")
			if help[verb] == "" {
				out, errs, err := run(t, helm, verb, "--help")
				if err != nil {
					t.Errorf("%s prints \"helm %s\": %s", guide, command, errs)
					continue
				}
				help[verb] = out
			}
			looked++
			for _, flag := range longFlag.FindAllStringSubmatch(command, -1) {
				if !regexp.MustCompile(`(?m)\s` + flag[1] + `\s`).MatchString(help[verb]) {
					t.Errorf("%s prints \"helm %s\": there is no %s", guide, command, flag[1])
				}
			}
			if (verb == "install" || verb == "upgrade") && !strings.Contains(command, "charts/flowfleet") && strings.Contains(command, "/") {
				for _, set := range setValue.FindAllStringSubmatch(command, -1) {
					ofOthers[set[1]] = true
				}
			}
		}
		for _, set := range setValue.FindAllStringSubmatch(joined, -1) {
			if value := strings.Trim(set[1], `'"`); !ofOthers[set[1]] && strings.Contains(value, "=") {
				values = append(values, value)
			}
		}
	}
	for _, value := range values {
		looked++
		kind := "--set"
		if _, what, _ := strings.Cut(value, "="); strings.HasPrefix(what, "[") || strings.HasPrefix(what, `"`) {
			kind = "--set-json"
		}
		if _, err := template(t, kind, value); err != nil {
			t.Errorf("--set %s is refused: %v", value, err)
		}
	}
	if looked < 15 {
		t.Errorf("only %d were looked at", looked)
	}
}
