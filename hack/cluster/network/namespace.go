// Package network makes the network namespaces of a cluster, and joins them.
package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Directory is where namespaces are mounted under their names, as iproute2 does. It is the cluster's own: the caller has
// mounted an empty file system there.
const Directory = "/run/netns"

// Namespace is a network namespace.
type Namespace struct {
	Name   string
	handle netns.NsHandle
	links  *netlink.Handle
}

// Own returns the namespace of this process.
func Own(name string) (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, err
	}
	if err := mount(name, "/proc/self/ns/net"); err != nil {
		return nil, err
	}
	return open(name, handle)
}

// Create makes a namespace with its loopback interface up.
func Create(name string) (*Namespace, error) {
	var handle netns.NsHandle
	err := apart(func() (err error) {
		if handle, err = netns.New(); err != nil {
			return err
		}
		return mount(name, fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	})
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	return open(name, handle)
}

func open(name string, handle netns.NsHandle) (*Namespace, error) {
	links, err := netlink.NewHandleAt(handle)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	n := &Namespace{Name: name, handle: handle, links: links}
	return n, n.Up("lo")
}

func mount(name, source string) error {
	if err := os.MkdirAll(Directory, 0o755); err != nil {
		return err
	}
	target := filepath.Join(Directory, name)
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), unix.Mount(source, target, "", unix.MS_BIND, ""))
}

// Delete frees the namespace, which goes with its interfaces as soon as nothing runs in it.
func (n *Namespace) Delete() error {
	n.links.Close()
	target := filepath.Join(Directory, n.Name)
	return errors.Join(n.handle.Close(), unix.Unmount(target, unix.MNT_DETACH), os.Remove(target))
}

// Do calls f on a thread that is in the namespace. Processes that f starts are in it too.
func (n *Namespace) Do(f func() error) error {
	return apart(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("network namespace %s: %w", n.Name, err)
		}
		return f()
	})
}

// apart calls f on a thread of its own that ends with it, so that what f does to the thread needs no undoing.
func apart(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		result <- f()
	}()
	return <-result
}

// Enter puts the calling thread into the namespace mounted at path. The caller has locked the thread.
func Enter(path string) error {
	handle, err := netns.GetFromPath(path)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	return netns.Set(handle)
}
