//go:build linux

// Package listen reads UDP datagrams: several sockets a port (SO_REUSEPORT), so that each worker has its own, and many
// datagrams a system call (recvmmsg), without allocating. Where the kernel grants little room to a socket, a worker has several.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a worker's share of a port: one of the kernel's sockets, or several that are read as one. Read belongs to one goroutine;
// the other methods may be called from any.
type Socket struct {
	conns []*net.UDPConn
	raws  []syscall.RawConn
	lanes *lanes // nil for one

	batch *Batch
	read  func(fd uintptr) bool
	n     int
	errno error
}

// MaxSockets bounds how many of the kernel's sockets a worker has by itself: with 208 KiB each, which is what nodes grant by default,
// they hold about 5,000 datagrams of a full Ethernet frame.
const MaxSockets = 32

// Open binds the sockets of a number of workers to an address such as ":2055" (all addresses of both families, or of IPv4 where the
// machine has no IPv6) or "192.0.2.1:2055". With port 0 all get the same free one. receiveBuffer is what is asked of the kernel for
// each worker, in bytes; see Socket.ReceiveBuffer for what it gave. each is how many of the kernel's sockets each worker has; 0 for as
// many as it takes to have receiveBuffer, up to MaxSockets. An error of spreading datagrams over them comes with the sockets: they can
// be used, and each exporter has the room of one of them.
func Open(address string, workers, each, receiveBuffer int) (sockets []*Socket, spreading error, err error) {
	// SO_REUSEPORT would let two collectors of one user share a port in silence, each missing half of it. A socket without
	// it finds the other one.
	probe, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, nil, bindError(address, err)
	}
	if host, port, _ := net.SplitHostPort(address); port == "0" {
		// The one that is free for a socket of its own: asked with SO_REUSEPORT, the system also gives one that is shared.
		address = net.JoinHostPort(host, fmt.Sprint(probe.LocalAddr().(*net.UDPAddr).Port))
	}
	if err := probe.Close(); err != nil {
		return nil, nil, bindError(address, err)
	}
	for range workers {
		s, err := open(address, each, receiveBuffer)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll(sockets))
		}
		each = len(s.conns)
		sockets = append(sockets, s)
	}
	if each > 1 {
		spreading = spread(sockets[0].raws[0], workers, each)
	}
	return sockets, spreading, nil
}

func bindError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("binding UDP %s: the port is in use by another program", address)
	}
	return fmt.Errorf("binding UDP %s: %w", address, err)
}

func closeAll(sockets []*Socket) error {
	var errs []error
	for _, s := range sockets {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// open binds the sockets of one worker.
func open(address string, each, receiveBuffer int) (*Socket, error) {
	s := &Socket{}
	s.read = s.receive
	if err := s.bind(address, receiveBuffer/max(each, 1)); err != nil {
		return nil, err
	}
	granted, err := s.ReceiveBuffer()
	if each == 0 && err == nil {
		each = SocketsFor(receiveBuffer, granted)
	}
	for len(s.conns) < each {
		if err := s.bind(address, receiveBuffer/each); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if len(s.conns) > 1 {
		if s.lanes, err = newLanes(s.raws); err != nil {
			return nil, errors.Join(bindError(address, err), s.Close())
		}
	}
	return s, nil
}

// SocketsFor is how many sockets a worker has, at most MaxSockets, to have a receive buffer of so many bytes where the kernel grants one
// socket granted bytes.
func SocketsFor(receiveBuffer, granted int) int {
	return min(max((receiveBuffer+granted-1)/max(granted, 1), 1), MaxSockets)
}

// bind binds another of the kernel's sockets.
func (s *Socket) bind(address string, receiveBuffer int) error {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); failed != nil {
				return
			}
			// For Delays, and the order between several; a kernel without it leaves them empty.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
			// The first needs a capability and may exceed net.core.rmem_max; the second never fails for being too large.
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
			}
		})
		return errors.Join(err, failed)
	}}
	packets, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return bindError(address, err)
	}
	conn := packets.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return errors.Join(bindError(address, err), conn.Close())
	}
	s.conns, s.raws = append(s.conns, conn), append(s.raws, raw)
	return nil
}

// Address that the socket is bound to.
func (s *Socket) Address() netip.AddrPort { return s.conns[0].LocalAddr().(*net.UDPAddr).AddrPort() }

// Sockets is how many of the kernel's it consists of.
func (s *Socket) Sockets() int { return len(s.conns) }

// Close makes a waiting Read return net.ErrClosed.
func (s *Socket) Close() error {
	var errs []error
	for _, conn := range s.conns {
		errs = append(errs, conn.Close())
	}
	if s.lanes != nil {
		errs = append(errs, s.lanes.epoll.Close())
	}
	return errors.Join(errs...)
}

// SetReadDeadline makes Read return os.ErrDeadlineExceeded from t on.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if s.lanes != nil {
		return s.lanes.epoll.SetReadDeadline(t)
	}
	return s.conns[0].SetReadDeadline(t)
}

// ReceiveBuffer is the size of the receive buffer, of all sockets together, in bytes as it was asked for: the kernel doubles it for
// its own use.
func (s *Socket) ReceiveBuffer() (sum int, err error) {
	for _, raw := range s.raws {
		failed := raw.Control(func(fd uintptr) {
			var size int
			size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
			sum += size / 2
		})
		if err = errors.Join(failed, err); err != nil {
			return 0, fmt.Errorf("reading the receive buffer of UDP %s: %w", s.Address(), err)
		}
	}
	return sum, nil
}

// Seal makes the kernel drop what comes from now on, which KernelDrops counts: what the buffer holds can then be read to its end, and
// nothing is left in it uncounted when the socket is closed.
func (s *Socket) Seal() error {
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}} // how many bytes of a datagram are taken: none
	for _, raw := range s.raws {
		if err := setFilter(raw, unix.SO_ATTACH_FILTER, nothing); err != nil {
			return fmt.Errorf("sealing UDP %s: %w", s.Address(), err)
		}
	}
	return nil
}

// memoryDrops is the index of the drop count in what SO_MEMINFO gives (linux/sock_diag.h, SK_MEMINFO_DROPS).
const (
	memoryDrops = 8
	memoryVars  = 9
)

// KernelDrops is how many datagrams the kernel has dropped since the socket was bound, modulo 2^32: mostly because the
// receive buffer was full. It comes from SO_MEMINFO, which is true at any time; SO_RXQ_OVFL tells with the next datagram
// only.
func (s *Socket) KernelDrops() (sum uint32, err error) {
	for _, raw := range s.raws {
		var info [memoryVars]uint32
		var errno error
		err := raw.Control(func(fd uintptr) { errno = memoryInfo(fd, &info) })
		if err = errors.Join(err, errno); err != nil {
			return 0, fmt.Errorf("reading the drop count of UDP %s: %w", s.Address(), err)
		}
		sum += info[memoryDrops]
	}
	return sum, nil
}

// Read waits for datagrams and fills the batch with those that are there. It returns how many, at least one, or an error:
// os.ErrDeadlineExceeded, net.ErrClosed, or what the system said.
func (s *Socket) Read(b *Batch) (int, error) {
	if s.lanes != nil {
		n, err := s.lanes.read(b)
		return n, readError(err)
	}
	s.batch, s.n, s.errno = b, 0, nil
	if err := s.raws[0].Read(s.read); err != nil {
		return 0, readError(err)
	}
	return s.n, s.errno
}

func readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed), err != nil && err.Error() == "use of closed file":
		return net.ErrClosed
	}
	return err
}

// receive is called by the runtime when the socket is readable; false waits for more.
func (s *Socket) receive(fd uintptr) bool {
	for {
		n, err := s.batch.own.receive(fd, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR):
			continue
		}
		s.n, s.errno = n, err
		return true
	}
}
