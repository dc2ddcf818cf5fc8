package natstest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Variables of the environment that make a test binary a nats-server.
const (
	storeVariable = "FLOWFLEET_TEST_NATS_STORE"
	portVariable  = "FLOWFLEET_TEST_NATS_PORT"
)

// ServeIfAsked makes this process the server of StartProcess, and does not return then. It belongs into TestMain.
func ServeIfAsked() {
	store := os.Getenv(storeVariable)
	if store == "" {
		return
	}
	port, err := strconv.Atoi(os.Getenv(portVariable))
	if err != nil {
		panic(err)
	}
	running, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: store, NoLog: true})
	if err != nil {
		panic(err)
	}
	running.Start()
	if !running.ReadyForConnections(30 * time.Second) {
		panic("nats-server is not ready")
	}
	fmt.Println(running.Addr().(*net.TCPAddr).Port)
	running.WaitForShutdown()
	os.Exit(0)
}

// StartProcess starts a server in a process of its own, whose Stop is a SIGKILL. The test's TestMain must call
// ServeIfAsked.
func StartProcess(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, ownProcess: true, options: server.Options{Port: server.RANDOM_PORT, StoreDir: t.TempDir()}}
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) startProcess() {
	s.t.Helper()
	s.process = exec.Command(os.Args[0])
	s.process.Env = append(os.Environ(), storeVariable+"="+s.options.StoreDir, portVariable+"="+strconv.Itoa(s.options.Port))
	s.process.Stderr = os.Stderr
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.process.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("nats-server did not start: %v", err)
	}
	if s.options.Port, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) killProcess() {
	_ = s.process.Process.Kill() // it may be gone already
	_ = s.process.Wait()
}
