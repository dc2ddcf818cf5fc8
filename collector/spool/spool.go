// Package spool keeps batches on disk until they are done with: a bounded log of segment files in a directory of its own.
//
// What it promises: an entry that Append has taken survives the death of the process, and what the system has written out
// by then (Sync) survives the system's. Entries come back oldest first, whole or not at all (CRC-32C of header and body),
// with their message id, and with when they were first sent. An end that was torn, or damage in the middle, costs the
// entries it hits and no others. The directory never takes more than the bound, by whole segments.
//
// Why not a library. Of the segment logs at hand tidwall/wal has no checksums, and one torn end makes its whole log refuse
// to open; hashicorp/raft-wal syncs each write, does not verify what it reads and is bound to Raft's types; joncrlsn/dque
// encodes with gob, without checksums, and has seen no release since 2021; Prometheus's wlog brings the module of the whole
// server. None of them marks single entries as done, which is what keeps batches that were acknowledged from being sent
// again after a crash, and none can tell how many records a lost entry had. An embedded JetStream could do the former; it
// does not say what it discards either, and it disables itself for good when the disk is full.
package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrFull is returned by Append where the bound would be exceeded.
var ErrFull = errors.New("the spool is full")

// segments is into how many files the bound is split, within the bounds below: what goes first goes by whole files.
const (
	segments        = 16
	minSegmentBytes = 4 << 20
	maxSegmentBytes = 64 << 20
)

// Loss is how many records the spool let go of, and how many of these were sent before: whoever they were sent to may have them.
type Loss struct{ Records, Sent int }

// Add adds another loss.
func (l *Loss) Add(o Loss) {
	l.Records += o.Records
	l.Sent += o.Sent
}

// Spool is an open spool. It belongs to one goroutine.
type Spool struct {
	dir          string
	root         *os.Root // of dir, whatever is mounted there later
	lock         *os.File
	id           string // in the lock; empty where it could not be written
	below        uint64 // the device that dir's file system is mounted on
	mounted      bool   // below is known
	maxBytes     int64
	segmentBytes int64
	segments     []*segment // oldest first
	writing      *segment   // the last of segments, or nil
	number       uint64     // of the next segment
	bytes        int64
	dirty        []*os.File // written to since they were last synced
	syncs        chan error // of the sync under way, nil where there is none
	buffer       []byte
	discarded    int64
}

// Open opens the spool in a directory, which is created when missing, and takes stock of what a former process left there.
// It fails where another process has it open.
func Open(dir string, maxBytes int64) (*Spool, error) {
	s := &Spool{dir: dir, maxBytes: maxBytes,
		segmentBytes: min(max(maxBytes/segments, minSegmentBytes), maxSegmentBytes)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the spool's directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the spool's directory: %w", err)
	}
	s.root = root
	if err = s.takeLock(); err == nil {
		err = s.Check()
	}
	if err != nil {
		return nil, errors.Join(err, s.closeDirectory())
	}
	s.below, s.mounted = deviceBelow(dir)
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the spool in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

// recover takes stock of the directory.
func (s *Spool) recover() error {
	names, err := fs.Glob(s.root.FS(), "*"+suffix) // sorted
	if err != nil {
		return err
	}
	for _, name := range names {
		number, err := strconv.ParseUint(strings.TrimSuffix(name, suffix), 10, 64)
		if err != nil {
			continue // not ours
		}
		s.number = max(s.number, number+1)
		g := &segment{root: s.root, name: name}
		discarded, err := g.scan()
		s.discarded += discarded
		if err != nil {
			return err
		}
		s.segments = append(s.segments, g)
		s.bytes += g.size
		if g.entries == 0 {
			if err := s.remove(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes on disk.
func (s *Spool) Bytes() int64 { return s.bytes }

// Waiting is how many records are not done yet.
func (s *Spool) Waiting() (records int) {
	for _, g := range s.segments {
		records += g.records
	}
	return records
}

// Discarded is how many bytes of what a former process left were torn or damaged.
func (s *Spool) Discarded() int64 { return s.discarded }

// Append writes an entry behind all others. After an error the spool is as before; ErrFull is one.
func (s *Spool) Append(e *Entry) error {
	s.buffer = e.append(s.buffer[:0])
	need := int64(len(s.buffer))
	if need-headerLength > maxBodyLength || len(e.Subject)+len(e.ID)+len(e.Encoding) > 1<<16-1 {
		return fmt.Errorf("an entry of %d bytes is too large for the spool", need)
	}
	if s.bytes+need > s.maxBytes {
		return ErrFull
	}
	if s.writing != nil && s.writing.size > 0 && s.writing.size+need > s.segmentBytes {
		s.rotate()
	}
	if s.writing == nil {
		g := &segment{root: s.root, name: segmentName(s.number)}
		if err := g.open(); err != nil {
			return fmt.Errorf("beginning a segment of the spool: %w", err)
		}
		s.number++
		s.segments, s.writing = append(s.segments, g), g
	}
	g := s.writing
	if err := g.open(); err != nil {
		return fmt.Errorf("opening a segment of the spool: %w", err)
	}
	if _, err := g.file.WriteAt(s.buffer, g.size); err != nil {
		// What was written in part would be taken for damage later.
		return errors.Join(fmt.Errorf("writing to the spool: %w", err), g.file.Truncate(g.size))
	}
	s.wrote(g)
	g.size += need
	s.bytes += need
	g.entries++
	g.records += e.Records
	if !e.Sent.IsZero() {
		g.sentRecords += e.Records
	}
	return nil
}

// wrote notes that a segment is to be synced.
func (s *Spool) wrote(g *segment) {
	if g.file != nil && !slices.Contains(s.dirty, g.file) {
		s.dirty = append(s.dirty, g.file)
	}
}

// rotate ends the segment that is written to. Its file is closed when it is synced.
func (s *Spool) rotate() { s.writing = nil }

// closeIdle closes the files that were neither written to since they were synced, nor read.
func (s *Spool) closeIdle() (err error) {
	for _, g := range s.segments {
		if g.next == 0 && g.file != nil && !slices.Contains(s.dirty, g.file) {
			err = errors.Join(err, g.close())
		}
	}
	return err
}

// Sync begins to have the system write out what was appended or marked, unless it still does, and returns the error of the last time.
// It does not wait: a disk that is slow to sync would otherwise hold up everything.
func (s *Spool) Sync() error {
	var err error
	if s.syncs != nil {
		select {
		case err = <-s.syncs:
			s.syncs = nil
			err = errors.Join(err, s.closeIdle())
		default:
			return nil
		}
	}
	files := s.dirty
	if s.dirty = nil; len(files) > 0 {
		s.syncs = make(chan error, 1)
		go func(done chan<- error) { done <- syncAll(files) }(s.syncs)
	}
	return err
}

// syncAll syncs files; that one was removed and closed meanwhile is no error.
func syncAll(files []*os.File) (err error) {
	for _, f := range files {
		if e := f.Sync(); e != nil && !errors.Is(e, os.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("syncing the spool: %w", e))
		}
	}
	return err
}

// Next reads the oldest entry that was not read yet, nil where there is none. lost is what was found damaged on the
// way: it is out of the books. The entry's payload is read into memory of its own.
func (s *Spool) Next() (e *Entry, lost Loss, err error) {
	for i := 0; i < len(s.segments); i++ {
		g := s.segments[i]
		if g.next >= g.size && g.entries == g.takenEntries {
			continue
		}
		var more Loss
		e, more, err = s.read(g)
		lost.Add(more)
		if err != nil || e != nil {
			return e, lost, err
		}
		if g.removed {
			i--
		}
	}
	return nil, lost, nil
}

// read reads the next entry of a segment; nil at its end.
func (s *Spool) read(g *segment) (e *Entry, lost Loss, err error) {
	if err := g.open(); err != nil {
		return nil, lost, fmt.Errorf("opening a segment of the spool: %w", err)
	}
	for g.next < g.size {
		h, err := g.header(g.file, g.next)
		switch {
		case isDamage(err):
			if g.next, err = g.resync(g.next); err != nil {
				return nil, lost, fmt.Errorf("reading the spool: %w", err)
			}
			continue
		case err != nil:
			return nil, lost, fmt.Errorf("reading the spool: %w", err)
		}
		offset := g.next
		if _, taken := g.adopted[offset]; taken || h.done {
			g.next += h.length()
			continue
		}
		body := make([]byte, h.body)
		if _, err := g.file.ReadAt(body, offset+headerLength); err != nil && !errors.Is(err, io.EOF) {
			return nil, lost, fmt.Errorf("reading the spool: %w", err)
		}
		g.next += h.length()
		sent := 0
		if h.sent != 0 {
			sent = h.records
		}
		g.sentRecords -= sent
		e, whole := h.entry(body)
		if !whole {
			g.entries--
			g.records -= h.records
			lost.Add(Loss{h.records, sent})
			continue
		}
		e.segment, e.offset = g, offset
		g.takenEntries++
		g.takenRecords += h.records
		return e, lost, nil
	}
	// What the books have beyond this stood behind damaged headers.
	lost.Add(g.giveUp())
	return nil, lost, s.tidy(g)
}

// Sent notes that an entry is about to be sent for the first time, and after which sequence number of the stream.
func (s *Spool) Sent(e *Entry, now time.Time, after uint64) error {
	e.Sent, e.SentAfter = now, after
	if e.segment.removed {
		return nil
	}
	defer s.wrote(e.segment)
	return e.segment.overwrite(appendSent(nil, now, after), e.offset+sentOffset)
}

// PutBack returns the entry that Next gave last, and that was not sent: it is the next one again.
func (s *Spool) PutBack(e *Entry) {
	g := e.segment
	g.takenEntries--
	g.takenRecords -= e.Records
	g.next = e.offset
}

// Done ends an entry that Next gave: it is not given again, by later processes neither. A segment whose entries are all
// done is removed. After an error the entry is out of the books all the same; Reopen finds it where it was not marked.
func (s *Spool) Done(e *Entry) error {
	g := e.segment
	g.entries--
	g.records -= e.Records
	g.takenEntries--
	g.takenRecords -= e.Records
	if g.removed {
		return nil
	}
	err := g.overwrite([]byte{stateDone}, e.offset+stateOffset)
	s.wrote(g)
	return errors.Join(err, s.tidy(g))
}

// tidy removes a segment whose entries are all done.
func (s *Spool) tidy(g *segment) error {
	if g.entries == 0 && !g.removed {
		return s.remove(g)
	}
	return nil
}

// DropOldest removes the oldest segment and returns what it had that was not taken; false where there is none. What was
// taken from it can still be ended with Done.
func (s *Spool) DropOldest() (lost Loss, ok bool, err error) {
	if len(s.segments) == 0 {
		return Loss{}, false, nil
	}
	g := s.segments[0]
	return g.giveUp(), true, s.remove(g)
}

// remove deletes a segment's file. Where that fails the room stays taken, and the file is read again by the next process.
func (s *Spool) remove(g *segment) error {
	g.removed = true
	if s.writing == g {
		s.writing = nil
	}
	s.segments = slices.DeleteFunc(s.segments, func(o *segment) bool { return o == g })
	s.bytes -= g.size
	if err := errors.Join(g.close(), s.root.Remove(g.name)); err != nil {
		return fmt.Errorf("removing a segment of the spool: %w", err)
	}
	return nil
}

// Close syncs and closes the files. What is not done stays for the next process.
func (s *Spool) Close() error {
	err := syncAll(s.dirty)
	if s.syncs != nil {
		err = errors.Join(err, <-s.syncs)
	}
	for _, g := range s.segments {
		err = errors.Join(err, g.close())
	}
	if err = errors.Join(err, s.closeDirectory()); err != nil {
		return fmt.Errorf("closing the spool: %w", err)
	}
	return nil
}

func (s *Spool) closeDirectory() (err error) {
	if s.lock != nil {
		err = s.lock.Close()
	}
	return errors.Join(err, s.root.Close())
}
