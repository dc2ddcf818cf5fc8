package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/flowfleet/flowfleet/collector/spool"
)

func TestEachFaultOfTheSpoolHasItsReasonAndSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want SpoolFault
		todo string
	}{
		"the user may not make the directory": {&fs.PathError{Op: "mkdir", Path: "/spool/a", Err: syscall.EACCES}, SpoolDenied, "let user"},
		"the user may not change a file":      {&fs.PathError{Op: "open", Path: "/spool/a/1", Err: syscall.EPERM}, SpoolDenied, "chown"},
		"the file system is read-only":        {&fs.PathError{Op: "mkdir", Path: "/spool/a", Err: syscall.EROFS}, SpoolReadOnly, "remounted"},
		"the disk is full":                    {fmt.Errorf("writing: %w", syscall.ENOSPC), SpoolNoSpace, "make room"},
		"the quota is full":                   {syscall.EDQUOT, SpoolNoSpace, "make room"},
		"nothing is mounted":                  {spool.ErrNotMounted, SpoolMoved, "mount"},
		"another collector has the lock":      {syscall.EWOULDBLOCK, SpoolLocked, "directory of its own"},
		"the disk is broken":                  {syscall.EIO, SpoolFailing, "kernel's log"},
		"what nobody knows":                   {errors.New("odd"), SpoolFailing, "kernel's log"},
	} {
		t.Run(name, func(t *testing.T) {
			got := faultOf(c.err)
			if got != c.want || !strings.Contains(got.todo(), c.todo) {
				t.Errorf("%v is %s (%s), not %s (%s)", c.err, got, got.todo(), c.want, c.todo)
			}
		})
	}
}
