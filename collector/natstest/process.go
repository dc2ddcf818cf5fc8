package natstest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/procfs"

	"github.com/flowfleet/flowfleet/collector/processtest"
)

// Variables of the environment that make a test binary a nats-server.
const (
	storeVariable = "FLOWFLEET_TEST_NATS_STORE"
	portVariable  = "FLOWFLEET_TEST_NATS_PORT"
	// fileVariable names a configuration file, in place of both.
	fileVariable = "FLOWFLEET_TEST_NATS_FILE"
)

// ServeIfAsked makes this process the server of StartProcess, and does not return then. It belongs into TestMain.
func ServeIfAsked() {
	options := &server.Options{Host: "127.0.0.1", JetStream: true, StoreDir: os.Getenv(storeVariable)}
	var err error
	if file := os.Getenv(fileVariable); file != "" {
		options, err = server.ProcessConfigFile(file) // its signals work: SIGHUP reads the file again
	} else if options.StoreDir == "" {
		return
	} else {
		options.Port, err = strconv.Atoi(os.Getenv(portVariable))
	}
	if err != nil {
		panic(err)
	}
	options.NoLog = true
	running, err := server.NewServer(options)
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

// StartFile starts a server in a process of its own with a configuration file, which must name a free port (FreePort).
func StartFile(t testing.TB, file string, port int) *Server {
	t.Helper()
	s := PrepareFile(t, file, port)
	s.Restart()
	return s
}

// PrepareFile is StartFile for a server that Restart starts later.
func PrepareFile(t testing.TB, file string, port int) *Server {
	t.Helper()
	s := &Server{t: t, ownProcess: true, file: file, options: server.Options{Port: port}}
	t.Cleanup(s.Stop)
	return s
}

// FreePort is a TCP port that nobody used a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Reload makes a server in a process of its own read its configuration file again.
func (s *Server) Reload() {
	s.t.Helper()
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// Used is what a server in a process of its own has used: processor time since it started, in steps of 10 ms, and the most memory at a
// time, in bytes (Linux, proc(5)).
func (s *Server) Used() (processor time.Duration, memory uint64) {
	s.t.Helper()
	p, err := procfs.NewProc(s.process.Process.Pid)
	if err != nil {
		s.t.Fatal(err)
	}
	stat, err := p.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	status, err := p.NewStatus()
	if err != nil {
		s.t.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second)), status.VmHWM
}

func (s *Server) startProcess() {
	s.t.Helper()
	s.process = exec.Command(os.Args[0])
	if s.yields {
		s.process = exec.Command("nice", "-n", "19", os.Args[0])
	}
	s.process.Env = append(os.Environ(), storeVariable+"="+s.options.StoreDir, portVariable+"="+strconv.Itoa(s.options.Port))
	if s.file != "" {
		s.process.Env = append(s.process.Env, fileVariable+"="+s.file)
	}
	var err error
	if s.options.Port, err = strconv.Atoi(processtest.Start(s.t, "nats-server", s.process)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) killProcess() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may be gone already
	_ = s.process.Wait()
}
