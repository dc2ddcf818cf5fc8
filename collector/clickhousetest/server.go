// Package clickhousetest runs ClickHouse's own engine for tests, in a process of its own that can be killed, with tables that survive
// it. The engine is chDB's library; what stands before it is the part of ClickHouse's HTTP interface that clients of the collector use.
package clickhousetest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/processtest"
)

// libraryVariable names libchdb.so; chDB's own programs read it too.
const libraryVariable = "CHDB_LIB_PATH"

// Server is ClickHouse's engine behind HTTP.
type Server struct {
	t       testing.TB
	store   string
	address string
	run     func(program string) *exec.Cmd
	process *exec.Cmd
	client  *http.Client
}

// Start starts a server with a store of its own; it is stopped with the test. The test's TestMain must call ServeIfAsked. Where the
// engine is missing, the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartAt(t, "127.0.0.1:0", func(program string) *exec.Cmd { return exec.Command(program) })
}

// StartAt is Start for a server at an address of another network, in which run has the program run. The test itself need not reach that:
// it asks by way of a socket in the store.
func StartAt(t testing.TB, address string, run func(program string) *exec.Cmd) *Server {
	t.Helper()
	if os.Getenv(libraryVariable) == "" {
		t.Skip("ClickHouse's engine is not here (" + libraryVariable + " is not set): run \"make test-clickhouse\"")
	}
	store, err := os.MkdirTemp("", "clickhouse-") // not the test's folder: a socket's path has at most 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, store: store, address: address, run: run}
	s.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", Socket(store))
	}}}
	t.Cleanup(func() {
		s.Kill()
		s.client.CloseIdleConnections()
		if err := os.RemoveAll(store); err != nil {
			t.Error(err)
		}
	})
	s.Restart()
	return s
}

// Restart starts the server after Kill, at the address it had and with its tables.
func (s *Server) Restart() {
	s.t.Helper()
	s.process = s.run(os.Args[0])
	s.process.Env = append(os.Environ(), storeVariable+"="+s.store, addressVariable+"="+s.address)
	s.address = processtest.Start(s.t, "ClickHouse's engine", s.process)
}

// Kill ends the server with SIGKILL; its tables stay.
func (s *Server) Kill() {
	if s.process == nil || s.process.Process == nil {
		return // it did not start
	}
	_ = s.process.Process.Kill() // it may be gone already
	_ = s.process.Wait()
}

// URL for clients.
func (s *Server) URL() string { return "http://" + s.address }

// Query runs one statement and returns its answer: lines of fields with tabs between, without the last line feed. The test fails where
// the statement does.
func (s *Server) Query(statement string) string {
	s.t.Helper()
	answer, ok := s.Try(statement)
	if !ok {
		s.t.Fatalf("%s\n%s", statement, answer)
	}
	return answer
}

// Try is Query for a statement that may fail, and then returns ClickHouse's words.
func (s *Server) Try(statement string) (answer string, ok bool) {
	s.t.Helper()
	response, err := s.client.Post("http://clickhouse", "text/plain", strings.NewReader(statement))
	if err != nil {
		return err.Error(), false
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error(), false
	}
	return strings.TrimSuffix(string(b), "\n"), response.StatusCode == http.StatusOK
}
