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

	"github.com/flowfleet/flowfleet/hack/cluster/network"
)

func newExec(name *string) *cobra.Command {
	return &cobra.Command{
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
			runtime.LockOSThread() // the thread that becomes the program
			path := filepath.Join("/proc", strconv.Itoa(pid), "root", network.Directory, filepath.Base(arguments[0]))
			if err := network.Enter(path); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no network %s", arguments[0])
			} else if err != nil {
				return fmt.Errorf("network %s: %w", arguments[0], err)
			}
			env := append(os.Environ(), "KUBECONFIG="+p.Kubeconfig("inside"))
			return syscall.Exec(program, arguments[1:], env)
		},
	}
}
