package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/cluster/network"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

func newExec(name *string) *cobra.Command {
	stay := false
	command := &cobra.Command{
		Use:   "exec NETWORK -- PROGRAM ARGUMENT...",
		Short: "Run a program of this machine in one of the cluster's networks: exporter, router, lan (the control plane), n1, ...",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, arguments []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			pid := supervisor(p)
			if pid == 0 {
				return fmt.Errorf("cluster %s has ended", p.Name)
			}
			program, err := exec.LookPath(arguments[1])
			if err != nil {
				return err
			}
			runtime.LockOSThread() // the thread that becomes the program, or starts it
			path := filepath.Join("/proc", strconv.Itoa(pid), "root", network.Directory, filepath.Base(arguments[0]))
			if err := network.Enter(path); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no network %s", arguments[0])
			} else if err != nil {
				return fmt.Errorf("network %s: %w", arguments[0], err)
			}
			env := append(os.Environ(), "KUBECONFIG="+p.Kubeconfig("inside"))
			if stay {
				return leaveRunning(p, pid, program, arguments[1:], env)
			}
			return syscall.Exec(program, arguments[1:], env)
		},
	}
	command.Flags().BoolVar(&stay, "stay", false,
		"leave the program running, until the cluster ends; what it prints goes to logs/PROGRAM.log in the cluster's directory")
	return command
}

// leaveRunning starts a program that the cluster takes with it when it ends, however that happens: it is in the supervisor's PID namespace,
// and the kernel ends all of that. The caller has locked the thread, which is of no other use afterwards.
func leaveRunning(p plan.Plan, supervisor int, program string, arguments, env []string) error {
	namespace, err := os.Open(filepath.Join("/proc", strconv.Itoa(supervisor), "ns", "pid"))
	if err != nil {
		return err
	}
	defer func() { _ = namespace.Close() }()
	log, err := os.OpenFile(p.Log(filepath.Base(program)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("joining the cluster's processes: %w", err)
	}
	command := exec.Command(program)
	command.Args, command.Env, command.Dir = arguments, env, "/"
	command.Stdout, command.Stderr = log, log
	// A session of its own: the interrupt of a terminal is not for it.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	return command.Process.Release()
}
