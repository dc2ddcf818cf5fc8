package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flowfleet/flowfleet/"

// dependenciesOf lists the packages that a package is built from.
func dependenciesOf(t *testing.T, name string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", module+name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestTheCollectorKnowsNoKubernetes(t *testing.T) {
	for _, dependency := range dependenciesOf(t, "collector") {
		if strings.HasPrefix(dependency, "k8s.io/") || strings.HasPrefix(dependency, "sigs.k8s.io/controller-runtime") ||
			strings.HasPrefix(dependency, module+"api") || strings.HasPrefix(dependency, module+"controllers") {
			t.Errorf("the collector is built from %s", dependency)
		}
	}
}

// What decodes is the same for a capture as for a socket: it does no I/O, logs nothing, and is told the time.
func TestWhatDecodesDoesNoIOAndReadsNoClock(t *testing.T) {
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, file := range append(files, deeper...) {
		pure := slices.Contains([]string{"boot", "decode", "element", "flow", "ledger", "network", "sampling", "template"}, strings.Split(file, "/")[0])
		if !pure || strings.HasSuffix(file, "_test.go") {
			continue
		}
		looked++
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{`"os"`, `"net"`, `"log"`, `"log/slog"`, `"net/http"`, module + "collector/clock", "time.Now(", "time.Since("} {
			if bytes.Contains(source, []byte(forbidden)) {
				t.Errorf("%s has %s", file, forbidden)
			}
		}
	}
	if looked < 30 {
		t.Errorf("only %d files were looked at", looked)
	}
}

func TestDependenciesPointOneWay(t *testing.T) {
	for name, forbidden := range map[string][]string{
		"collector/decode":      {"github.com/nats-io/", module + "collector/share", module + "collector/publish"},
		"collector/template":    {"github.com/nats-io/", module + "collector/decode", module + "collector/flow"},
		"collector/sampling":    {"github.com/nats-io/", module + "collector/decode", module + "collector/flow", module + "collector/share"},
		"collector/boot":        {"github.com/nats-io/", module + "collector/decode", module + "collector/flow", module + "collector/share"},
		"collector/flow":        {"github.com/nats-io/", module + "collector/decode", module + "collector/template"},
		"collector/spool":       {module + "collector/config", module + "collector/publish", "github.com/nats-io/"},
		"collector/publish":     {module + "collector/decode", module + "collector/template", module + "collector/flow"},
		"collector/share":       {module + "collector/decode", module + "collector/flow", module + "collector/publish"},
		"collector/config":      {module + "collector/decode", module + "collector/share", "github.com/nats-io/"},
		"collector/sink":        {module + "collector/decode", module + "collector/share", module + "collector/sink/", "github.com/ebitengine/"},
		"controllers/jetstream": {"k8s.io/", "sigs.k8s.io/controller-runtime", module + "api"},
		"collector/observe":     {module + "collector/run", module + "collector/decode", "github.com/nats-io/"},
	} {
		for _, dependency := range dependenciesOf(t, name) {
			for _, prefix := range forbidden {
				if strings.HasPrefix(dependency, prefix) {
					t.Errorf("%s is built from %s", name, dependency)
				}
			}
		}
	}
}
