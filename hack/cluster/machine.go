package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// requirement is a file of a Debian package that is needed.
type requirement struct{ file, pkg string }

var requirements = []requirement{
	{"/usr/sbin/nft", "nftables"},
	{"/usr/sbin/iptables", "iptables"},
	{"/usr/sbin/bird", "bird2"},
	{"/usr/bin/gcc", "gcc"},
	{"/usr/include/stdio.h", "libc6-dev"},
	{"/usr/bin/pkg-config", "pkg-config"},
	{"/usr/include/seccomp.h", "libseccomp-dev"},
}

// prepareMachine checks that a cluster can run here, and installs the packages that are missing.
func prepareMachine(ctx context.Context, progress progress) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a cluster needs Linux, and this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root, for its namespaces, mounts and control groups: use sudo")
	}
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this is no Debian to install packages on: install what %s are on Debian", strings.Join(missing, ", "))
	}
	progress.say("packages: installing %s", strings.Join(missing, ", "))
	for _, arguments := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		command := exec.CommandContext(ctx, "apt-get", arguments...)
		// RUNLEVEL=1: the packages' services are not started.
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(arguments, " "), err, out)
		}
	}
	if missing := missingPackages(); len(missing) > 0 {
		return fmt.Errorf("%s are missing though they were installed", strings.Join(missing, ", "))
	}
	return nil
}

func missingPackages() (missing []string) {
	for _, required := range requirements {
		if _, err := os.Stat(required.file); err != nil && !slices.Contains(missing, required.pkg) {
			missing = append(missing, required.pkg)
		}
	}
	return missing
}
