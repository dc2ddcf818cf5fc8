package controllertest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Restart kills the API server's process, calls meanwhile, and starts it anew at the same address with what etcd has. All that is connected is cut
// off. It skips the test where processes are not to be found through /proc.
func (s *Server) Restart(t testing.TB, meanwhile func()) {
	t.Helper()
	pid := s.apiServer()
	if pid == 0 {
		t.Skip("needs /proc")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // it would wait for watches to end
		t.Fatal("killing the API server: ", err)
	}
	for s.apiServer() != 0 {
		time.Sleep(10 * time.Millisecond)
	}
	defer func() { // other tests need it
		if err := s.environment.ControlPlane.GetAPIServer().Start(); err != nil {
			t.Fatal("starting the API server anew: ", err)
		}
	}()
	meanwhile()
}

// apiServer is the id of the API server's process; 0 where there is none.
func (s *Server) apiServer() int {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		line, _ := os.ReadFile(path) // none of a process that has just ended
		program, _, _ := bytes.Cut(line, []byte{0})
		if filepath.Base(string(program)) == "kube-apiserver" && bytes.Contains(line, []byte(s.directory)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}
