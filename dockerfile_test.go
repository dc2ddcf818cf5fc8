package main

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// dockerfile returns the instructions, each as one line.
func dockerfile(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(string(text), "")
	var instructions []string
	for line := range strings.Lines(joined) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			instructions = append(instructions, line)
		}
	}
	return instructions
}

// copied returns what the image's build copies from the clone.
func copied(t *testing.T) (names []string) {
	t.Helper()
	for _, instruction := range dockerfile(t) {
		fields := strings.Fields(instruction)
		if fields[0] == "COPY" && !strings.HasPrefix(fields[1], "--from") {
			names = append(names, fields[1:len(fields)-1]...)
		}
	}
	slices.Sort(names)
	return names
}

func TestImageIsBuiltFromAllThatItNeedsAndNothingElse(t *testing.T) {
	text, err := os.ReadFile(".dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var let []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			let = append(let, name)
		}
	}
	slices.Sort(let)
	if sources := copied(t); !slices.Equal(sources, let) {
		t.Errorf("Dockerfile copies %v, .dockerignore lets through %v", sources, let)
	}
	// The files that the programs are built from, relative to the clone.
	format := `{{$d := .Dir}}{{if .Module}}{{if .Module.Main}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".", "./collector").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 50 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil { // also tells "go test" that its cached result hangs on it
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(name, "/"); !slices.Contains(let, first) {
			t.Errorf("%s does not reach the build", name)
		}
		if strings.Contains(name, "/testdata/") || strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s is kept from the build by .dockerignore", name)
		}
	}
}

// There is no Docker engine in the tests: what the Dockerfile would run is run without one.
func TestCommandsOfTheDockerfileBuildStaticProgramsThatKnowTheirVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("builds both programs for two architectures")
	}
	var script string
	for _, instruction := range dockerfile(t) {
		if strings.HasPrefix(instruction, "RUN ") && strings.Contains(instruction, "go build") {
			script = regexp.MustCompile(`^RUN (--\S+ )*`).ReplaceAllString(instruction, "")
		}
	}
	if script == "" {
		t.Fatal("the Dockerfile builds nothing")
	}
	const version = "v987.654.321-dockerfile"
	for architecture, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(architecture, func(t *testing.T) {
			directory := t.TempDir()
			command := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(script, "/out/", directory+"/"))
			command.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+architecture, "VERSION="+version)
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, program := range []string{"manager", "collector"} {
				name := path.Join(directory, program)
				file, err := elf.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = file.Close() }()
				if file.Machine != machine {
					t.Errorf("%s is for %s", program, file.Machine)
				}
				for _, segment := range file.Progs {
					if segment.Type == elf.PT_INTERP {
						t.Errorf("%s needs a loader and libraries, which the image does not have", program)
					}
				}
				content, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Contains(content, []byte(version)) {
					t.Errorf("%s does not know its version: what -X names is not there", program)
				}
			}
			if architecture == runtime.GOARCH {
				out, err := exec.CommandContext(t.Context(), path.Join(directory, "collector"), "--version").CombinedOutput()
				if err != nil || !strings.Contains(string(out), version) {
					t.Errorf("collector --version: %v: %s", err, out)
				}
			}
		})
	}
}

func TestImageRunsWithoutPrivileges(t *testing.T) {
	var last []string // the last stage
	for _, instruction := range dockerfile(t) {
		if strings.HasPrefix(instruction, "FROM ") {
			last = nil
		}
		last = append(last, instruction)
	}
	if !regexp.MustCompile(`^FROM \S*/distroless/static-\S+:nonroot$`).MatchString(last[0]) {
		t.Errorf("it is made %s", last[0])
	}
	for _, want := range []string{
		"USER 65532:65532", // a number: Kubernetes cannot tell whether a name is root
		`ENTRYPOINT ["/manager"]`,
		"COPY --from=build /out/manager /manager",
		"COPY --from=build /out/collector /collector",
	} {
		if !slices.Contains(last, want) {
			t.Errorf("the image lacks %q", want)
		}
	}
}
