//go:build linux

package tap

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a connection, as the kernel says.
type peer struct{ unix.Ucred }

func peerOf(conn *net.UnixConn) (p peer, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var found *unix.Ucred
	controlled := raw.Control(func(fd uintptr) { found, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(controlled, err); err != nil {
		return p, fmt.Errorf("asking the kernel who is at the other end: %w", err)
	}
	return peer{*found}, nil
}

// mayAsk: abstract sockets have no permissions, and containers on the host's network see each other's. A process of another container has
// no number here, whatever its user's number is.
func (p peer) mayAsk() error {
	switch {
	case p.Pid == 0:
		return errors.New("a process of another container may not capture")
	case p.Uid != 0 && int(p.Uid) != os.Getuid():
		return fmt.Errorf("user %d may not capture: the collector runs as user %d", p.Uid, os.Getuid())
	}
	return nil
}

// mayAnswer: anybody can bind the name of a collector that does not run.
func (p peer) mayAnswer() error {
	if p.Pid == 0 || os.Getuid() != 0 && p.Uid != 0 && int(p.Uid) != os.Getuid() {
		return fmt.Errorf("what listens there is a process of user %d, not a collector of user %d", p.Uid, os.Getuid())
	}
	return nil
}
