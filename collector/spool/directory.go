package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The directory of a spool can be lost while it is open: its file system turns read-only, breaks, is unmounted or mounted
// over. Check notices, Abandon lets go of every file, so that the file system can be unmounted and repaired, and Reopen
// takes up what is there when it is back. A spool keeps the directory itself open, not its name, so that what is mounted in
// its place is never taken for it.

var (
	// ErrMoved is returned by Check where the directory's name leads elsewhere than when it was opened.
	ErrMoved = errors.New("the spool's directory is not the one that was opened: it was mounted over, unmounted, moved or removed")
	// ErrNotMounted is returned by Reopen where the directory was on a file system of its own, and none is mounted there.
	ErrNotMounted = errors.New("nothing is mounted any more where the spool's directory was")
)

// lockName is the file that is locked. It holds the spool's identity.
const lockName = "lock"

// takeLock locks the directory for this process, and gives it an identity where it has none.
func (s *Spool) takeLock() (err error) {
	// Nothing stays open for writing while the spool is empty: its file system can be made read-only. Over NFS a lock wants it.
	for _, mode := range []int{os.O_RDONLY, os.O_RDWR} {
		if s.lock, err = s.root.OpenFile(lockName, mode|os.O_CREATE, 0o600); err != nil {
			return fmt.Errorf("opening the spool's lock: %w", err)
		}
		if err = syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EBADF) {
			break
		}
		_ = s.lock.Close()
	}
	if err != nil {
		return fmt.Errorf("locking the spool in %s (another collector may use it): %w", s.dir, err)
	}
	id, err := s.root.ReadFile(lockName)
	if err == nil && len(id) == 0 {
		id = []byte(rand.Text())
		if err = s.writeIdentity(id); errors.Is(err, syscall.ENOSPC) {
			id, err = nil, nil // what lies on a full disk is read all the same
		}
	}
	if err != nil {
		return fmt.Errorf("reading the spool's identity: %w", err)
	}
	s.id = string(id)
	return nil
}

// writeIdentity has it on disk when it returns: without it, what a disk holds that was repaired is nobody's.
func (s *Spool) writeIdentity(id []byte) error {
	file, err := s.root.OpenFile(lockName, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(id)
	return errors.Join(err, file.Sync(), file.Close())
}

// Check reports whether the directory still is where it was and takes changes, without waiting for something to be written:
// ErrMoved, or the system's error. It sets the times of the lock.
func (s *Spool) Check() error {
	held, err := s.lock.Stat()
	if err != nil {
		return fmt.Errorf("looking at the spool's lock: %w", err)
	}
	found, err := os.Stat(filepath.Join(s.dir, lockName))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(held, found):
		return ErrMoved
	case err != nil:
		return fmt.Errorf("looking at the spool's lock: %w", err)
	}
	now := time.Now()
	if err := s.root.Chtimes(lockName, now, now); err != nil {
		return fmt.Errorf("touching the spool's lock: %w", err)
	}
	return nil
}

// Abandon closes all files and waits for nothing. Of the methods, only Reopen is of use afterwards.
func (s *Spool) Abandon() {
	for _, g := range s.segments {
		_ = g.close() // that the disk fails is known
	}
	_ = s.closeDirectory()
}

// Change is what differs between a directory that was abandoned and the one that is there now.
type Change struct {
	// Lost was there and is not any more. Found are records that are there and were not known.
	Lost  Loss
	Found int
}

// Reopen opens the directory of an abandoned spool anew, which may be another one by now. taken are the entries that Next
// gave and that are not marked as done: those that are still there belong to the new spool, and are not read again; of the
// others OnDisk is false afterwards. After an error it can be tried again.
func (s *Spool) Reopen(taken []*Entry) (opened *Spool, change Change, err error) {
	if s.isUnmounted() {
		return nil, change, fmt.Errorf("opening the spool in %s: %w", s.dir, ErrNotMounted)
	}
	opened, err = Open(s.dir, s.maxBytes)
	if err != nil {
		return nil, change, err
	}
	if s.isUnmounted() { // since a moment ago
		opened.Abandon()
		return nil, change, fmt.Errorf("opening the spool in %s: %w", s.dir, ErrNotMounted)
	}
	segments := make([]*segment, len(taken))
	for i, e := range taken {
		if segments[i], err = opened.adopt(e); err != nil {
			opened.Abandon()
			return nil, change, fmt.Errorf("reading the spool in %s: %w", s.dir, err)
		}
	}
	for i, e := range taken {
		e.segment = segments[i]
	}
	was, is := s.untaken(), opened.untaken()
	if s.id != opened.id || s.id == "" {
		return opened, Change{Lost: was, Found: is.Records}, nil
	}
	lost := max(0, was.Records-is.Records)
	return opened, Change{Lost: Loss{lost, max(0, min(was.Sent-is.Sent, lost))}, Found: max(0, is.Records-was.Records)}, nil
}

// isUnmounted reports whether the directory was on a file system of its own, and none is mounted there.
func (s *Spool) isUnmounted() bool {
	device, ok := deviceOf(s.dir)
	return ok && s.mounted && device == s.below
}

// adopt finds an entry of the abandoned spool, nil where it is not there, or done.
func (s *Spool) adopt(e *Entry) (*segment, error) {
	for _, g := range s.segments {
		if e.segment == nil || g.name != e.segment.name {
			continue
		}
		if err := g.open(); err != nil {
			return nil, err
		}
		h, err := g.header(g.file, e.offset)
		if err != nil || h.done || h.id != len(e.ID) || h.records != e.Records {
			return nil, notThere(err)
		}
		id := make([]byte, h.id)
		if _, err := g.file.ReadAt(id, e.offset+headerLength+int64(h.subject)); err != nil || string(id) != e.ID {
			return nil, notThere(err)
		}
		if g.adopted == nil {
			g.adopted = make(map[int64]struct{})
		}
		g.adopted[e.offset] = struct{}{}
		g.takenEntries++
		g.takenRecords += h.records
		if h.sent != 0 {
			g.sentRecords -= h.records
		}
		return g, nil
	}
	return nil, nil
}

// notThere leaves of an error what does not just say that an entry is not where it was.
func notThere(err error) error {
	if isDamage(err) {
		return nil
	}
	return err
}

// untaken is what was not read yet.
func (s *Spool) untaken() (sum Loss) {
	for _, g := range s.segments {
		sum.Add(g.untaken())
	}
	return sum
}

// deviceOf returns the device that a directory is on, or would be made on; false where it cannot be told.
func deviceOf(dir string) (device uint64, ok bool) {
	var at syscall.Stat_t
	for {
		err := syscall.Stat(dir, &at)
		parent := filepath.Dir(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return at.Dev, err == nil
		}
		dir = parent
	}
}

// deviceBelow returns the device of the file system that a directory's own is mounted on: what shows once it is unmounted.
// False where it cannot be told, as where both are parts of one.
func deviceBelow(dir string) (device uint64, ok bool) {
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	own, ok := deviceOf(dir)
	if err != nil || !ok {
		return 0, false
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if device, ok := deviceOf(parent); !ok || device != own {
			return device, ok
		}
	}
	return 0, false
}
