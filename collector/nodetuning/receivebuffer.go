// Package nodetuning changes settings of a node from within a pod. It needs root, and CAP_SYS_ADMIN and CAP_SYS_PTRACE in the node's
// own user namespace, as a privileged container has them.
package nodetuning

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// receiveBufferFile has the most that a socket's receive buffer may be asked to have, in bytes (Linux, sysctl net.core.rmem_max).
const receiveBufferFile = "/proc/sys/net/core/rmem_max"

// Change is a setting before and after, in its own unit.
type Change struct{ Before, After int64 }

// RaiseReceiveBuffer sees to it that sockets of a node may have receive buffers of at least so many bytes: it raises the sysctl
// net.core.rmem_max, and never lowers it. The setting holds for all pods of the node, until it restarts. The kernel lets only the node's
// own network namespace change it, so that it is entered for the moment; hostProc is where the node's /proc is mounted.
func RaiseReceiveBuffer(hostProc string, bytes int64) (Change, error) {
	var change Change
	err := inNetworkOf(hostProc, func() (err error) {
		change, err = raise(receiveBufferFile, bytes)
		return err
	})
	return change, err
}

// inNetworkOf calls do in the network namespace of a node's first process.
func inNetworkOf(hostProc string, do func() error) error {
	path := filepath.Join(hostProc, "1", "ns", "net")
	namespace, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the network namespace of the node: %w", err)
	}
	defer func() { _ = namespace.Close() }()
	done := make(chan error)
	go func() {
		// The thread is not unlocked, so that Go ends it: no other goroutine may run in that namespace.
		runtime.LockOSThread()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("entering the network namespace of the node (%s): %w", path, err)
			return
		}
		done <- do()
	}()
	return <-done
}

// raise writes a number to a file that has a smaller one.
func raise(path string, least int64) (Change, error) {
	now, err := read(path)
	if err != nil || now >= least {
		return Change{now, now}, err
	}
	if err := os.WriteFile(path, []byte(strconv.FormatInt(least, 10)), 0); err != nil {
		return Change{now, now}, fmt.Errorf("raising %s from %d to %d: %w", path, now, least, err)
	}
	// What was written is not always what is there then.
	after, err := read(path)
	if err == nil && after < least {
		err = fmt.Errorf("raising %s from %d to %d: it has %d", path, now, least, after)
	}
	return Change{now, after}, err
}

func read(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", path, err)
	}
	return n, nil
}
