//go:build linux

package listen

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BatchLength is how many datagrams one Read takes at most.
const BatchLength = 64

// Batch has room for datagrams. It must not be copied.
type Batch struct {
	own    *slots // for a Socket that is one of the kernel's; the others have slots themselves
	picked [BatchLength]pick
	zones  map[uint32]string
}

// pick is where a datagram of a Batch lies.
type pick struct {
	slots *slots
	at    int
}

// NewBatch returns an empty Batch; it takes about 600 KiB.
func NewBatch() *Batch {
	b := &Batch{
		// One time stamp a batch, that of the datagram that waited the longest.
		own:   makeSlots(BatchLength, 1),
		zones: make(map[uint32]string),
	}
	b.pickOwn()
	return b
}

func (b *Batch) pickOwn() {
	for i := range b.picked {
		b.picked[i] = pick{b.own, i}
	}
}

// Payload of datagram i, valid until the next Read.
func (b *Batch) Payload(i int) []byte { return b.picked[i].slots.payload(b.picked[i].at) }

// Oversized reports whether datagram i was longer than MaxPayload; the rest of it is lost.
func (b *Batch) Oversized(i int) bool { return b.picked[i].slots.oversized(b.picked[i].at) }

// Source of datagram i. IPv4-mapped addresses are unmapped; link-local ones have a zone.
func (b *Batch) Source(i int) netip.AddrPort {
	source, zone := b.picked[i].slots.source(b.picked[i].at)
	if zone != 0 {
		return netip.AddrPortFrom(source.Addr().WithZone(b.zone(zone)), source.Port())
	}
	return source
}

// received is when the kernel took the first datagram, in nanoseconds since 1970; 0 where it did not say.
func (b *Batch) received() int64 { return b.picked[0].slots.stamp(b.picked[0].at) }

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
