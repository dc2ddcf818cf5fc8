package publish

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/flowfleet/flowfleet/collector/spool"
)

// SpoolFault is a reason why the spool cannot be used.
type SpoolFault uint8

// The reasons.
const (
	// SpoolFailing: the system refuses to read or write, for another reason than those below.
	SpoolFailing SpoolFault = iota
	// SpoolReadOnly: its file system is mounted read-only, or the system made it so after an error.
	SpoolReadOnly
	// SpoolNoSpace: its file system, or a quota, has no room.
	SpoolNoSpace
	// SpoolMoved: its directory was unmounted, mounted over, moved or removed.
	SpoolMoved
	// SpoolLocked: another process uses it.
	SpoolLocked
	// SpoolDenied: the process's user may not write to it.
	SpoolDenied

	// SpoolFaults is how many there are.
	SpoolFaults = int(iota)
)

// String is the value of the metric's label.
func (f SpoolFault) String() string {
	return [SpoolFaults]string{"failing", "read_only", "no_space", "moved", "locked", "denied"}[f]
}

// todo says what an operator can do. The collector needs no restart after any of it.
func (f SpoolFault) todo() string {
	return [SpoolFaults]string{
		"see the kernel's log about the disk; it can be unmounted, repaired and mounted again meanwhile",
		"see the kernel's log for why; it can be unmounted, checked (fsck) and mounted again meanwhile, or remounted writable",
		"make room on its file system, or set output.buffer.spool.maxBytes to less",
		"mount its file system again, or make its directory; what is found there is sent",
		"give each collector a directory of its own",
		fmt.Sprintf("let user %d write there; spool.hostPath is to be chowned on the node", os.Geteuid()),
	}[f]
}

// faultOf finds the reason in an error of the spool.
func faultOf(err error) SpoolFault {
	is := func(errs ...error) bool {
		for _, e := range errs {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.EROFS):
		return SpoolReadOnly
	case is(spool.ErrMoved, spool.ErrNotMounted):
		return SpoolMoved
	case is(syscall.EWOULDBLOCK):
		return SpoolLocked
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return SpoolNoSpace
	case is(syscall.EACCES, syscall.EPERM):
		return SpoolDenied
	}
	return SpoolFailing
}
