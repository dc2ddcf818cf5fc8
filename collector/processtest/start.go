// Package processtest starts servers that are processes of their own, which a test can kill.
package processtest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Start starts a server, which ends with the test's own process, and returns the first line that it says on its standard output: it
// listens then. what names it where it does not start.
func Start(t testing.TB, what string, command *exec.Cmd) (line string) {
	t.Helper()
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%s did not start: %v", what, err)
	}
	return strings.TrimSpace(line)
}
