package natstest

import (
	"bytes"
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
	directory := "/proc/" + strconv.Itoa(s.process.Process.Pid)
	stat, err := os.ReadFile(directory + "/stat")
	if err != nil {
		s.t.Fatal(err)
	}
	// Its name, which is in brackets, may have anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, tick = 14 - 3, 15 - 3, 10 * time.Millisecond
	for _, i := range []int{utime, stime} {
		ticks, err := strconv.Atoi(fields[i])
		if err != nil {
			s.t.Fatal(err)
		}
		processor += time.Duration(ticks) * tick
	}
	status, err := os.ReadFile(directory + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &memory); err == nil {
			return processor, memory << 10
		}
	}
	s.t.Fatalf("%s/status has no VmHWM", directory)
	return 0, 0
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
