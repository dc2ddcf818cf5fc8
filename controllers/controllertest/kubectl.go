package controllertest

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// Kubectl runs kubectl as an administrator, with input as its standard input, and returns what it prints.
func (s *Server) Kubectl(t testing.TB, input string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.kubectl, arguments...)
	command.Env = append(command.Environ(), "KUBECONFIG="+s.kubeconfig, "KUBECACHEDIR="+s.directory+"/kubectl")
	command.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, stderr.Bytes())
	}
	return stdout.String()
}

// Kubeconfig is the path of a file that reaches the server as an administrator, for programs.
func (s *Server) Kubeconfig() string { return s.kubeconfig }
