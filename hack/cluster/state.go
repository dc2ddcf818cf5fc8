package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$`)

// directory returns where the cluster of this name keeps what is its own.
func directory(name string) (string, error) {
	if !validName.MatchString(name) {
		return "", fmt.Errorf("--name %q: small letters, digits and hyphens can be, 32 at most", name)
	}
	cache, err := build.CacheDirectory()
	if err != nil {
		return "", err
	}
	for _, hidden := range []string{"/run/", "/var/run/", "/var/lib/", "/var/log/", "/proc/", "/sys/", "/dev/"} {
		if strings.HasPrefix(cache, hidden) {
			return "", fmt.Errorf("the cache %s cannot be seen from inside a cluster, where %s is another folder: "+
				"set FLOWFLEET_CACHE to another one on disk", cache, hidden)
		}
	}
	return filepath.Join(cache, "clusters", name), nil
}

// existing returns the plan of a cluster that was brought up, whether it runs or not.
func existing(name string) (plan.Plan, error) {
	folder, err := directory(name)
	if err != nil {
		return plan.Plan{}, err
	}
	p, err := plan.Read(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Plan{}, fmt.Errorf("there is no cluster %s: bring it up first", name)
	}
	return p, err
}

// claim makes the cluster's directory. The remains of one that has ended are removed first.
func claim(p plan.Plan) error {
	if old, err := plan.Read(p.Directory); err == nil {
		if pid := supervisor(old); pid != 0 {
			return fmt.Errorf("cluster %s is up already (process %d): take it down first", p.Name, pid)
		}
		if err := tearDown(context.Background(), old, false); err != nil {
			return err
		}
	}
	for _, folder := range []string{"logs", "images", "nodes"} {
		if err := os.MkdirAll(p.Path(folder), 0o755); err != nil {
			return err
		}
	}
	return p.Write()
}

// mark identifies a process: its number alone may be another's later.
type mark struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // when it was started, in ticks since the machine was
}

func writeMark(p plan.Plan, pid int) error {
	content, err := json.Marshal(mark{PID: pid, Start: started(pid)})
	if err != nil {
		return err
	}
	return os.WriteFile(p.Path("supervisor.json"), content, 0o600)
}

// supervisor returns the PID of the cluster's supervisor; 0: it does not run.
func supervisor(p plan.Plan) int {
	content, err := os.ReadFile(p.Path("supervisor.json"))
	if err != nil {
		return 0
	}
	var mark mark
	if json.Unmarshal(content, &mark) != nil || mark.Start == "" || started(mark.PID) != mark.Start {
		return 0
	}
	return mark.PID
}

// started returns when a process that runs was started; empty: it has ended.
func started(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in parentheses, may hold anything. Fields after it begin with the third: the state.
	_, after, found := strings.Cut(string(content), ") ")
	fields := strings.Fields(after)
	if !found || len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// tearDown ends the cluster and removes what is left of it, but for the logs of one that failed, whose place is told.
func tearDown(ctx context.Context, p plan.Plan, failed bool) error {
	if pid := supervisor(p); pid != 0 {
		if err := end(ctx, p, pid); err != nil {
			return err
		}
	}
	var problems error
	for _, path := range p.Cgroups {
		problems = errors.Join(problems, cgroup.Remove(path))
	}
	if failed {
		kept := p.Directory + "-failed-logs"
		if err := os.RemoveAll(kept); err == nil && os.Rename(p.Path("logs"), kept) == nil {
			fmt.Fprintf(os.Stderr, "the logs are in %s\n", kept)
		}
	}
	return errors.Join(problems, os.RemoveAll(p.Directory))
}

// end ends the supervisor, and with it every process of the cluster.
func end(ctx context.Context, p plan.Plan, pid int) error {
	for _, attempt := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 15 * time.Second}, {syscall.SIGKILL, 30 * time.Second}} {
		if err := syscall.Kill(pid, attempt.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending the supervisor (process %d): %w", pid, err)
		}
		for deadline := time.Now().Add(attempt.wait); time.Now().Before(deadline); {
			if supervisor(p) == 0 {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("the supervisor (process %d) does not end", pid)
}
