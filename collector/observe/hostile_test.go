package observe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// What a client in the cluster can do to the HTTP port.

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestHugeHeadersAreRefusedAndCostLittle(t *testing.T) {
	s := serve(t, config.HTTP{MaxConnections: 64}, NewReadiness())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 6 {
		conn := dial(t, s)
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Huge: ")
		_, _ = io.Copy(conn, io.LimitReader(neverEnding('x'), 64<<20)) // it is closed long before
		answer, _ := bufio.NewReader(conn).ReadString('\n')            // unless what was not read resets the connection
		if answer != "" && !strings.Contains(answer, "431") {
			t.Errorf("the answer is %q", answer)
		}
		_ = conn.Close()
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if status, _ := get(t, s, "/healthz"); status != http.StatusOK {
		t.Errorf("afterwards health is %d", status)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(b)}, len(p)))
	return len(p), nil
}

func TestThousandsOfConnectionsAreRefusedQuicklyAndTheServerComesBack(t *testing.T) {
	s := serve(t, config.HTTP{MaxConnections: 16}, NewReadiness())
	const clients = 3000
	var wait sync.WaitGroup
	gate := make(chan struct{}, 100) // of this machine's descriptors
	for range clients {
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			conn, err := net.Dial("tcp", s.Address())
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, _ = conn.Read(make([]byte, 1)) // it says nothing, and hangs on
			_ = conn.Close()
		})
	}
	wait.Wait()
	if s.Refused() == 0 {
		t.Error("none was refused")
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		response, err := http.Get("http://" + s.Address() + "/healthz")
		if err == nil {
			_ = response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Readers that take nothing hold a connection for the write timeout at most, and no more of them than are allowed: the
// scrape of somebody else is answered as long as there is room.
func TestSlowReadersDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	s := serve(t, config.HTTP{MaxConnections: 16}, NewReadiness())
	for range 8 {
		conn := dial(t, s)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(1024)
		}
		for range 100 { // answers that nobody reads
			if _, err := fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				break
			}
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		}
	}
	for range 5 {
		if status, _ := get(t, s, "/healthz"); status != http.StatusOK {
			t.Errorf("health is %d", status)
		}
	}
	slow := dial(t, s) // a header that never ends is given up
	_, _ = fmt.Fprintf(slow, "GET /healthz HTTP/1.1\r\n")
	_ = slow.SetReadDeadline(time.Now().Add(readTimeout + 20*time.Second))
	if testing.Short() {
		return
	}
	// An answer such as 408 is well too.
	if _, err := slow.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a header that never ends is waited for")
	}
}
