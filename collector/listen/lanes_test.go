//go:build linux

package listen

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// received is what one worker read of one exporter, in order.
type received struct {
	worker  int
	numbers []uint32
}

// readAll reads each socket in a goroutine of its own until all are silent.
func readAll(t *testing.T, sockets []*Socket, sent *sync.WaitGroup) map[netip.AddrPort]*received {
	t.Helper()
	var mu sync.Mutex
	out := make(map[netip.AddrPort]*received)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	go func() {
		sent.Wait()
		close(stop)
	}()
	for worker, s := range sockets {
		readers.Go(func() {
			for batch := NewBatch(); ; {
				if err := s.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
					t.Error(err)
					return
				}
				n, err := s.Read(batch)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					select {
					case <-stop:
						return
					default:
						continue
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range n {
					source := batch.Source(i)
					if out[source] == nil {
						out[source] = &received{worker: worker}
					} else if out[source].worker != worker {
						t.Errorf("%s is read by workers %d and %d", source, out[source].worker, worker)
					}
					out[source].numbers = append(out[source].numbers, binary.BigEndian.Uint32(batch.Payload(i)))
				}
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	return out
}

// The datagrams of an exporter are spread over the sockets of one worker, which hands them on in the order they came in: a template that
// changes must not be applied to what was sent before it. Exporters are spread over the workers.
func TestEachExporterIsReadByOneWorkerInOrder(t *testing.T) {
	const workers, each, exporters, datagrams = 4, 8, 24, 2000
	sockets, spreading, err := Open(":0", workers, each, each<<20)
	if err != nil || spreading != nil {
		t.Fatal(err, spreading)
	}
	defer func() { _ = closeAll(sockets) }()
	port := sockets[0].Address().Port()
	var sent sync.WaitGroup
	for i := range exporters {
		network, host := "udp4", net.IPv4(127, 0, 0, 1)
		if i%2 == 1 {
			network, host = "udp6", net.IPv6loopback
		}
		conn, err := net.DialUDP(network, nil, &net.UDPAddr{IP: host, Port: int(port)})
		if err != nil {
			t.Skipf("no %s here: %v", network, err)
		}
		defer func() { _ = conn.Close() }()
		sent.Go(func() {
			for n := range uint32(datagrams) {
				if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil {
					t.Error(err)
					return
				}
				if n%16 == 15 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	got := readAll(t, sockets, &sent)
	used := make(map[int]bool)
	for source, r := range got {
		used[r.worker] = true
		if len(r.numbers) != datagrams {
			t.Errorf("%s: %d of %d datagrams", source, len(r.numbers), datagrams)
		}
		for i, n := range r.numbers {
			if n != uint32(i) {
				t.Errorf("%s: datagram %d came in place of %d", source, n, i)
				break
			}
		}
	}
	if len(got) != exporters || len(used) < 2 {
		t.Errorf("%d exporters were read, by %d workers", len(got), len(used))
	}
}

// One exporter has the room of all sockets of its worker, and what waits there comes out in order.
func TestABurstHasTheRoomOfAllSockets(t *testing.T) {
	const each, datagrams = 16, 1000
	room := func(each int) (kept int) {
		// The least that the kernel gives a socket, whatever it is asked for, holds a few of these.
		s := openOne(t, "127.0.0.1:0", each, each*16<<10)
		conn := dial(t, "udp4", s.Address().Port())
		payload := make([]byte, 1300)
		for n := range uint32(datagrams) {
			binary.BigEndian.PutUint32(payload, n)
			send(t, conn, payload)
		}
		var sent sync.WaitGroup
		for _, r := range readAll(t, []*Socket{s}, &sent) {
			for i := 1; i < len(r.numbers); i++ {
				if r.numbers[i] <= r.numbers[i-1] {
					t.Errorf("datagram %d came after %d", r.numbers[i], r.numbers[i-1])
				}
			}
			kept = len(r.numbers)
		}
		if drops, err := s.KernelDrops(); err != nil || kept+int(drops) != datagrams {
			t.Errorf("%d read and %d dropped (%v) of %d", kept, drops, err, datagrams)
		}
		return kept
	}
	one, all := room(1), room(each)
	t.Logf("of %d datagrams one socket held %d, %d sockets %d", datagrams, one, each, all)
	if all < each/2*one {
		t.Errorf("one socket held %d datagrams, %d sockets %d", one, each, all)
	}
}

func TestAWorkerHasAsManySocketsAsItTakes(t *testing.T) {
	for _, test := range []struct{ receiveBuffer, granted, want int }{
		{32 << 20, 32 << 20, 1},
		{32 << 20, 64 << 20, 1},
		{32 << 20, 16 << 20, 2},
		{1 << 20, 208 << 10, 5},
		{32 << 20, 208 << 10, MaxSockets}, // a node by default
		{64 << 10, 0, MaxSockets},
	} {
		if got := SocketsFor(test.receiveBuffer, test.granted); got != test.want {
			t.Errorf("%d sockets for %d bytes where %d are granted, want %d", got, test.receiveBuffer, test.granted, test.want)
		}
	}
	s := openOne(t, "127.0.0.1:0", 0, 128<<10) // any node grants this
	if n := s.Sockets(); n != 1 {
		t.Errorf("%d sockets where one is granted all", n)
	}
}
