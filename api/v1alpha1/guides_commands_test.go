package v1alpha1_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/hack/guides"
)

var (
	continued = regexp.MustCompile(`\\\n\s*`)
	// kubectlCommand stands on a line of its own, or between backquotes; what follows a comment, a pipe or "--" is another program's.
	kubectlCommand = regexp.MustCompile("(?m)(?:^ {4,}(?:\\$ )?|`)kubectl ([^`#|&;>\n]+)")
	option         = regexp.MustCompile(`(?m)^\s+(?:(-\w), )?(--[-a-z]+)=(.*):$`)
	quoted         = regexp.MustCompile(`'[^']*'|"[^"]*"`)
)

// kubectl is what a kubectl says of itself, and of the resources of a server.
type kubectl struct {
	help      func(words ...string) string
	general   string          // options of all commands
	resources map[string]bool // names, short names and kinds, with and without their groups
}

func newKubectl(t *testing.T, s *controllertest.Server) *kubectl {
	k := &kubectl{resources: map[string]bool{"all": true}}
	asked := map[string]string{}
	k.help = func(words ...string) string {
		key := strings.Join(words, " ")
		if asked[key] == "" {
			asked[key] = s.Kubectl(t, "", slices.Concat(words, []string{"--help"})...)
		}
		return asked[key]
	}
	k.general = s.Kubectl(t, "", "options")
	for line := range strings.Lines(s.Kubectl(t, "", "api-resources", "--no-headers")) {
		fields := strings.Fields(line)
		version, kind := fields[len(fields)-3], fields[len(fields)-1]
		group := ""
		if i := strings.IndexByte(version, '/'); i >= 0 {
			group = "." + version[:i]
		}
		names := append([]string{fields[0], strings.ToLower(kind)}, strings.Split(fields[1], ",")...)
		for _, name := range names {
			k.resources[name], k.resources[name+group] = true, true
		}
	}
	return k
}

// problem is what is wrong with a command's words, "" for nothing.
func (k *kubectl) problem(words []string) string {
	verb := words[:1]
	for len(verb) < len(words) && strings.Contains(k.help(verb...), "\nAvailable Commands:") && regexp.MustCompile(`(?m)^  `+
		regexp.QuoteMeta(words[len(verb)])+`\s`).MatchString(k.help(verb...)) {
		verb = words[:len(verb)+1]
	}
	help := k.help(verb...)
	if !strings.Contains(help, "kubectl "+strings.Join(verb, " ")) {
		return "there is no such command"
	}
	options := append(option.FindAllStringSubmatch(help, -1), option.FindAllStringSubmatch(k.general, -1)...)
	var arguments []string
	for i := len(verb); i < len(words) && words[i] != "--"; i++ {
		name, _, joined := strings.Cut(words[i], "=")
		if !strings.HasPrefix(name, "-") || name == "-" {
			arguments = append(arguments, words[i])
			continue
		}
		found := slices.IndexFunc(options, func(o []string) bool { return o[1] == name || o[2] == name })
		if found < 0 {
			return "there is no option " + name
		}
		if standard := options[found][3]; !joined && standard != "false" && standard != "true" {
			i++ // its value
		}
	}
	switch verb[0] {
	case "get", "describe", "delete", "patch", "annotate", "label", "edit":
		if len(arguments) > 0 {
			arguments = append(strings.Split(arguments[0], ","), arguments[1:]...)
			if first, _, named := strings.Cut(arguments[0], "/"); !named && !k.resources[first] && !strings.Contains(first, "...") {
				return "there is no resource " + first
			}
		}
	}
	for _, argument := range arguments {
		if resource, _, named := strings.Cut(argument, "/"); named && verb[0] != "cp" && !strings.Contains(argument, "=") && !strings.HasSuffix(argument, "-") &&
			!k.resources[resource] {
			return "there is no resource " + resource
		}
	}
	return ""
}

// Each command of kubectl that README and guides print has options and resources that exist.
func TestCommandsOfKubectlThatTheGuidesPrintExist(t *testing.T) {
	s := controllertest.Start(t)
	k := newKubectl(t, s)
	looked := 0
	for guide, text := range guides.Pages(t) {
		for _, command := range kubectlCommand.FindAllStringSubmatch(continued.ReplaceAllString(text, " "), -1) {
			words := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(quoted.ReplaceAllString(command[1], "QUOTED")))
			if len(words) == 0 || words[0] == "flowfleet" {
				continue
			}
			looked++
			if problem := k.problem(words); problem != "" {
				t.Errorf("%s prints \"kubectl %s\": %s", guide, strings.TrimSpace(command[1]), problem)
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d were looked at", looked)
	}
}
