// Package build makes programs from the modules that hack/modules pins, and keeps them in a cache outside the clone.
//
// A program is built once for what determines it: its module's go.mod and go.sum, its flags, the Go version and the
// platform. It appears under its name only when it is whole, and several callers at once build it once.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Builder builds programs. Its fields are set before the first call, and not changed.
type Builder struct {
	Programs []Program // what can be asked for
	Modules  string    // the folder with one module a folder: hack/modules
	Cache    string    // where binaries are kept; made when missing
	Progress io.Writer // what is being done, for a person
}

// New returns a builder of the catalogue's programs for the clone that holds the working directory.
func New(progress io.Writer) (*Builder, error) {
	modules, err := findModules()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDirectory()
	if err != nil {
		return nil, err
	}
	return &Builder{Programs: Catalogue, Modules: modules, Cache: filepath.Join(cache, "binaries"), Progress: progress}, nil
}

// findModules looks for hack/modules from the working directory upwards.
func findModules() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		modules := filepath.Join(directory, "hack", "modules")
		if info, err := os.Stat(modules); err == nil && info.IsDir() {
			return modules, nil
		}
		if directory == filepath.Dir(directory) {
			return "", fmt.Errorf("no hack/modules in %s or above it: run this inside a clone", start)
		}
	}
}

// Build sees to it that the named programs are there, and returns the one directory that holds them all, under their
// names. It ends early, leaving nothing half done, when the context does.
func (b *Builder) Build(ctx context.Context, names ...string) (string, error) {
	programs, err := b.find(names)
	if err != nil {
		return "", err
	}
	platform, err := readPlatform(ctx)
	if err != nil {
		return "", err
	}
	paths := make(map[string]string, len(programs))
	for _, program := range programs {
		if paths[program.Name], err = b.one(ctx, program, platform); err != nil {
			return "", fmt.Errorf("building %s: %w", program.Name, err)
		}
	}
	return b.gather(paths)
}

// Built returns the directory that Build would return if that had nothing to do, else an error that is fs.ErrNotExist.
func (b *Builder) Built(ctx context.Context, names ...string) (string, error) {
	programs, err := b.find(names)
	if err != nil {
		return "", err
	}
	platform, err := readPlatform(ctx)
	if err != nil {
		return "", err
	}
	paths := make(map[string]string, len(programs))
	for _, program := range programs {
		path, _, err := b.place(program, platform)
		if err != nil {
			return "", err
		}
		if !exists(path) {
			return "", fmt.Errorf("%s was not built yet: %w", program.Name, fs.ErrNotExist)
		}
		paths[program.Name] = path
	}
	return b.gather(paths)
}

// find returns the programs of these names in the catalogue's order, which builds what others share first.
func (b *Builder) find(names []string) ([]Program, error) {
	if len(names) == 0 {
		return nil, errors.New("no program was named")
	}
	var found []Program
	unknown := slices.Clone(names)
	for _, program := range b.Programs {
		if slices.Contains(names, program.Name) {
			found = append(found, program)
			unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == program.Name })
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("unknown: %s (known: %s)", strings.Join(unknown, ", "), strings.Join(b.names(), ", "))
	}
	return found, nil
}

func (b *Builder) names() (names []string) {
	for _, program := range b.Programs {
		names = append(names, program.Name)
	}
	return names
}

// one returns the path of the program, which it builds when it is not there.
func (b *Builder) one(ctx context.Context, program Program, platform platform) (string, error) {
	path, arguments, err := b.place(program, platform)
	if err != nil {
		return "", err
	}
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, path+".lock", func() { b.say("%s: waiting for another build of it", program.Name) })
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) { // built by whoever held the lock
		return path, nil
	}
	return path, b.compile(ctx, program, arguments, path)
}

// place returns where the program is kept, and the arguments of "go build" that make it.
func (b *Builder) place(program Program, platform platform) (path string, flags []string, err error) {
	module := filepath.Join(b.Modules, program.Module)
	flags, err = arguments(module, program)
	if err != nil {
		return "", nil, err
	}
	key, err := key(module, program, flags, platform)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(b.Cache, program.Name+"-"+key, program.Name), flags, nil
}

// arguments returns those of "go build", but for the output.
func arguments(module string, program Program) ([]string, error) {
	ldflags := "-s -w"
	if program.LDFlags != "" {
		version, err := pinned(module, program.Package)
		if err != nil {
			return nil, err
		}
		minor := ""
		if parts := strings.Split(version, "."); len(parts) > 1 {
			minor = parts[1]
		}
		ldflags += " " + strings.NewReplacer("{version}", version, "{minor}", minor).Replace(program.LDFlags)
	}
	arguments := []string{"build", "-trimpath", "-ldflags=" + ldflags}
	if program.Tags != "" {
		arguments = append(arguments, "-tags="+program.Tags)
	}
	return append(arguments, program.Package), nil
}

// compile builds into a temporary file beside path, and renames it.
func (b *Builder) compile(ctx context.Context, program Program, arguments []string, path string) error {
	module := filepath.Join(b.Modules, program.Module)
	temporary := path + ".building"
	defer func() { _ = os.Remove(temporary) }() // in vain after the rename
	arguments = slices.Insert(slices.Clone(arguments), 1, "-v", "-o", temporary)
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = module
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED="+cgo(program))
	var output compiled
	command.Stdout, command.Stderr = &output, &output
	// The compilers are children of go: a group of their own lets one signal end them all.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second

	began := time.Now()
	note := ""
	if program.Note != "" {
		note = ": " + program.Note
	}
	b.say("%s: building from %s%s", program.Name, program.Package, note)
	stop := b.tick(program.Name, began, &output, dependencies(ctx, module, program))
	err := command.Run()
	stop()
	switch {
	case ctx.Err() != nil:
		if command.Process != nil { // it may not have begun
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		}
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("go %s in %s: %w\n%s", strings.Join(arguments, " "), module, err, output.said())
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	b.say("%s: built in %s", program.Name, time.Since(began).Round(time.Second))
	return nil
}

func cgo(program Program) string {
	if program.CGO {
		return "1"
	}
	return "0"
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
