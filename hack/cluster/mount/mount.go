// Package mount changes what a mount namespace of the cluster's own shows.
package mount

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Private separates this mount namespace from the machine's: nothing that is mounted in the one shows in the other.
func Private() error { return On("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

// Shared makes what is mounted from now on show in mount namespaces that are made from this one, as the volumes of
// containers need.
func Shared() error { return On("", "/", "", unix.MS_REC|unix.MS_SHARED, "") }

// Protect makes the machine's root file system read-only here, but for one directory.
func Protect(directory string) error {
	if err := On(directory, directory, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return On("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// Empty mounts an empty file system, in memory.
func Empty(target string) error { return On("tmpfs", target, "tmpfs", 0, "mode=755") }

// On is mount(2), with an error that names the target.
func On(source, target, kind string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}
