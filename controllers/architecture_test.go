package controllers

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/flowfleet/flowfleet/"

func TestDependenciesPointOneWay(t *testing.T) {
	for name, forbidden := range map[string][]string{
		"api/v1alpha1": {module + "collector", module + "controllers", "sigs.k8s.io/controller-runtime", "k8s.io/client-go",
			"github.com/nats-io/"},
		"controllers/fleet":       {module + "controllers/jetstream", "sigs.k8s.io/controller-runtime", "github.com/nats-io/"},
		"controllers/jetstream":   {module + "api", "k8s.io/", "sigs.k8s.io/controller-runtime"},
		"controllers/observation": {module + "api", "k8s.io/", "sigs.k8s.io/controller-runtime", "github.com/nats-io/"},
		"controllers":             {module + "collector/decode/netflow", module + "collector/listen", module + "collector/run"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dependency := range strings.Fields(string(out)) {
			for _, prefix := range forbidden {
				if strings.HasPrefix(dependency, prefix) {
					t.Errorf("%s is built from %s", name, dependency)
				}
			}
		}
	}
}

func TestBuildersAreGivenNoClientAndNoClock(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, module+"controllers/fleet").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, imported := range strings.Fields(string(out)) {
		switch imported {
		case "context", "time", "os", "k8s.io/client-go/kubernetes", "k8s.io/client-go/rest":
			t.Errorf("package fleet imports %s", imported)
		}
	}
}

// reasonConstant matches the declarations of reasons, some of which the API has under the same names.
var reasonConstant = regexp.MustCompile(`(?m)^\tReason\w+ += (?:"|v1alpha1\.Reason)(\w+)"?$`)

func TestTheJudgeIsGivenNoClientAndNoContext(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, module+"controllers/judge").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, imported := range strings.Fields(string(out)) {
		if imported == "context" || imported == "os" || strings.HasPrefix(imported, "sigs.k8s.io/") || strings.HasPrefix(imported, "k8s.io/client-go") {
			t.Errorf("package judge imports %s", imported)
		}
	}
}

func TestEveryReasonIsInTheGuide(t *testing.T) {
	source, err := os.ReadFile("judge/reasons.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := reasonConstant.FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, r := range reasons {
		if !strings.Contains(string(guide), "`"+r[1]+"`") {
			t.Errorf("docs/conditions.md does not explain the reason %s", r[1])
		}
	}
}
