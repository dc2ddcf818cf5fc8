package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/mount"
)

// persistent are the folders that a node keeps on disk. Everything else that it writes is gone with it.
var persistent = []string{"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers"}

// settings of the kernel are the whole machine's. The kubelet insists on these values; it finds them, and changes nothing.
var settings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// mount makes the node's own view: empty folders where a system keeps its state, so that nothing of the machine's is read
// or written there, with the node's folders on disk below them.
func (n node) mount() error {
	if err := mount.Private(); err != nil {
		return err
	}
	groups, err := cgroup.Hierarchies() // before they are hidden
	if err != nil {
		return err
	}
	home := n.plan.Path("nodes", n.name)
	for _, folder := range persistent {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o755); err != nil {
			return err
		}
	}
	if err := mount.On("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mountSys(groups); err != nil {
		return err
	}
	// The node's folders may be below one of those that are hidden next: they are reached through an open directory.
	root, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", home, err)
	}
	defer func() { _ = unix.Close(root) }()
	for _, folder := range []string{"/run", "/dev/shm"} {
		if err := mount.Empty(folder); err != nil {
			return err
		}
	}
	for _, folder := range hidden(n.plan.Directory, n.plan.Store) {
		if err := mount.Empty(folder); err != nil {
			return err
		}
	}
	for _, folder := range persistent {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := mount.On(fmt.Sprintf("/proc/self/fd/%d%s", root, folder), folder, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := pretend(); err != nil {
		return err
	}
	// Volumes are mounted by the kubelet for containers to see.
	return mount.Shared()
}

// hidden returns the folders that become empty: not those that hold what the node needs.
func hidden(needed ...string) (folders []string) {
	for _, folder := range []string{"/tmp", "/var/lib", "/var/log"} {
		holds := false
		for _, path := range needed {
			holds = holds || strings.HasPrefix(path, folder+"/")
		}
		if !holds {
			folders = append(folders, folder)
		}
	}
	return folders
}

// mountSys mounts a /sys of this network namespace, with control groups that begin at this node's.
func mountSys(groups []cgroup.Hierarchy) error {
	unified := cgroup.Unified()
	if err := unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting control groups: %w", err)
	}
	if err := mount.On("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	if unified {
		return mount.On("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "")
	}
	if err := mount.Empty("/sys/fs/cgroup"); err != nil {
		return err
	}
	for _, group := range groups {
		folder := filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(group.Controllers, "name="))
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
		options := group.Controllers
		if strings.HasPrefix(options, "name=") {
			options = "none," + options
		}
		if err := mount.On("cgroup", folder, "cgroup", 0, options); err != nil {
			return err
		}
	}
	return nil
}

// pretend covers the machine's settings with files that hold what the kubelet wants.
func pretend() error {
	const folder = "/run/settings"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, value := range settings {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		source := filepath.Join(folder, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(source, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount.On(source, target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}
