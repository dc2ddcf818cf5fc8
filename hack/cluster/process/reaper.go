// Package process starts and ends programs for a process that is the first of its PID namespace. Such a process inherits
// every orphan, and has to wait for all of them: so one place waits, for its own children too.
package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Reaper waits for all children of this process. os/exec must not wait for any beside it.
type Reaper struct {
	mutex   sync.Mutex
	waiting map[int]chan<- syscall.WaitStatus
}

// NewReaper returns a reaper that works until the process ends.
func NewReaper() *Reaper {
	r := &Reaper{waiting: map[int]chan<- syscall.WaitStatus{}}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for {
			r.reap()
			select {
			case <-children:
			case <-time.After(time.Second): // signals merge
			}
		}
	}()
	return r
}

func (r *Reaper) reap() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if ended, ok := r.waiting[pid]; ok {
			delete(r.waiting, pid)
			ended <- status
		}
	}
}

// Running is a process that was started.
type Running struct {
	PID   int
	Ended <-chan syscall.WaitStatus // receives once
}

// Start starts the command, whose outputs must be files, with start, which calls its Start where it should happen.
func (r *Reaper) Start(command *exec.Cmd, start func() error) (Running, error) {
	r.mutex.Lock() // a child that ends at once is not reaped before it is known
	defer r.mutex.Unlock()
	if err := start(); err != nil {
		return Running{}, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	pid := command.Process.Pid
	r.waiting[pid] = ended
	return Running{PID: pid, Ended: ended}, command.Process.Release()
}

// Run runs the command to its end, and returns its exit status as an error.
func (r *Reaper) Run(ctx context.Context, command *exec.Cmd) error {
	running, err := r.Start(command, command.Start)
	if err != nil {
		return err
	}
	select {
	case status := <-running.Ended:
		if status.ExitStatus() != 0 {
			return &ExitError{Status: status}
		}
		return nil
	case <-ctx.Done():
		_ = syscall.Kill(running.PID, syscall.SIGKILL)
		return ctx.Err()
	}
}
