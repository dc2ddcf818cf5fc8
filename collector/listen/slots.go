//go:build linux

package listen

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxPayload is the longest datagram that is taken whole: jumbo frames carry up to 9000 bytes. Longer ones are marked
// oversized.
const MaxPayload = 9216

// messageHeader is struct mmsghdr of recvmmsg(2).
type messageHeader struct {
	header unix.Msghdr
	length uint32
}

// control has room for a time stamp of the kernel.
type control [unix.SizeofCmsghdr + 16]byte

// slots have room for the datagrams of one system call. They must not be moved.
type slots struct {
	headers  []messageHeader
	vectors  []unix.Iovec
	names    []unix.RawSockaddrInet6 // the larger of both families
	controls []control               // of the first ones
	data     []byte
}

// makeSlots makes n slots, the first of which have room for a time stamp.
func makeSlots(n, stamps int) *slots {
	s := &slots{
		headers: make([]messageHeader, n), vectors: make([]unix.Iovec, n), names: make([]unix.RawSockaddrInet6, n),
		controls: make([]control, stamps), data: make([]byte, n*MaxPayload),
	}
	for i := range s.headers {
		s.vectors[i].Base = &s.data[i*MaxPayload]
		s.vectors[i].SetLen(MaxPayload)
		h := &s.headers[i].header
		h.Iov = &s.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	return s
}

// receive is recvmmsg(2) on a socket that does not block, into the slots from one on.
func (s *slots) receive(fd uintptr, from int) (int, error) {
	headers := s.headers[from:]
	for i := range headers {
		h := &headers[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		if from+i < len(s.controls) {
			h.Control = &s.controls[from+i][0]
			h.SetControllen(len(control{}))
		}
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (s *slots) payload(i int) []byte {
	start := i * MaxPayload
	end := start + int(min(s.headers[i].length, MaxPayload))
	return s.data[start:end:end] // an earlier datagram may lie behind it
}

func (s *slots) oversized(i int) bool { return s.headers[i].header.Flags&unix.MSG_TRUNC != 0 }

// source has no zone; where it needs one, its interface's number is not 0.
func (s *slots) source(i int) (source netip.AddrPort, zone uint32) {
	name := &s.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port), 0
	}
	address := netip.AddrFrom16(name.Addr).Unmap()
	if address.Is6() {
		zone = name.Scope_id
	}
	return netip.AddrPortFrom(address, port), zone
}

// stamp is when the kernel took a datagram, in nanoseconds since 1970; 0 where it did not say.
func (s *slots) stamp(i int) int64 {
	if i >= len(s.controls) || s.headers[i].header.Controllen < unix.SizeofCmsghdr {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&s.controls[i]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_TIMESTAMPNS {
		return 0
	}
	stamp := s.controls[i][unix.SizeofCmsghdr:]
	return int64(binary.NativeEndian.Uint64(stamp))*int64(time.Second) + int64(binary.NativeEndian.Uint64(stamp[8:]))
}
