package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Signal sends a signal to a program of a pod's containers: Kubernetes itself has no other way than to end a pod in order.
func (r *Rig) Signal(ctx context.Context, namespace, pod, program string, signal syscall.Signal) error {
	uid, err := r.Kubectl(ctx, "--namespace", namespace, "get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
	if err != nil {
		return err
	}
	// Processes of nodes are processes of this machine, in control groups of their pods.
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return err
	}
	for _, group := range groups {
		content, err := os.ReadFile(group)
		if err != nil || !strings.Contains(string(content), "pod"+uid) {
			continue // it has ended meanwhile, or is another's
		}
		process := filepath.Dir(group)
		if path, err := os.Readlink(filepath.Join(process, "exe")); err != nil || filepath.Base(path) != program {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, signal); !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return fmt.Errorf("pod %s/%s runs no %s", namespace, pod, program)
}
