package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ExitError says how a process ended.
type ExitError struct{ Status syscall.WaitStatus }

func (e *ExitError) Error() string {
	if e.Status.Signaled() {
		return "ended by signal: " + e.Status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
}

// Process is a program that is kept running.
type Process struct {
	Name      string
	Path      string
	Arguments []string
	Env       []string              // added to that of this process
	Log       string                // file that output is appended to
	Attr      syscall.SysProcAttr   // namespaces and so on
	Start     func(*exec.Cmd) error // starts it; nil: its Start
	Once      bool                  // not started again when it ends

	mutex    sync.Mutex
	pid      int
	restarts int
	cancel   context.CancelFunc
	done     chan struct{}
}

// State is a process at one moment.
type State struct {
	PID      int `json:"pid"` // in the PID namespace of who started it; 0: not running
	Restarts int `json:"restarts"`
}

// Keep starts the process, and starts it again when it ends, until Stop.
func (p *Process) Keep(reaper *Reaper) error {
	ctx, cancel := context.WithCancel(context.Background())
	running, err := p.start(reaper)
	if err != nil {
		cancel()
		return err
	}
	p.mutex.Lock()
	p.cancel, p.done = cancel, make(chan struct{})
	p.mutex.Unlock()
	go p.watch(ctx, reaper, running)
	return nil
}

func (p *Process) watch(ctx context.Context, reaper *Reaper, running Running) {
	defer close(p.done)
	for {
		status := <-running.Ended
		p.set(0)
		for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
			if p.Once || ctx.Err() != nil {
				return
			}
			p.note("%s: %v; starting it again in %s", p.Name, &ExitError{status}, wait)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			var err error
			if running, err = p.start(reaper); err == nil {
				break
			}
			p.note("%s: %v", p.Name, err)
		}
		p.mutex.Lock()
		p.restarts++
		p.mutex.Unlock()
	}
}

func (p *Process) start(reaper *Reaper) (Running, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Running{}, err
	}
	defer func() { _ = log.Close() }() // the process has it then
	command := exec.Command(p.Path, p.Arguments...)
	command.Env = append(os.Environ(), p.Env...)
	command.Stdout, command.Stderr = log, log
	attributes := p.Attr
	command.SysProcAttr = &attributes
	start := command.Start
	if p.Start != nil {
		start = func() error { return p.Start(command) }
	}
	running, err := reaper.Start(command, start)
	if err != nil {
		return Running{}, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	p.set(running.PID)
	return running, nil
}

func (p *Process) set(pid int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.pid = pid
}

// note writes a line into the process's own log, where someone looks who wonders.
func (p *Process) note(format string, args ...any) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer func() { _ = log.Close() }()
	fmt.Fprintf(log, "cluster: "+format+"\n", args...)
}

// State returns how the process is.
func (p *Process) State() State {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return State{PID: p.pid, Restarts: p.restarts}
}

// Stop ends the process: with a signal first, and by force after the grace.
func (p *Process) Stop(signal syscall.Signal, grace time.Duration) {
	p.mutex.Lock()
	cancel, done, pid := p.cancel, p.done, p.pid
	p.mutex.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	if pid > 0 {
		_ = syscall.Kill(pid, signal)
	}
	select {
	case <-done:
		return
	case <-time.After(grace):
	}
	if pid := p.State().PID; pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-done
}
