package build_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/modfile"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

const hello = "package main\n\nvar version = \"none\"\n\nfunc main() { println(\"hello\", version) }\n"

// newBuilder returns a builder of two programs: hello, and one that cannot be built.
func newBuilder(t *testing.T) (*build.Builder, *bytes.Buffer) {
	t.Helper()
	directory := t.TempDir()
	modules := filepath.Join(directory, "modules")
	write(t, filepath.Join(modules, "good", "go.mod"), "module example.test/good\n\ngo 1.24\n\nrequire example.test/dependency v1.2.3\n\nreplace example.test/dependency => ./dependency\n")
	write(t, filepath.Join(modules, "good", "dependency", "go.mod"), "module example.test/dependency\n\ngo 1.24\n")
	write(t, filepath.Join(modules, "good", "dependency", "hello", "main.go"), hello)
	write(t, filepath.Join(modules, "bad", "go.mod"), "module example.test/bad\n\ngo 1.24\n")
	write(t, filepath.Join(modules, "bad", "main.go"), "package main\n\nfunc main() { undefinedName() }\n")
	var progress bytes.Buffer
	return &build.Builder{
		Programs: []build.Program{
			{Name: "hello", Module: "good", Package: "example.test/dependency/hello", LDFlags: "-X main.version={version}/{minor}"},
			{Name: "broken", Module: "bad", Package: "example.test/bad"},
		},
		Modules:  modules,
		Cache:    filepath.Join(directory, "cache"),
		Progress: &progress,
	}, &progress
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestProgramRunsAndKnowsThePinnedVersion(t *testing.T) {
	builder, _ := newBuilder(t)
	directory, err := builder.Build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(directory, "hello")).CombinedOutput()
	if err != nil || string(out) != "hello v1.2.3/2\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestSecondBuildIsTheFirst(t *testing.T) {
	builder, progress := newBuilder(t)
	first, err := builder.Build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	progress.Reset()
	second, err := builder.Build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if first != second || progress.Len() > 0 {
		t.Errorf("%s, then %s with %q", first, second, progress)
	}
}

func TestBuiltFindsWhatBuildMadeAndBuildsNothing(t *testing.T) {
	builder, _ := newBuilder(t)
	if _, err := builder.Built(t.Context(), "hello"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "hello") {
		t.Errorf("nothing was built yet, and the error is %v", err)
	}
	if _, err := os.Stat(builder.Cache); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking made %s (%v)", builder.Cache, err)
	}
	made, err := builder.Build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := builder.Built(t.Context(), "hello"); err != nil || found != made {
		t.Errorf("built in %s, found in %s (%v)", made, found, err)
	}
}

func TestWhatDeterminesAProgramGivesItAnotherPlace(t *testing.T) {
	builder, _ := newBuilder(t)
	seen := map[string]string{}
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"nothing", func() {}},
		{"flags", func() { builder.Programs[0].LDFlags = "" }},
		{"tags", func() { builder.Programs[0].Tags = "other" }},
		{"go.sum", func() { write(t, filepath.Join(builder.Modules, "good", "go.sum"), "") }},
		{"go.mod", func() {
			path := filepath.Join(builder.Modules, "good", "go.mod")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, strings.Replace(string(content), "v1.2.3", "v1.2.4", 1))
		}},
	} {
		step.change()
		directory, err := builder.Build(t.Context(), "hello")
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[directory]; ok {
			t.Errorf("%s: the same place as after %s", step.name, other)
		}
		seen[directory] = step.name
	}
}

func TestFailureNamesTheProgramAndTheCompilersWords(t *testing.T) {
	builder, _ := newBuilder(t)
	_, err := builder.Build(t.Context(), "hello", "broken")
	if err == nil || !strings.Contains(err.Error(), "building broken") || !strings.Contains(err.Error(), "undefined: undefinedName") {
		t.Fatalf("got %v", err)
	}
	noneHalfBuilt(t, builder.Cache)
	if _, err := builder.Build(t.Context(), "hello"); err != nil {
		t.Errorf("the one that builds is harmed: %v", err)
	}
}

func TestUnknownProgramIsNamedWithThoseThatAreKnown(t *testing.T) {
	builder, _ := newBuilder(t)
	_, err := builder.Build(t.Context(), "hello", "nonesuch")
	if err == nil || !strings.Contains(err.Error(), "unknown: nonesuch (known: hello, broken)") {
		t.Errorf("got %v", err)
	}
	if _, err := builder.Build(t.Context()); err == nil {
		t.Error("no program, and no error")
	}
}

func TestSeveralAtOnceBuildOnce(t *testing.T) {
	builder, _ := newBuilder(t)
	var progress lockedBuffer
	builder.Progress = &progress
	directories := make([]string, 4)
	var group sync.WaitGroup
	for i := range directories {
		group.Go(func() {
			var err error
			if directories[i], err = builder.Build(t.Context(), "hello"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, directory := range directories {
		if directory != directories[0] {
			t.Errorf("different places: %v", directories)
		}
	}
	if built := strings.Count(progress.String(), "built in"); built != 1 {
		t.Errorf("built %d times:\n%s", built, progress.String())
	}
}

func TestInterruptLeavesNothingHalfBuilt(t *testing.T) {
	builder, _ := newBuilder(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for ctx.Err() == nil { // the time of a build is not known: a new one until the interrupt falls into one
		builder.Programs[0].Tags += "x"
		_, _ = builder.Build(ctx, "hello")
	}
	if _, err := builder.Build(ctx, "broken"); err == nil {
		t.Error("an ended context builds")
	}
	noneHalfBuilt(t, builder.Cache)
}

func noneHalfBuilt(t *testing.T, cache string) {
	t.Helper()
	_ = filepath.WalkDir(cache, func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".building") {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

func TestCacheDirectoryFollowsTheEnvironment(t *testing.T) {
	for _, test := range []struct{ own, user, want string }{
		{"/one", "/two", "/one"},
		{"", "/two", "/two/flowfleet"},
	} {
		t.Setenv("FLOWFLEET_CACHE", test.own)
		t.Setenv("XDG_CACHE_HOME", test.user)
		if got, err := build.CacheDirectory(); err != nil || got != test.want {
			t.Errorf("%+v: got %s, %v", test, got, err)
		}
	}
}

// The tool directives keep a module tidy; the catalogue says how its programs are built. They must not drift apart.
func TestCatalogueAndModulesAgree(t *testing.T) {
	builder, err := build.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, program := range builder.Programs {
		listed[program.Module+" "+program.Package] = true
	}
	modules, err := filepath.Glob(filepath.Join(builder.Modules, "*", "go.mod"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("modules: %v, %v", modules, err)
	}
	for _, path := range modules {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := modfile.Parse(path, content, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range file.Tool {
			line := filepath.Base(filepath.Dir(path)) + " " + tool.Path
			if !listed[line] {
				t.Errorf("%s is a tool of its module, but not in the catalogue", line)
			}
			delete(listed, line)
		}
	}
	for line := range listed {
		if strings.Contains(line, " github.com/flowfleet/") {
			continue // a main package of our own, in that module
		}
		t.Errorf("%s is in the catalogue, but no tool of its module", line)
	}
}

type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
