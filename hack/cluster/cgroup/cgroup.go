// Package cgroup makes and removes the control groups of a cluster, in each hierarchy of version 1 that is mounted, else in
// the unified hierarchy of version 2.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// root is where hierarchies are mounted by convention.
const root = "/sys/fs/cgroup"

// needed are the controllers of version 2 that a kubelet insists on.
var needed = []string{"cpuset", "cpu", "io", "memory", "pids"}

// Unified tells whether the machine has version 2 alone.
func Unified() bool {
	var stat unix.Statfs_t
	return unix.Statfs(root, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

// Hierarchy is one mounted hierarchy of version 1.
type Hierarchy struct {
	Controllers string // as in its mount options: "cpu,cpuacct", or "name=systemd"
	Path        string // where this process is in it
}

// Hierarchies returns the hierarchies of version 1.
func Hierarchies() ([]Hierarchy, error) {
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var found []Hierarchy
	for line := range strings.Lines(string(content)) {
		// 4:memory:/path; that of version 2 has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || fields[1] == "" {
			continue
		}
		mount := filepath.Join(root, strings.TrimPrefix(fields[1], "name="))
		if _, err := os.Stat(mount); err != nil {
			continue // known to the kernel, but not mounted
		}
		path := filepath.Join(mount, fields[2])
		if _, err := os.Stat(path); err != nil {
			path = mount // in a container the path is that of the machine, while the mount shows the container's part
		}
		found = append(found, Hierarchy{Controllers: fields[1], Path: path})
	}
	return found, nil
}

// Paths returns where the group of this name is to be in each hierarchy: below that of this process, or at the top in
// version 2, where a group that holds processes cannot give controllers to those below it.
func Paths(name string) ([]string, error) {
	if Unified() {
		return []string{filepath.Join(root, name)}, nil
	}
	hierarchies, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	if len(hierarchies) == 0 {
		return nil, fmt.Errorf("no control groups are mounted below %s", root)
	}
	var paths []string
	for _, hierarchy := range hierarchies {
		paths = append(paths, filepath.Join(hierarchy.Path, name))
	}
	return paths, nil
}

// Add makes the group at path.
func Add(path string) error {
	if Unified() && filepath.Dir(path) == root {
		if err := delegate(root); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("control group: %w", err)
	}
	// A cpuset of version 1 starts empty, and nothing may enter it then.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if value, err := os.ReadFile(filepath.Join(filepath.Dir(path), file)); err == nil && !Unified() {
			if err := os.WriteFile(filepath.Join(path, file), value, 0o644); err != nil {
				return fmt.Errorf("control group: %w", err)
			}
		}
	}
	if Unified() {
		return delegate(path)
	}
	return nil
}

// delegate gives the needed controllers to the groups below path (version 2).
func delegate(path string) error {
	available, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	control := filepath.Join(path, "cgroup.subtree_control")
	given, err := os.ReadFile(control)
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	for _, controller := range needed {
		if !slices.Contains(strings.Fields(string(available)), controller) {
			return fmt.Errorf("control group %s has no controller %s, which a kubelet needs", path, controller)
		}
		if slices.Contains(strings.Fields(string(given)), controller) {
			continue
		}
		if err := os.WriteFile(control, []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// Enter moves this process, all its threads, into the group at path.
func Enter(path string) error {
	if err := os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	return nil
}

// Remove removes the group at path and those below it, which empties a moment after its processes have ended.
func Remove(path string) error {
	var err error
	for range 50 {
		if err = removeTree(path); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left, _ := processes(path); len(left) > 0 {
		return fmt.Errorf("control group %s: processes %v are in it still: %w", path, left, err)
	}
	return fmt.Errorf("control group: %w", err)
}

func removeTree(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
	return nil
}

func processes(path string) (found []string, err error) {
	err = filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "cgroup.procs" {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		scanner := bufio.NewScanner(file)
		for scanner.Scan() {
			found = append(found, scanner.Text())
		}
		return scanner.Err()
	})
	return found, err
}
