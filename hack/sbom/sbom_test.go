package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestABillNamesWhatTheProgramsAreBuiltFromAndNothingElse(t *testing.T) {
	directory := t.TempDir()
	collector, manager := filepath.Join(directory, "collector"), filepath.Join(directory, "manager")
	for program, source := range map[string]string{collector: "../../collector", manager: "../.."} {
		command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, source)
		command.Env = append(os.Environ(), "CGO_ENABLED=0") // as "make build" does, which shares its cache
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := run(t.Context(), []string{collector, manager}); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(collector + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{collector}); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(collector + ".cdx.json"); err != nil || string(second) != string(first) {
		t.Error("the second bill of the same program differs", err)
	}

	// A bill of another program is found out, both ways.
	_, err = verify(collector, manager+".cdx.json")
	if err == nil || !strings.Contains(err.Error(), "names sigs.k8s.io/controller-runtime@") {
		t.Errorf("the manager's bill for the collector: %v", err)
	}
	_, err = verify(manager, collector+".cdx.json")
	if err == nil || !strings.Contains(err.Error(), "is built from sigs.k8s.io/controller-runtime@") {
		t.Errorf("the collector's bill for the manager: %v", err)
	}
}
