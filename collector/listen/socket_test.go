//go:build linux

package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// oneAndMany runs a test with one of the kernel's sockets, and with several that are read as one.
func oneAndMany(t *testing.T, test func(t *testing.T, each int)) {
	for _, each := range []int{1, 8} {
		t.Run(fmt.Sprintf("of %d sockets", each), func(t *testing.T) { test(t, each) })
	}
}

func openOne(t *testing.T, address string, each, buffer int) *Socket {
	t.Helper()
	sockets, spreading, err := Open(address, 1, each, buffer)
	if spreading != nil {
		t.Error(spreading)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sockets[0].Close() })
	return sockets[0]
}

func dial(t *testing.T, network string, port uint16) *net.UDPConn {
	t.Helper()
	host := "127.0.0.1"
	if network == "udp6" {
		host = "::1"
	}
	conn, err := net.Dial(network, net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UDPConn)
}

func send(t *testing.T, conn *net.UDPConn, payload []byte) {
	t.Helper()
	if _, err := conn.Write(payload); err != nil {
		t.Fatal(err)
	}
}

func TestOneSocketServesBothFamilies(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, ":0", each, 1<<20)
		batch := NewBatch()
		for _, network := range []string{"udp4", "udp6"} {
			conn := dial(t, network, s.Address().Port())
			send(t, conn, []byte(network))
			if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := s.Read(batch)
			if err != nil || n != 1 || string(batch.Payload(0)) != network || batch.Oversized(0) {
				t.Fatalf("read %d, %v: %q", n, err, batch.Payload(0))
			}
			want := conn.LocalAddr().(*net.UDPAddr).AddrPort()
			want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
			if got := batch.Source(0); got != want {
				t.Errorf("source is %s, want %s", got, want)
			}
		}
	})
}

func TestOversizedDatagramsAreMarked(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, "127.0.0.1:0", each, 1<<20)
		conn := dial(t, "udp4", s.Address().Port())
		batch := NewBatch()
		for _, test := range []struct {
			length    int
			oversized bool
		}{{MaxPayload, false}, {MaxPayload + 1, true}, {0, false}, {100, false}} {
			send(t, conn, make([]byte, test.length))
			n, err := s.Read(batch)
			if err != nil || n != 1 {
				t.Fatalf("read %d, %v", n, err)
			}
			if got := batch.Oversized(0); got != test.oversized {
				t.Errorf("a datagram of %d bytes: oversized is %t", test.length, got)
			}
			if got := len(batch.Payload(0)); got != min(test.length, MaxPayload) {
				t.Errorf("a datagram of %d bytes gives %d", test.length, got)
			}
		}
	})
}

func TestEveryDatagramIsReadOrCountedAsDropped(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, "127.0.0.1:0", each, 64<<10)
		conn := dial(t, "udp4", s.Address().Port())
		const sent = 5000
		for range sent {
			send(t, conn, make([]byte, 1000))
		}
		batch, read := NewBatch(), 0
		for {
			if err := s.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := s.Read(batch)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		drops, err := s.KernelDrops()
		if err != nil {
			t.Fatal(err)
		}
		if drops == 0 || read == 0 || read+int(drops) != sent {
			t.Errorf("%d sent, %d read, %d dropped", sent, read, drops)
		}
	})
}

func TestCloseEndsAWaitingRead(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, "127.0.0.1:0", each, 1<<20)
		done := make(chan error)
		go func() {
			_, err := s.Read(NewBatch())
			done <- err
		}()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read returned %v", err)
		}
	})
}

func TestSocketsOfOneAddressShareItsPort(t *testing.T) {
	sockets, _, err := Open("127.0.0.1:0", 4, 1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeAll(sockets) }()
	for _, s := range sockets {
		if s.Address() != sockets[0].Address() {
			t.Errorf("%s and %s", s.Address(), sockets[0].Address())
		}
	}
	if _, _, err := Open(sockets[0].Address().String(), 1, 1, 1<<20); err == nil {
		t.Error("a port in use was bound again")
	}
	if size, err := sockets[0].ReceiveBuffer(); err != nil || size < 64<<10 {
		t.Errorf("the receive buffer has %d bytes, %v", size, err)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, ":0", each, 1<<20)
		conn := dial(t, "udp4", s.Address().Port())
		batch, payload := NewBatch(), make([]byte, 500)
		var source netip.AddrPort
		if n := testing.AllocsPerRun(200, func() {
			if _, err := conn.Write(payload); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Read(batch); err != nil {
				t.Fatal(err)
			}
			source = batch.Source(0)
		}); n != 0 {
			t.Errorf("%v allocations a read", n)
		}
		_ = source
	})
}

// Ports that the system chooses are nobody else's, as they would be where it was asked with SO_REUSEPORT.
func TestAFreePortIsSharedWithNobody(t *testing.T) {
	seen := make(map[uint16]bool)
	for range 500 {
		port := openOne(t, "127.0.0.1:0", 1, 4096).Address().Port()
		if seen[port] {
			t.Fatalf("port %d has two owners after %d sockets", port, len(seen))
		}
		seen[port] = true
	}
}

// The delay is the kernel's: what waits in the socket's buffer is seen, whatever the sender or the reader did meanwhile.
func TestDelaysAreThoseInTheKernel(t *testing.T) {
	s := openOne(t, "127.0.0.1:0", 1, 1<<20)
	conn, batch := dial(t, "udp4", s.Address().Port()), NewBatch()
	var delays Delays
	for range 3 {
		send(t, conn, []byte("x"))
	}
	time.Sleep(30 * time.Millisecond)
	for read := 0; read < 3; {
		n, err := s.Read(batch)
		if err != nil {
			t.Fatal(err)
		}
		delays.Add(batch, n, time.Now())
		read += n
	}
	buckets, sum := delays.Load()
	all := uint64(0)
	for i, n := range buckets {
		all += n
		if n > 0 && i < len(DelayBounds) && DelayBounds[i] < 30*time.Millisecond {
			t.Errorf("%d datagrams waited for %s at most", n, DelayBounds[i])
		}
	}
	if all != 3 || sum < 90*time.Millisecond {
		t.Errorf("%d datagrams, %s in all", all, sum)
	}
	delays.Add(batch, 1, time.Unix(1, 0)) // the clock was set back
	if _, after := delays.Load(); after != sum {
		t.Errorf("a clock that was set back gives %s", after-sum)
	}
	if n := testing.AllocsPerRun(100, func() { delays.Add(batch, 1, time.Now()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	sockets, _, err := Open("127.0.0.1:0", 1, 1, 8<<20)
	if err != nil {
		b.Fatal(err)
	}
	s := sockets[0]
	defer func() { _ = s.Close() }()
	conn, err := net.Dial("udp4", s.Address().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	batch, payload := NewBatch(), make([]byte, 1400)
	for b.Loop() {
		b.StopTimer()
		for range BatchLength {
			if _, err := conn.Write(payload); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for read := 0; read < BatchLength; {
			n, err := s.Read(batch)
			if err != nil {
				b.Fatal(err)
			}
			read += n
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/BatchLength, "ns/datagram")
}

// What is in the buffer when a socket is sealed can be read, and what comes afterwards counts as dropped.
func TestNothingIsUncountedWhenASocketIsSealed(t *testing.T) {
	oneAndMany(t, func(t *testing.T, each int) {
		s := openOne(t, "127.0.0.1:0", each, 1<<20)
		conn := dial(t, "udp4", s.Address().Port())
		const before, after = 100, 30
		for range before {
			send(t, conn, []byte("before"))
		}
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
		for range after {
			send(t, conn, []byte("after"))
		}
		read, batch := 0, NewBatch()
		for {
			if err := s.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := s.Read(batch)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		if drops, err := s.KernelDrops(); err != nil || read != before || drops != after {
			t.Errorf("%d read, %d dropped (%v), want %d and %d", read, drops, err, before, after)
		}
	})
}
