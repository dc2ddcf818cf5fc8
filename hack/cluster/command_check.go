package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/supervise"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Tell whether this machine can run a cluster, within a second; missing packages are installed", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			progress := newProgress()
			if err := prepareMachine(command.Context(), progress); err != nil {
				return err
			}
			if err := errors.Join(checkGroups(), checkKernel()); err != nil {
				return fmt.Errorf("this machine cannot run a cluster: %w", err)
			}
			progress.say("this machine can run a cluster")
			return nil
		},
	}
}

// checkGroups makes control groups, and removes them.
func checkGroups() error {
	paths, err := cgroup.Paths("flowfleet-cluster-check")
	if err != nil {
		return err
	}
	for _, path := range paths {
		err = errors.Join(err, cgroup.Add(path), cgroup.Remove(path))
	}
	return err
}

// checkKernel runs a process that has the namespaces of a supervisor.
func checkKernel() error {
	directory, err := os.MkdirTemp("", "flowfleet-check-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	probe := exec.Command("/proc/self/exe", "probe", directory)
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: supervise.Flags}
	if out, err := probe.CombinedOutput(); err != nil {
		return fmt.Errorf("a process with namespaces of its own: %w\n%s", err, out)
	}
	return nil
}

func newProbe() *cobra.Command {
	return &cobra.Command{
		Use: "probe DIRECTORY", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error { return supervise.Probe(arguments[0]) },
	}
}
