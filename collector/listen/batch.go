//go:build linux

package listen

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of a Batch.
const (
	// BatchLength is how many datagrams one Read takes at most.
	BatchLength = 64
	// MaxPayload is the longest datagram that is taken whole: jumbo frames carry up to 9000 bytes. Longer ones are marked
	// oversized.
	MaxPayload = 9216
)

// messageHeader is struct mmsghdr of recvmmsg(2).
type messageHeader struct {
	header unix.Msghdr
	length uint32
}

// Batch has room for datagrams. It must not be copied.
type Batch struct {
	headers [BatchLength]messageHeader
	vectors [BatchLength]unix.Iovec
	names   [BatchLength]unix.RawSockaddrInet6 // the larger of both families
	control control                            // of the first
	data    []byte
	zones   map[uint32]string
}

// NewBatch returns an empty Batch; it takes about 600 KiB.
func NewBatch() *Batch {
	b := &Batch{data: make([]byte, BatchLength*MaxPayload), zones: make(map[uint32]string)}
	for i := range b.headers {
		b.vectors[i].Base = &b.data[i*MaxPayload]
		b.vectors[i].SetLen(MaxPayload)
		h := &b.headers[i].header
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return b
}

// Payload of datagram i, valid until the next Read.
func (b *Batch) Payload(i int) []byte {
	start := i * MaxPayload
	return b.data[start : start+int(min(b.headers[i].length, MaxPayload)) : start+MaxPayload]
}

// Oversized reports whether datagram i was longer than MaxPayload; the rest of it is lost.
func (b *Batch) Oversized(i int) bool { return b.headers[i].header.Flags&unix.MSG_TRUNC != 0 }

// Source of datagram i. IPv4-mapped addresses are unmapped; link-local ones have a zone.
func (b *Batch) Source(i int) netip.AddrPort {
	name := &b.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	address := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 && address.Is6() {
		address = address.WithZone(b.zone(name.Scope_id))
	}
	return netip.AddrPortFrom(address, port)
}

// receiveMany is recvmmsg(2) on a socket that does not block.
func receiveMany(fd uintptr, b *Batch) (int, error) {
	for i := range b.headers {
		b.headers[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	// One time stamp a batch, that of the datagram that waited the longest; the others have no room for theirs.
	b.headers[0].header.Control = &b.control[0]
	b.headers[0].header.SetControllen(len(b.control))
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])), BatchLength,
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// memoryInfo is getsockopt(2) with SO_MEMINFO.
func memoryInfo(fd uintptr, info *[memoryVars]uint32) error {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
