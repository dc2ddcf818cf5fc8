package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// A program that is left running outlives who started it, and ends with the cluster's first process, even where that is killed.
func TestAProgramThatStaysEndsWithTheCluster(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("PID namespaces need root")
	}
	first := exec.Command("sleep", "1000")
	// Without a signal at its parent's death: that would be the death of a thread, which this test has too.
	first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill() }()
	p := plan.Plan{Name: "test", Directory: t.TempDir()}
	if err := os.Mkdir(p.Path("logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		result <- leaveRunning(p, first.Process.Pid, shell, []string{"sh", "-c", "echo begun; sleep 1000; : " + p.Directory}, os.Environ())
	}()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	until(t, "it does not run, or its log is empty", func() bool {
		log, err := os.ReadFile(p.Log("sh"))
		return err == nil && string(log) == "begun\n" && running(t, p.Directory) != 0
	})
	program := running(t, p.Directory)
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(-program, syscall.SIGKILL) // it may have ended
		}
	})
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "it outlives the cluster", func() bool { return running(t, p.Directory) == 0 })
	// The command ends at once, and leaves the program to the first process. This test is its parent still, which that process waits for.
	if _, err := syscall.Wait4(program, nil, 0, nil); err != nil {
		t.Error(err)
	}
	_ = first.Wait() // it was killed
}

// running returns a process that runs with a word in its arguments; 0: there is none.
func running(t *testing.T, word string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && bytes.Contains(content, []byte(word)) && started(pid) != "" {
			return pid
		}
	}
	return 0
}

func until(t *testing.T, failure string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(failure)
		}
	}
}
