package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// The reaper waits for all children of the test binary: no test here may wait for one itself.
var reaper = process.NewReaper()

func TestProcessThatEndsIsStartedAgain(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p := &process.Process{Name: "short", Path: "/bin/sh", Arguments: []string{"-c", "echo here; exit 7"}, Log: log}
	if err := p.Keep(reaper); err != nil {
		t.Fatal(err)
	}
	defer p.Stop(syscall.SIGKILL, time.Second)
	waitFor(t, func() bool { return p.State().Restarts > 0 })
	waitFor(t, func() bool { // it has been started, and may not have run yet
		content, err := os.ReadFile(log)
		return err == nil && strings.HasPrefix(string(content), "here\ncluster: short: exit status 7; starting it again in 1s\nhere\n")
	})
}

func TestProcessThatDoesNotListenIsEndedByForce(t *testing.T) {
	p := &process.Process{Name: "deaf", Path: "/bin/sh", Arguments: []string{"-c", "trap '' TERM; while :; do sleep 0.1; done"},
		Log: filepath.Join(t.TempDir(), "log")}
	if err := p.Keep(reaper); err != nil {
		t.Fatal(err)
	}
	pid := p.State().PID
	time.Sleep(100 * time.Millisecond) // until it is deaf
	p.Stop(syscall.SIGTERM, 200*time.Millisecond)
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d: %v", pid, err)
	}
	if state := p.State(); state.PID != 0 || state.Restarts != 0 {
		t.Errorf("state %+v", state)
	}
}

func TestProcessThatCannotStartSaysSo(t *testing.T) {
	p := &process.Process{Name: "none", Path: "/nonesuch", Log: filepath.Join(t.TempDir(), "log")}
	if err := p.Keep(reaper); err == nil || !strings.Contains(err.Error(), "starting none") {
		t.Errorf("got %v", err)
	}
}

func TestRunTellsTheExitStatus(t *testing.T) {
	if err := reaper.Run(t.Context(), exec.Command("/bin/true")); err != nil {
		t.Error(err)
	}
	if err := reaper.Run(t.Context(), exec.Command("/bin/sh", "-c", "exit 3")); err == nil || err.Error() != "exit status 3" {
		t.Errorf("got %v", err)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for range 1000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}
