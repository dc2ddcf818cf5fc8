package controllertest

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// mark is an environment variable by which the reaper knows the processes that a test started.
const mark = "FLOWFLEET_CONTROLLERTEST"

// reap waits until its input ends, which it does when the process that holds the other end does, however that dies; a test
// that runs into its time limit calls no cleanup. Then it ends the processes with the mark ($1), and removes the directory
// ($2). Their data is of no worth, so they get no time to say goodbye.
const reap = `
cat >/dev/null
for environ in /proc/[0-9]*/environ; do
  if grep -qs "$1" "$environ"; then
    pid=${environ#/proc/}
    kill -KILL "${pid%/environ}" 2>/dev/null
  fi
done
for attempt in 1 2 3 4 5; do
  rm -rf "$2" 2>/dev/null && break
  sleep 1
done
`

// reaper ends the processes of a test after the test itself.
type reaper struct {
	input   io.WriteCloser
	command *exec.Cmd
}

// startReaper starts the reaper of those processes that are started from now on.
func startReaper(directory string) (*reaper, error) {
	value := rand.Text()
	command := exec.Command("sh", "-c", reap, "reaper", mark+"="+value, directory)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal from the terminal reaches it
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil { // without the mark in its own environment
		return nil, fmt.Errorf("starting the process that cleans up: %w", err)
	}
	if err := os.Setenv(mark, value); err != nil {
		return nil, err
	}
	return &reaper{input: input, command: command}, nil
}

// reap makes the reaper do its work now, and waits for its end.
func (r *reaper) reap() {
	_ = r.input.Close()
	_ = r.command.Wait()
}
