//go:build linux

package listen

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// laneLength is how many datagrams of each socket are read at a time, where a worker has several.
const laneLength = 16

// lane is one of several sockets with what was read from it and not handed on yet: slots next to n.
type lane struct {
	raw     syscall.RawConn
	slots   *slots
	receive func(fd uintptr) bool
	stamps  [laneLength]int64
	next, n int
	// more: the socket may have more that no slot was free for.
	more bool
	err  error
}

// lanes read several sockets as if they were one: datagrams come out in the order in which the kernel took them, or a template that
// changes would be applied to data that was sent before it.
//
// The kernel puts those of one exporter into sockets in that order, too. So whatever is older than a datagram that was read is found
// when all sockets are looked at once more: only then it is handed on.
type lanes struct {
	epoll  *os.File
	raw    syscall.RawConn
	events []unix.EpollEvent
	all    []lane
	batch  *Batch
	n      int
	err    error
	gather func(fd uintptr) bool
	// pending datagrams are read and not handed on. latest is the youngest time stamp of them, settled up to where they may be.
	pending         int
	latest, settled int64
}

func newLanes(raws []syscall.RawConn) (*lanes, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching several sockets: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile: so that the runtime waits for it
		return nil, errors.Join(fmt.Errorf("watching several sockets: %w", err), unix.Close(fd))
	}
	l := &lanes{epoll: os.NewFile(uintptr(fd), "epoll"), events: make([]unix.EpollEvent, len(raws)), all: make([]lane, len(raws))}
	l.gather = l.gatherSome
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		return nil, errors.Join(err, l.epoll.Close())
	}
	for i, raw := range raws {
		one := &l.all[i]
		one.raw, one.slots = raw, makeSlots(laneLength, laneLength)
		one.receive = one.receiveSome
		var failed error
		err := raw.Control(func(socket uintptr) {
			failed = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(socket), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
		})
		if err = errors.Join(err, failed); err != nil {
			return nil, errors.Join(fmt.Errorf("watching several sockets: %w", err), l.epoll.Close())
		}
	}
	return l, nil
}

// read is Socket.Read for several sockets.
func (l *lanes) read(b *Batch) (int, error) {
	l.batch, l.n, l.err = b, 0, nil
	if err := l.raw.Read(l.gather); err != nil {
		return 0, err
	}
	return l.n, l.err
}

// gatherSome is called by the runtime when one of the sockets is readable; false waits for more.
func (l *lanes) gatherSome(epoll uintptr) bool {
	for {
		if l.n = l.merge(); l.n > 0 {
			return true
		}
		l.settled = l.latest
		ready, err := unix.EpollWait(int(epoll), l.events, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			l.err = fmt.Errorf("watching several sockets: %w", err)
			return true
		}
		if ready == 0 && l.pending == 0 {
			return false
		}
		for i := range l.all {
			l.all[i].more = false
		}
		for _, event := range l.events[:ready] {
			if l.err = l.fill(&l.all[event.Fd]); l.err != nil {
				return true
			}
		}
	}
}

// fill reads what there is room for.
func (l *lanes) fill(one *lane) error {
	if one.next == one.n {
		one.next, one.n = 0, 0
	}
	before := one.n
	if before < laneLength {
		one.err = nil
		if err := one.raw.Read(one.receive); err != nil {
			return err
		}
		if one.err != nil {
			return one.err
		}
	}
	one.more = one.n == laneLength
	if l.pending == 0 {
		l.latest = 0 // not for ever what a clock said that was set back since
	}
	for i := before; i < one.n; i++ {
		one.stamps[i] = one.slots.stamp(i)
		l.latest = max(l.latest, one.stamps[i])
	}
	l.pending += one.n - before
	return nil
}

// receiveSome never waits: the epoll has said that there is something.
func (o *lane) receiveSome(fd uintptr) bool {
	for {
		n, err := o.slots.receive(fd, o.n)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			// It was taken back, such as one with a wrong checksum.
		case err != nil:
			o.err = err
		default:
			o.n += n
		}
		return true
	}
}

// merge hands on what is settled, the oldest first. It stops where a lane has run out that may have more.
func (l *lanes) merge() (n int) {
	for n < BatchLength && l.pending > 0 {
		var oldest *lane
		var stamp int64
		for i := range l.all {
			one := &l.all[i]
			switch {
			case one.next == one.n && one.more:
				return n
			case one.next < one.n && (oldest == nil || one.stamps[one.next] < stamp):
				oldest, stamp = one, one.stamps[one.next]
			}
		}
		if stamp > l.settled {
			return n
		}
		l.batch.picked[n] = pick{oldest.slots, oldest.next}
		n++
		oldest.next++
		l.pending--
	}
	return n
}
