// Command sbom writes a software bill of materials (CycloneDX, JSON) beside each program that it is given, as PROGRAM.cdx.json,
// and fails where that does not name exactly what "go version -m" says the program was built from:
//
//	go run ./hack/sbom bin/collector bin/manager
package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, programs []string) error {
	if len(programs) == 0 {
		return errors.New("no program was named: give the paths of those whose bill is wanted")
	}
	builder, err := build.New(os.Stderr)
	if err != nil {
		return err
	}
	tools, err := builder.Build(ctx, "cyclonedx-gomod")
	if err != nil {
		return err
	}
	for _, program := range programs {
		file := program + ".cdx.json"
		if err := write(ctx, filepath.Join(tools, "cyclonedx-gomod"), program, file); err != nil {
			return err
		}
		modules, err := verify(program, file)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d modules\n", file, modules)
	}
	return nil
}

// write has the tool read what the linker put into the program. The same program gives the same file.
func write(ctx context.Context, tool, program, file string) error {
	out, err := exec.CommandContext(ctx, tool, "bin", "-json", "-std", "-noserial", "-notimestamp", "-output", file, program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("listing what %s is made of: %w\n%s", program, err, out)
	}
	return nil
}

// verify compares a bill with the program, and returns how many modules it names, the standard library among them.
func verify(program, file string) (int, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return 0, fmt.Errorf("reading what %s is made of: %w", program, err)
	}
	built := map[string]bool{"std@" + info.GoVersion: true}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		built[m.Path+"@"+m.Version] = true
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var bill struct {
		Components []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"components"`
	}
	if err := json.Unmarshal(content, &bill); err != nil {
		return 0, fmt.Errorf("reading %s: %w", file, err)
	}
	named := make(map[string]bool)
	for _, c := range bill.Components {
		named[c.Name+"@"+c.Version] = true
	}
	for _, module := range slices.Sorted(maps.Keys(built)) {
		if !named[module] {
			err = errors.Join(err, fmt.Errorf("%s is built from %s, which %s does not name", program, module, file))
		}
	}
	for _, module := range slices.Sorted(maps.Keys(named)) {
		if !built[module] {
			err = errors.Join(err, fmt.Errorf("%s names %s, which %s is not built from", file, module, program))
		}
	}
	return len(named), err
}
