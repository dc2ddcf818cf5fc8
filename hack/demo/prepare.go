package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// prepare sees to it that the exporters are there.
func prepare() error {
	if os.Geteuid() != 0 {
		return errors.New("the exporters capture packets on the loopback interface, for which they need root: " +
			"run \"sudo make demo-local\"")
	}
	missing := missingPrograms()
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%v are missing, and this is no Debian to install them on: install the packages softflowd and pmacct",
			missing)
	}
	step("installing softflowd and pmacct")
	for _, args := range [][]string{
		{"update", "-qq"},
		{"install", "-y", "-qq", "--no-install-recommends", "softflowd", "pmacct"},
	} {
		command := exec.Command("apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
		}
	}
	if missing := missingPrograms(); len(missing) > 0 {
		return fmt.Errorf("%v are missing though their packages were installed", missing)
	}
	return nil
}

func missingPrograms() (missing []string) {
	for _, name := range []string{"softflowd", "pmacctd"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}
