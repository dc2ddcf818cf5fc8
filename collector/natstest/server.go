// Package natstest runs real nats-servers for tests, in the process or in one of their own that can be killed, with a store
// that survives a restart.
package natstest

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a nats-server with JetStream that can be stopped and started again on the same port.
type Server struct {
	t       testing.TB
	options server.Options
	server  *server.Server
	// ownProcess: the server runs as process.
	ownProcess bool
	// yields: the process runs with the least priority.
	yields  bool
	process *exec.Cmd
	file    string // its configuration, where it has one
}

// Start starts a server with a store of its own; change may adjust its options. It is stopped with the test.
func Start(t testing.TB, change ...func(*server.Options)) *Server {
	t.Helper()
	s := &Server{t: t, options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	for _, f := range change {
		f(&s.options)
	}
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// Prepare reserves a port for a server that Restart starts later.
func Prepare(t testing.TB) *Server {
	t.Helper()
	s := Start(t)
	s.Stop()
	return s
}

// Restart starts the server after Stop, on the port it had.
func (s *Server) Restart() {
	s.t.Helper()
	if s.ownProcess {
		s.startProcess()
		return
	}
	options := s.options
	running, err := server.NewServer(&options)
	if err != nil {
		s.t.Fatal(err)
	}
	running.Start()
	if !running.ReadyForConnections(30 * time.Second) {
		s.t.Fatal("nats-server is not ready")
	}
	s.server = running
	s.options.Port = running.Addr().(*net.TCPAddr).Port
}

// Stop stops the server, one of StartProcess without a warning; its store stays.
func (s *Server) Stop() {
	if s.ownProcess {
		s.killProcess()
		return
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// LimitAccount lets an account of the options use JetStream with so many bytes on disk.
func (s *Server) LimitAccount(name string, bytes int64) error {
	account, err := s.server.LookupAccount(name)
	if err != nil {
		return err
	}
	return account.EnableJetStream(map[string]server.JetStreamAccountLimits{"": {
		MaxMemory: -1, MaxStore: bytes, MaxStreams: -1, MaxConsumers: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	}}, nil)
}

// UseStore makes the next Restart use another store.
func (s *Server) UseStore(dir string) { s.options.StoreDir = dir }

// Store is the directory of the store.
func (s *Server) Store() string { return s.options.StoreDir }

// URL for clients.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.options.Port) }

// Address is the host and port that clients connect to.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.options.Port) }

// Connect returns a connection that is closed with the test and comes back quickly after a restart.
func (s *Server) Connect(options ...nats.Option) *nats.Conn {
	s.t.Helper()
	return Connect(s.t, s.URL(), options...)
}

// Connect is Server.Connect for another address, such as a Proxy's.
func Connect(t testing.TB, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	options = append([]nats.Option{
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(),
	}, options...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Eventually waits until condition holds, and fails the test after a time that no healthy machine needs.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
