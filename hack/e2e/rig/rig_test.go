package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhatIsInterruptedOrFailsLeavesNothing(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for name, test := range map[string]struct {
		ctx     context.Context
		options Options
		want    error
	}{
		"interrupted at the beginning": {ended, Options{Name: "never", Progress: io.Discard}, context.Canceled},
		"no such place":                {t.Context(), Options{Name: "never", Cluster: "moon", Progress: io.Discard}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			t.Setenv("TMPDIR", folder)
			r, err := Up(test.ctx, test.options)
			if r != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, %v", r, err)
			}
			left, err := os.ReadDir(folder)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

// What runs apart from the terminal ends with the program that began it, also where that is killed.
func TestProgramsEndWithTheOneThatBeganThem(t *testing.T) {
	const begun = "FLOWFLEET_TEST_BEGUN"
	if path := os.Getenv(begun); path != "" {
		command := (&Rig{root: "."}).here(t.Context(), "sleep", "600")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strconv.Itoa(command.Process.Pid)), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	path := filepath.Join(t.TempDir(), "pid")
	self := exec.Command(os.Args[0], "-test.run", "^TestProgramsEndWithTheOneThatBeganThem$")
	self.Env = append(os.Environ(), begun+"="+path)
	if err := self.Run(); err == nil {
		t.Fatal("it was not killed")
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(written))
	if err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), time.Minute, func() error {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !strings.Contains(string(state), ") Z ") { // else it is gone, or waits for who reaps it
			return fmt.Errorf("it runs: %s", state)
		}
		return nil
	}); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Error(err)
	}
}
