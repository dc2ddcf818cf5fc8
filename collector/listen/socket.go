//go:build linux

// Package listen reads UDP datagrams: several sockets a port (SO_REUSEPORT), so that each worker has its own, and many
// datagrams a system call (recvmmsg), without allocating.
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

// Socket is one of the sockets of a port. Read belongs to one goroutine; the other methods may be called from any.
type Socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	batch *Batch
	read  func(fd uintptr) bool
	n     int
	errno error
}

// Open binds n sockets to an address such as ":2055" (all addresses of both families, or of IPv4 where the machine has no
// IPv6) or "192.0.2.1:2055". With port 0 all get the same free one. receiveBuffer is what is asked of the kernel, in
// bytes; see Socket.ReceiveBuffer for what it gave.
func Open(address string, n, receiveBuffer int) ([]*Socket, error) {
	// SO_REUSEPORT would let two collectors of one user share a port in silence, each missing half of it. A socket without
	// it finds the other one.
	probe, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, bindError(address, err)
	}
	if host, port, _ := net.SplitHostPort(address); port == "0" {
		// The one that is free for a socket of its own: asked with SO_REUSEPORT, the system also gives one that is shared.
		address = net.JoinHostPort(host, fmt.Sprint(probe.LocalAddr().(*net.UDPAddr).Port))
	}
	if err := probe.Close(); err != nil {
		return nil, bindError(address, err)
	}
	var sockets []*Socket
	for range n {
		s, err := open(address, receiveBuffer)
		if err != nil {
			return nil, errors.Join(err, closeAll(sockets))
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
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

func open(address string, receiveBuffer int) (*Socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); failed != nil {
				return
			}
			// For Delays; a kernel without it leaves them empty.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
			// The first needs a capability and may exceed net.core.rmem_max; the second never fails for being too large.
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
			}
		})
		return errors.Join(err, failed)
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, bindError(address, err)
	}
	s := &Socket{conn: conn.(*net.UDPConn)}
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return nil, errors.Join(bindError(address, err), conn.Close())
	}
	s.read = s.receive
	return s, nil
}

// Address that the socket is bound to.
func (s *Socket) Address() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close makes a waiting Read return net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }

// SetReadDeadline makes Read return os.ErrDeadlineExceeded from t on.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// ReceiveBuffer is the size of the receive buffer in bytes as it was asked for: the kernel doubles it for its own use.
func (s *Socket) ReceiveBuffer() (int, error) {
	size, err := 0, error(nil)
	if failed := s.raw.Control(func(fd uintptr) {
		size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	}); failed != nil {
		err = failed
	}
	return size / 2, err
}

// Seal makes the kernel drop what comes from now on, which KernelDrops counts: what the buffer holds can then be read to its end, and
// nothing is left in it uncounted when the socket is closed.
func (s *Socket) Seal() error {
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // how many bytes of a datagram are taken: none
	program := unix.SockFprog{Len: 1, Filter: &nothing}
	var errno error
	err := s.raw.Control(func(fd uintptr) {
		errno = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	if err = errors.Join(err, errno); err != nil {
		return fmt.Errorf("sealing UDP %s: %w", s.Address(), err)
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
func (s *Socket) KernelDrops() (uint32, error) {
	var info [memoryVars]uint32
	var errno error
	err := s.raw.Control(func(fd uintptr) { errno = memoryInfo(fd, &info) })
	if err = errors.Join(err, errno); err != nil {
		return 0, fmt.Errorf("reading the drop count of UDP %s: %w", s.Address(), err)
	}
	return info[memoryDrops], nil
}

// Read waits for datagrams and fills the batch with those that are there. It returns how many, at least one, or an error:
// os.ErrDeadlineExceeded, net.ErrClosed, or what the system said.
func (s *Socket) Read(b *Batch) (int, error) {
	s.batch, s.n, s.errno = b, 0, nil
	err := s.raw.Read(s.read)
	switch {
	case err == nil:
		return s.n, s.errno
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, os.ErrDeadlineExceeded
	case errors.Is(err, net.ErrClosed):
		return 0, net.ErrClosed
	}
	return 0, err
}

// receive is called by the runtime when the socket is readable; false waits for more.
func (s *Socket) receive(fd uintptr) bool {
	for {
		n, err := receiveMany(fd, s.batch)
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
